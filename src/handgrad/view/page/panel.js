// The panel: everything that is known of one rule, one array or one layer.

const seconds = (v) => (v === 0 ? "–" : v < 1e-3 ? `${+(v * 1e6).toPrecision(3)} µs` : `${+(v * 1e3).toPrecision(3)} ms`);
const bytes = (v) => (v < 1024 ? `${v} B` : v < 2 ** 20 ? `${(v / 1024).toFixed(1)} KiB` : `${(v / 2 ** 20).toFixed(1)} MiB`);
const rangeOf = ({ lines }) => lines[1] ?? lines[0];
const told = ({ lines }) => lines.slice(0, 2).join(", ");
const section = (title, ...content) => h("section", {}, h("h3", {}, title), ...content);

class Panel {
  constructor(app) {
    this.app = app;
    this.element = h("aside", { id: "panel", tabindex: 0, "aria-label": "details" });
  }

  show(recording, node) {
    const content = { op: this.op, box: this.box, leaf: this.array, sink: this.array }[node.kind];
    this.element.replaceChildren(...content.call(this, recording, node.of));
    this.element.scrollTop = 0;
  }

  op(recording, op) {
    const rule = recording.rules[op.rule];
    const [kind, verdict] = recording.verdicts[op.verdict];
    const boxes = recording.above(op.box).reverse().map((box) => box.label ? `${box.short} ${box.label}` : box.short);
    return [
      h("h2", {}, rule.name),
      h("p", { class: "muted" }, `rule ${op.id + 1} of ${recording.ops.length}${boxes.length ? ` in ${boxes.join(" › ")}` : ""}`),
      ...recording.above(op.box).filter((box) => !recording.isFramed(box)).map((box) => h("p", {}, h("button", { onclick: () => this.app.toggle(box) }, `close ${box.name} ${box.label}`))),
      h("p", { class: `verdict ${kind}` }, `backward: ${verdict}`),
      op.notes.length ? h("ul", {}, op.notes.map((note) => h("li", {}, note))) : null,
      section("Forward", this.formulas(rule.forward, op.plugged.forward), op.plugged.forward.length || recording.example >= 0 ? null : h("p", { class: "numbers value" }, op.says),
        op.options ? h("p", { class: "muted" }, op.options) : null),
      section("Backward", this.formulas(rule.backward, op.plugged.backward), this.chains(recording, op)),
      section("Inputs", op.inputs.map((use) => this.input(recording, use))),
      section("Outputs", op.outputs.map((out) => this.pair(recording, recording.arrays[out]))),
      section("Kept for the backward", this.kept(op)),
      section("Time", h("p", {}, `forward ${seconds(op.seconds)}, backward ${seconds(op.backwardSeconds)}`)),
      this.source(rule, op),
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
    if (!dout) return h("p", { class: "muted" }, "no gradient comes this way");
    const rows = op.inputs.filter((use) => use.dx >= 0).map((use) => {
      const dx = recording.summary(use.dx);
      const [upstream, downstream] = dx.examples ? [recording.words(dout), recording.words(dx)] : [dout, dx];
      const local = recording.summary(use.local);
      const isProduct = [dout, local, dx].every((summary) => summary?.notFinite === 0);
      const product = isProduct && [upstream, recording.words(local), downstream].map(rangeOf);
      const numbers = use.chain ?? (product ? `${product[0]} × ${product[1]} = ${product[2]}` : `${told(upstream)} → ${told(downstream)}`);
      return h("tr", {}, h("th", { scope: "row" }, `d${use.name}`), h("td", { class: "numbers grad" }, numbers));
    });
    return h("table", { class: "chain" }, h("caption", {}, "upstream × local derivative = downstream"), h("tbody", {}, rows));
  }

  input(recording, use) {
    if (use.array < 0) return h("p", {}, h("b", {}, use.name), ` = ${use.literal}`);
    const array = recording.arrays[use.array];
    return h("div", { class: "array" },
      h("p", {}, h("b", {}, use.name), array.name === use.name ? "" : ` = ${array.name}`, this.sum(array)),
      this.facts(recording, array.value, "value", use.name),
      this.facts(recording, use.dx, "grad", `d${use.name}`));
  }

  pair(recording, array) {
    return h("div", { class: "array" }, h("p", {}, h("b", {}, array.name), this.sum(array)),
      this.facts(recording, array.value, "value", array.name),
      this.facts(recording, array.grad, "grad", "dout"));
  }

  sum(array) {
    return array.sum ? h("span", { class: "numbers grad" }, ` ${array.sum}`) : "";
  }

  // The numbers of an array: text, statistics, picture, and the way to all of them.
  facts(recording, number, kind, name) {
    const summary = recording.summary(number);
    if (!summary) return h("p", { class: `muted ${kind}` }, kind === "grad" ? `${name}: none` : "");
    const words = recording.words(summary);
    const [low, mean, high, norm] = summary.stats;
    const one = summary.shape.reduce((a, b) => a * b, 1) === 1;
    const said = one || words !== summary ? words.lines.join(", ") : `${summary.shape.join(" × ")}, from ${low} to ${high}, mean ${mean}, norm ${norm}`;
    const facts = [summary.dtype, !one && summary.zeros > 0 && `${+(100 * summary.zeros).toPrecision(3)} % zeros`, summary.notFinite > 0 && `${summary.notFinite} not finite`, summary.stored[3]];
    const digits = h("span", { class: "numbers" }, kind === "grad" ? `${name}: ` : "", said);
    const more = h("span", { class: "muted" }, facts.filter(Boolean).join(", "),
      h("button", { onclick: () => this.app.table.show(recording, summary, name, kind), "aria-label": `numbers of ${name}` }, "numbers"));
    return h("div", { class: `facts ${kind}` }, words.thumb ? this.picture(words.thumb) : null,
      one ? h("p", {}, digits, "  ", more) : h("div", {}, h("p", {}, digits), h("p", {}, more)));
  }

  picture(thumb) {
    const canvas = thumbnail(thumb, this.app.page.colours);
    const { width, height } = thumbnailSize(thumb, { width: 84, height: 84 });
    canvas.setAttribute("style", `width:${width}px;height:${height}px`);
    canvas.setAttribute("aria-hidden", "true");
    return canvas;
  }

  kept(op) {
    if (!op.kept.length) return h("p", { class: "muted" }, "nothing");
    const total = op.kept.reduce((sum, [, , size]) => sum + size, 0);
    return h("table", {}, h("tbody", {}, op.kept.map(([name, shape, size]) =>
      h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, shape), h("td", {}, bytes(size))))),
      h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "in all"), h("td"), h("td", {}, bytes(total)))));
  }

  source(rule, op) {
    if (!rule.source) return null;
    const [file, first, lines, forward, backward] = rule.source;
    const marked = new Set(this.app.now().phase === "backward" ? backward : forward);
    const atWork = this.app.now().phase === "backward" ? "backward" : "forward";
    const code = lines.map((line, i) => h("span", { class: marked.has(i) ? `line at-work ${atWork}` : "line" }, `${line}\n`));
    return section("Source", h("p", { class: "muted" }, `${file}:${first}, the ${atWork} marked`),
      h("pre", { tabindex: 0, "aria-label": `source of ${rule.name}` }, h("code", {}, code)));
  }

  box(recording, box) {
    const notes = box.ops.flatMap((op) => recording.ops[op].notes);
    const last = recording.ops[box.ops.at(-1)];
    const inside = recording.arrays.filter((a) => a.maker < 0 && a.role === "parameter" && recording.above(a.box).includes(box));
    return [
      h("h2", {}, box.label ? `${box.name} ${box.label}` : box.name),
      h("p", { class: "muted" }, counted(box.ops)),
      h("p", {}, h("button", { onclick: () => this.app.toggle(box) }, box.open ? "close" : "open")),
      notes.length ? h("ul", {}, [...new Set(notes)].slice(0, 8).map((note) => h("li", {}, note))) : null,
      inside.length ? section("Parameters", inside.slice(0, 20).map((array) => this.pair(recording, array))) : null,
      section("Output", last.outputs.map((out) => this.pair(recording, recording.arrays[out]))),
    ].filter(Boolean);
  }

  array(recording, array) {
    const users = [...new Set(array.uses.map((use) => use.op))].slice(0, 12);
    return [
      h("h2", {}, array.name),
      h("p", { class: "muted" }, array.isOutput ? "output" : array.role),
      this.facts(recording, array.value, "value", array.name),
      this.facts(recording, array.grad, "grad", `d${array.name}`),
      array.sum ? section("Gradients that meet here", h("p", { class: "numbers grad" }, array.sum)) : null,
      users.length ? section("Used by", h("ul", {}, users.map((op) =>
        h("li", {}, h("button", { onclick: () => this.app.goto(recording, op) }, recording.opName(recording.ops[op])))))) : null,
    ].filter(Boolean);
  }
}
