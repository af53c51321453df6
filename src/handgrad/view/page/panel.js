// The panel: everything that is known of one rule, one array or one layer.

import { titleOf } from "./arrange.js";
import { h, math } from "./dom.js";
import { thumbnail, thumbnailSize } from "./images.js";
import { entriesOf } from "./entries.js";
import { counted } from "./model.js";
import { word } from "./words.js";

const seconds = (v) => (v === 0 ? "–" : v < 1e-3 ? `${+(v * 1e6).toPrecision(3)} µs` : `${+(v * 1e3).toPrecision(3)} ms`);
const bytes = (v) => (v < 1024 ? `${v} B` : v < 2 ** 20 ? `${(v / 1024).toFixed(1)} KiB` : `${(v / 2 ** 20).toFixed(1)} MiB`);
export const told = ({ lines }) => lines.slice(0, 2).join(", ");
const section = (title, ...content) => h("section", {}, h("h3", {}, word(title)), ...content);

export class Panel {
  constructor(app) {
    this.app = app;
    /** @type {any} what all of it is about */
    this.shown = null;
    this.element = h("aside", { id: "panel", tabindex: 0, "aria-label": "details" });
  }

  show(recording, node) {
    const content = { op: this.op, box: this.box, leaf: this.array, sink: this.array, reference: this.array }[node.kind];
    this.element.replaceChildren(...content.call(this, recording, node.of));
    if (this.shown !== node.of) this.element.scrollTop = 0;
    this.shown = node.of;
  }

  op(recording, op) {
    const rule = recording.rules[op.rule];
    const [kind, verdict] = recording.verdicts[op.verdict];
    const boxes = recording.above(op.box).reverse().map(titleOf);
    return [
      h("h2", {}, rule.name),
      h("p", { class: "muted" }, `rule ${op.id + 1} of ${recording.ops.length}${boxes.length ? ` in ${boxes.join(" › ")}` : ""}`),
      h("p", { class: `verdict ${kind}` }, `${word("backward")}: ${verdict}`),
      this.notes(recording, [op]),
      section("Forward", this.formulas(rule.forward, op.plugged.forward), op.letters ? h("p", { class: "muted" }, op.letters) : null,
        op.plugged.forward.length ? null : h("p", { class: "numbers value" }, recording.says(op)),
        op.options ? h("p", { class: "muted" }, op.options) : null),
      this.answer(recording, op),
      section("Backward", this.formulas(rule.backward, recording.isAnswered(op.id, recording.now) ? op.plugged.backward : []), this.chains(recording, op)),
      entriesOf(recording, op),
      section("Inputs", op.inputs.map((use) => this.input(recording, use))),
      section("Outputs", op.outputs.map((out) => this.pair(recording, recording.arrays[out], "dout"))),
      section("Kept for the backward", this.kept(op)),
      section("Time", h("p", {}, `forward ${seconds(op.seconds)}, backward ${seconds(op.backwardSeconds)}`)),
      this.source(rule),
      op.places.length ? section("Called from", op.places.map(([file, line, text]) =>
        h("p", { class: "place" }, h("span", { class: "muted" }, `${file}:${line}`), h("code", {}, text)))) : null,
    ].filter(Boolean);
  }

  // Formulas, and where the arrays are numbers, the same with these plugged in.
  formulas(general, plugged) {
    const shown = (tree, kind) => h("p", { class: `formula ${kind}` }, math(tree));
    return general.flatMap((tree, i) => [shown(tree, ""), ...(plugged[i] ? [shown(plugged[i], "plugged")] : [])]);
  }

  // Upstream gradient × local derivative = downstream gradient, of each input.
  chains(recording, op) {
    const dout = recording.summary(recording.arrays[op.outputs[0]].grad);
    if (!dout) return h("p", { class: "muted" }, word("no gradient comes this way"));
    if (!recording.isAnswered(op.id, recording.now)) return h("p", { class: "muted" }, word("the backward has not come here yet"));
    const uses = op.inputs.filter((use) => use.dx >= 0);
    const products = uses.map((use) => recording.productOf(use));
    const rows = uses.map((use, i) => {
      const dx = recording.summary(use.dx);
      const [upstream, downstream] = dx.examples ? [recording.words(dout), recording.words(dx)] : [dout, dx];
      const [at, numbers] = products[i] ?? ["", `${told(upstream)} → ${told(downstream)}`];
      return h("tr", {}, h("th", { scope: "row" }, `${recording.gradOf(use)}${at}`), h("td", { class: "numbers grad" }, numbers));
    });
    const isElement = products.some((product) => product?.[0]);
    const isFinite = uses.every((use) => recording.summary(use.dx).isFinite);
    const means = !products.some(Boolean) ? "upstream → downstream"
      : isElement ? `upstream × local = downstream, at its largest${isFinite ? "" : " finite"}` : "upstream × local derivative = downstream";
    return h("table", { class: "chain" }, h("caption", {}, means), h("tbody", {}, rows));
  }

  // Dead units, numbers that are not finite; what is of gradients once they are there.
  notes(recording, ops) {
    const known = ops.flatMap((op) => op.notes.filter(([kind]) => kind === "value" || recording.isKnown(recording.arrays[op.outputs[0]], recording.now)));
    const words = [...new Set(known.map(([, words]) => words))].slice(0, 8);
    return words.length ? h("ul", {}, words.map((note) => h("li", {}, note))) : null;
  }

  // What a loss says of examples: of the one that was chosen all classes, else of each the likeliest.
  answer(recording, op) {
    if (!op.answers.length) return null;
    const row = (...cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell)));
    const head = (...cells) => h("thead", {}, h("tr", {}, cells.map((cell) => h("th", { scope: "col" }, cell))));
    const chance = ({ predicted, chances }) => chances.find(([k]) => k === predicted)?.[1];
    const one = recording.answerOf(op);
    if (!one) {
      const hasClasses = op.answers[0].chances;
      const rows = op.answers.map((each, i) => row(recording.examples[i], each.own, ...(hasClasses ? [each.label, each.predicted, chance(each)] : [])));
      return section("Examples", h("table", { class: "answers" }, head("example", "own loss", ...(hasClasses ? ["label", "predicted", "probability"] : [])), h("tbody", {}, rows)));
    }
    const lines = [`its own loss: ${one.own}`, ...(one.chances ? [`predicted: ${one.predicted}`, `label: ${one.label}`] : [])];
    const mark = (k) => [k === one.predicted && "predicted", k === one.label && "label"].filter(Boolean).join(", ");
    return section("This example", lines.map((line) => h("p", {}, line)), one.chances
      ? h("table", { class: "answers" }, head("class", "probability", ""), h("tbody", {}, one.chances.map(([k, p]) => row(k, p, mark(k))))) : null);
  }

  input(recording, use) {
    if (use.array < 0) return h("p", {}, h("b", {}, use.name), ` = ${use.literal}`);
    const array = recording.arrays[use.array];
    return h("div", { class: "array" },
      h("p", {}, h("b", {}, use.name), array.name === use.name ? "" : ` = ${array.name}`, this.sum(recording, array)),
      this.facts(recording, array.value, "value", use.name),
      recording.isAnswered(use.op, recording.now) ? this.facts(recording, use.dx, "grad", recording.gradOf(use)) : null);
  }

  pair(recording, array, gradName) {
    return h("div", { class: "array" }, h("p", {}, h("b", {}, array.name), this.sum(recording, array)), ...this.both(recording, array, gradName));
  }

  // An array's value, and once all of it is there, its gradient.
  both(recording, array, gradName) {
    const isKnown = recording.isKnown(array, recording.now);
    return [this.facts(recording, array.value, "value", array.name), isKnown ? this.facts(recording, array.grad, "grad", recording.gradNameOf(array, gradName)) : ""];
  }

  sum(recording, array) {
    const isKnown = array.wholeSum && recording.isKnown(array, recording.now);
    return isKnown ? h("span", { class: "numbers grad" }, ` ${array.wholeSum}`) : "";
  }

  // The numbers of an array: text, statistics, picture, and the way to all of them.
  facts(recording, number, kind, name) {
    const summary = recording.summary(number);
    if (!summary) return h("p", { class: `muted ${kind}` }, kind === "grad" ? `${name}: none` : "");
    const words = recording.words(summary);
    const one = summary.shape.reduce((a, b) => a * b, 1) === 1;
    const said = one || words !== summary ? words.lines.join(", ") : summary.words;
    const facts = [summary.dtype, !one && summary.zeros > 0 && `${+(100 * summary.zeros).toPrecision(3)} % zeros`, summary.stored[3]];
    const digits = h("span", { class: "numbers" }, kind === "grad" ? `${name}: ` : "", said);
    const more = h("span", { class: "muted" }, facts.filter(Boolean).join(", "),
      h("button", { onclick: () => this.app.table.show(recording, summary, name, kind), "aria-label": `numbers of ${name}` }, word("numbers")));
    return h("div", { class: `facts ${kind}` }, words.thumb ? this.picture(words.thumb) : null,
      one ? h("p", {}, digits, "  ", more) : h("div", {}, h("p", {}, digits), h("p", {}, more)));
  }

  picture(thumb) {
    const canvas = thumbnail(thumb, this.app.page.colours);
    const { width, height } = thumbnailSize(thumb, { width: 84, height: 84 });
    canvas.setAttribute("style", `width:${width}px;height:${height}px`);
    canvas.setAttribute("aria-hidden", "true");
    if (!thumb[3]) canvas.classList.add("heat");
    return canvas;
  }

  kept(op) {
    if (!op.kept.length) return h("p", { class: "muted" }, word("nothing"));
    const total = op.kept.reduce((sum, [, , size]) => sum + size, 0);
    return h("table", {}, h("tbody", {}, op.kept.map(([name, shape, size]) =>
      h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, shape), h("td", {}, bytes(size))))),
      h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, word("in all")), h("td"), h("td", {}, bytes(total)))));
  }

  source(rule) {
    if (!rule.source) return null;
    const [file, first, lines, forward, backward] = rule.source;
    const marked = new Set(this.app.now().phase === "backward" ? backward : forward);
    const atWork = this.app.now().phase === "backward" ? "backward" : "forward";
    const code = lines.map((line, i) => h("span", { class: marked.has(i) ? `line at-work ${atWork}` : "line" }, `${line}\n`));
    return section("Source", h("p", { class: "muted" }, `${file}:${first}, the ${atWork} marked`),
      h("pre", { tabindex: 0, "aria-label": `source of ${rule.name}` }, h("code", {}, code)));
  }

  box(recording, box) {
    const last = recording.ops[box.ops.at(-1)];
    const inside = recording.arrays.filter((a) => a.maker < 0 && a.role === "parameter" && recording.above(a.box).includes(box));
    return [
      h("h2", {}, box.title),
      h("p", { class: "muted" }, box.title.startsWith(box.name) ? box.size : `${box.name}, ${box.size}`),
      h("p", {}, h("button", { onclick: () => this.app.toggle(box) }, word(box.open ? "close" : "open"))),
      this.notes(recording, box.ops.map((op) => recording.ops[op])),
      inside.length ? section("Parameters", inside.slice(0, 20).map((array) => this.pair(recording, array, array.gradName))) : null,
      section("Output", last.outputs.map((out) => this.pair(recording, recording.arrays[out], "dout"))),
    ].filter(Boolean);
  }

  array(recording, array) {
    const users = [...new Set(array.uses.map((use) => use.op))].slice(0, 12);
    return [
      h("h2", {}, array.name),
      h("p", { class: "muted" }, array.isOutput ? "output" : array.role),
      ...this.both(recording, array, array.gradName),
      array.wholeSum && recording.isKnown(array, recording.now) ? section("Gradients that meet here", h("p", { class: "numbers grad" }, array.wholeSum)) : null,
      users.length ? section("Used by", h("ul", {}, users.map((op) =>
        h("li", {}, h("button", { onclick: () => this.app.goto(recording, op) }, recording.opName(recording.ops[op])))))) : null,
    ].filter(Boolean);
  }

  // Of nothing in particular: what goes in, what comes out, what is inside.
  overview(recording) {
    this.shown = null;
    const outputs = recording.arrays.filter((array) => array.isOutput);
    const outer = recording.boxes.filter((box) => box.parent < 0).slice(0, 40);
    this.element.replaceChildren(...[
      h("h2", {}, recording.title),
      h("p", { class: "muted" }, counted(recording.ops)),
      section("Output", outputs.map((array) => this.pair(recording, array, array.gradName))),
      outer.length ? section("Layers", h("ul", {}, outer.map((box) =>
        h("li", {}, h("button", { onclick: () => this.app.gotoBox(recording, box) }, titleOf(box)))))) : null,
    ].filter(Boolean));
  }
}
