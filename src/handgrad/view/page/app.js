// The page as a whole: recordings side by side, steps, search, and the strip of gradients.

class App {
  constructor(page) {
    this.page = page;
    this.recordings = page.graphs.map((description) => new Recording(page, description));
    this.pictures = this.recordings.map((recording) => new Picture(recording, {
      choose: (node) => this.choose(recording, node),
      chooseArray: (edge) => this.chooseArray(recording, edge),
      toggle: (box) => this.toggle(box, recording),
    }));
    this.recordings.slice(1).forEach((r) => (r.partners = new Map(Object.entries(page.matched).map(([a, b]) => [b, a]))));
    this.panel = new Panel(this);
    this.table = new Table();
    this.step = 0;
    this.chosen = null;
    this.build();
    this.pictures.forEach((picture) => picture.draw());
    this.drawStrip();
    this.goEnd();
    const [{ nodes }] = this.pictures;
    const first = nodes.find((n) => n.kind === "op" && this.page.differences?.[n.id]) ?? nodes.find((n) => n.kind === "op" || n.kind === "box");
    this.choose(this.recordings[0], first, false);
    this.pictures.forEach((picture) => picture.fit(this.pictures.length > 1 ? 0.6 : 0.8));
    this.pictures.forEach((picture, i) => picture.reach(this.partner(this.recordings[0], first.id, i)));
    document.addEventListener("keydown", (event) => this.key(event));
    document.documentElement.dataset.ready = "yes";
  }

  build() {
    this.caption = h("p", { id: "caption", "aria-live": "polite" });
    this.slider = h("input", { id: "slider", type: "range", min: 0, value: 0, "aria-label": "step", oninput: () => this.goStep(Number(this.slider.value)) });
    const titles = this.recordings.map((r) => r.title);
    const pictures = this.pictures.map((picture, i) => h("div", { class: "canvas" },
      titles.length > 1 ? h("h2", {}, titles[i]) : null, picture.svg));
    const kinds = [["value", "value above"], ["grad", "gradient below"], ["leaf input", "input"], ["leaf parameter", "parameter"], ["op", "rule"], ["sink", "output"]];
    const legend = h("p", { id: "legend" }, kinds.map(([kind, words]) => h("span", { class: `key ${kind}` }, words)));
    document.body.prepend(
      h("header", { id: "bar" }, h("h1", {}, this.page.title), this.search(), this.findings(), this.examples(), h("span", { class: "space" }),
        this.button("open all", "open every box (o)", () => this.openAll(true)), this.button("close all", "close every box (c)", () => this.openAll(false)),
        this.button("−", "smaller", () => this.zoom(1 / 1.25)), this.button("fit", "fit into the window (0)", () => this.fit()),
        this.button("+", "larger", () => this.zoom(1.25)), this.button("◐", "light or dark", () => this.turnLight()),
        this.button("?", "keys", () => this.help.showModal())),
      h("main", {}, h("div", { id: "pictures", class: titles.length > 1 ? "two" : null }, pictures, legend), this.panel.element),
      h("footer", {}, this.strip = h("div", { id: "strip", role: "group", "aria-label": "norm of the gradient by layer" }),
        h("div", { id: "steps" },
          this.button("|◀", "to the beginning (Home)", () => this.goStep(0)), this.button("◀", "one step back (←)", () => this.goStep(this.step - 1)),
          this.slider, this.button("▶", "one step on (→)", () => this.goStep(this.step + 1)), this.button("▶|", "to the end (End)", () => this.goEnd()),
          this.caption)));
    const keys = [["← →", "one step back, on"], ["Home End", "to the beginning, the end"], ["Tab", "from node to node"], ["Enter", "open a box, look at a rule"],
      ["Space", "look at a node without opening it"], ["Shift with arrows", "move the picture"], ["+ − 0", "larger, smaller, fit"], ["o c", "open, close all boxes"],
      ["/", "search"], ["double click", "open a box"], ["Ctrl with wheel", "larger, smaller"]];
    this.help = h("dialog", { "aria-label": "keys" }, h("header", {}, h("h2", {}, "Keys"), h("button", { onclick: () => this.help.close(), "aria-label": "close" }, "✕")),
      h("table", {}, h("tbody", {}, keys.map(([key, what]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, what))))));
    document.body.append(this.help);
  }

  button(text, title, onclick) {
    return h("button", { title, "aria-label": /[a-z]/.test(text) ? null : title, onclick }, text);
  }

  // Steps.

  steps() {
    return this.pictures[0].steps;
  }

  now() {
    return this.steps()[this.step];
  }

  goEnd() {
    this.goStep(this.steps().length - 1, false);
  }

  goStep(step, follow = true) {
    const steps = this.steps();
    this.step = Math.min(Math.max(step, 0), steps.length - 1);
    Object.assign(this.slider, { max: steps.length - 1, value: this.step });
    const now = this.now();
    this.pictures.forEach((picture, i) => this.showMoment(picture, i, now));
    this.caption.replaceChildren(...this.captionOf(now));
    this.slider.setAttribute("aria-valuetext", this.caption.textContent);
    this.showStrip();
    if (!follow || !now.node) return this.chosen && this.panel.show(this.chosen.recording, this.chosen.node);
    this.pictures.forEach((picture, i) => picture.reach(this.partner(this.recordings[0], now.node.id, i)));
    this.choose(this.recordings[0], now.node, false);
  }

  // The same moment in another recording: after the rule that is the partner of the one at work.
  showMoment(picture, i, now) {
    const id = now.node && this.partner(this.recordings[0], now.node.id, i);
    const partner = i === 0 ? now.node : picture.nodes.find((n) => n.id === id);
    const at = i === 0 || !partner ? now.at : now.phase === "forward" ? partner.last : partner.first;
    picture.showMoment({ phase: now.phase, at }, partner);
  }

  // What a node of one recording is called in recording i; null where it has no partner there.
  partner(recording, id, i) {
    if (this.recordings[i] === recording) return id;
    const key = recording.keyOf(id);
    return i === 0 ? key : this.page.matched[key] ?? null;
  }

  pictureOf(recording) {
    return this.pictures[this.recordings.indexOf(recording)];
  }

  captionOf({ phase, node }) {
    const count = this.steps().filter((step) => step.phase === "forward").length - 1;
    if (!node) return [h("b", {}, "start"), " only inputs and parameters are there"];
    const back = phase === "backward";
    const at = back ? `${phase} ${this.step - count} of ${this.steps().length - 1 - count}` : `${phase} ${this.step} of ${count}`;
    return [h("b", { class: back ? "grad" : "value" }, at), ` ${this.recordings[0].nameOf(node)}: `, h("span", { class: "numbers" }, this.sayStep(node, back))];
  }

  sayStep(node, back) {
    const recording = this.recordings[0];
    if (node.kind === "box") return counted(node.of.ops);
    if (!back) return recording.says(node.of);
    return node.of.inputs.filter((use) => use.dx >= 0).map((use) => {
      const product = recording.productOf(use);
      return product ? equationOf(use, product) : `d${use.name}: ${told(recording.words(recording.summary(use.dx)))}`;
    }).join("   ");
  }

  // The step of an op, given which boxes are open.
  stepOf(op, phase) {
    return this.steps().findIndex((step) => step.phase === phase && step.node && step.node.first <= op && op <= step.node.last);
  }

  // Choosing.

  choose(recording, node, focus = true) {
    if (!node) return;
    this.chosen = { recording, node };
    this.panel.show(recording, node);
    this.pictures.forEach((picture, i) => picture.showChosen(this.partner(recording, node.id, i)));
    if (focus) this.pictureOf(recording).elements.get(node.id)?.[0].focus({ preventScroll: true });
  }

  chooseArray(recording, edge) {
    this.choose(recording, { id: edge.id, kind: "sink", of: edge.array }, false);
  }

  // What was chosen, as it is drawn now; edges and open boxes are no nodes, and stay what they were.
  chooseAgain() {
    if (!this.chosen) return;
    const { recording, node } = this.chosen;
    this.choose(recording, this.pictureOf(recording).nodes.find((n) => n.id === node.id) ?? node, false);
  }

  goto(recording, op) {
    const { box } = recording.ops[op];
    this.reveal(recording, box);
    this.gotoNode(recording, `o${op}`);
  }

  gotoArray(recording, array) {
    if (array.maker >= 0) return this.goto(recording, array.maker);
    this.reveal(recording, array.box);
    this.gotoNode(recording, `l${array.id}`);
  }

  gotoNode(recording, id) {
    const picture = this.pictureOf(recording);
    picture.reach(id);
    this.choose(recording, picture.nodes.find((n) => n.id === id));
  }

  // A box may be open, and is then no node.
  gotoBox(recording, box) {
    this.reveal(recording, box.parent);
    const picture = this.pictureOf(recording);
    const id = `b${box.id}`;
    picture.reach(picture.nodes.some((n) => n.id === id) ? id : `o${box.ops[0]}`);
    this.choose(recording, { id, kind: "box", of: box });
  }

  // Opening and closing.

  toggle(box, recording = this.chosen.recording) {
    const open = !box.open;
    this.setOpen([box], open);
    const picture = this.pictureOf(recording);
    const first = picture.nodes.find((n) => n.first <= box.ops[0] && box.ops[0] <= n.last && n.kind !== "sink");
    picture.reach(first.id);
    this.choose(recording, open ? first : picture.nodes.find((n) => n.id === `b${box.id}`) ?? first);
  }

  // Open or close boxes, by name, in all recordings.
  setOpen(boxes, open) {
    const names = new Set(boxes.map((box) => box.name));
    this.recordings.forEach((r) => r.boxes.filter((b) => names.has(b.name)).forEach((b) => (b.open = open)));
    this.redraw();
  }

  // Open every box around something, so that it is drawn.
  reveal(recording, box) {
    if (recording.closedAround(box)) this.setOpen(recording.above(box), true);
  }

  openAll(open) {
    const [recording] = this.recordings;
    if (open && recording.ops.length > MOST_OPEN) return this.say(`${recording.ops.length.toLocaleString("en")} rules are too many to be drawn at once: open the boxes that matter`);
    this.recordings.forEach((r) => r.boxes.forEach((box) => (box.open = open)));
    this.redraw();
    this.fit();
  }

  say(words) {
    this.caption.replaceChildren(h("b", {}, words));
  }

  // Draw again what is open, at the same moment.
  redraw() {
    const { phase, at } = this.now();
    this.pictures.forEach((picture) => picture.draw());
    this.drawStrip();
    const steps = this.steps();
    const isDone = (step) => (phase === "forward" ? step.phase === "forward" && step.at <= at : step.phase === "forward" || step.at >= at);
    this.step = steps.findLastIndex(isDone);
    this.goStep(this.step, false);
    this.chooseAgain();
  }

  zoom(factor) {
    this.pictures.forEach((picture) => picture.zoom(factor));
  }

  fit() {
    this.pictures.forEach((picture) => picture.fit());
  }

  turnLight() {
    SYSTEM.onchange = null;
    setLight(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  }

  // Search and findings.

  search() {
    this.names = new Map();
    for (const recording of this.recordings.slice(0, 1)) {
      recording.ops.forEach((op) => this.names.set(`${op.id + 1} ${recording.opName(op)}`, () => this.goto(recording, op.id)));
      recording.arrays.filter((a) => a.maker < 0).forEach((a) => this.names.set(a.name, () => this.gotoArray(recording, a)));
      recording.boxes.forEach((box) => this.names.set(`${box.name} ${box.label}`.trim(), () => this.gotoBox(recording, box)));
    }
    const list = h("datalist", { id: "names" });
    const offer = () => {
      const sought = this.input.value.toLowerCase();
      const found = [...this.names.keys()].filter((name) => name.toLowerCase().includes(sought)).slice(0, 30);
      list.replaceChildren(...found.map((name) => h("option", { value: name })));
      return found;
    };
    const go = () => {
      const found = offer();
      const name = this.names.has(this.input.value) ? this.input.value : found[0];
      if (name === undefined) return this.say(`nothing is called ${this.input.value}`);
      this.names.get(name)();
    };
    this.input = h("input", { id: "search", type: "search", list: "names", placeholder: "search", "aria-label": "search by name",
      oninput: (event) => (isPicked(event) && this.names.has(this.input.value) ? go() : offer()), onkeydown: (event) => event.key === "Enter" && go() });
    return h("span", {}, this.input, list);
  }

  findings() {
    const close = () => {
      menu.open = false;
      summary.focus();
    };
    const find = (name) => {
      close();
      FINDINGS[name](this, this.recordings[0]);
    };
    const summary = h("summary", {}, "find …");
    const buttons = Object.keys(FINDINGS).map((name) => h("button", { onclick: () => find(name) }, name));
    const leave = ({ target }) => menu.contains(target) || (menu.open = false);
    const menu = h("details", { id: "find", onkeydown: ({ key }) => key === "Escape" && close() }, summary, h("div", {}, buttons));
    document.addEventListener("pointerdown", leave);
    document.addEventListener("focusin", leave);
    return menu;
  }

  examples() {
    const { examples } = this.recordings[0];
    if (examples.length < 2) return null;
    const choose = () => {
      this.recordings.forEach((r) => (r.example = Number(select.value)));
      this.redraw();
    };
    const select = h("select", { id: "example", "aria-label": "example of the batch", onchange: choose },
      h("option", { value: -1 }, "whole batch"), examples.map((name, i) => h("option", { value: i }, /^\d+$/.test(name) ? `example ${name}` : name)));
    return select;
  }

  // The strip: a bar for each layer, as long as its gradient's norm, on a logarithmic scale.

  drawStrip() {
    const [recording] = this.recordings;
    const norms = recording.strip.map(([, , , norm]) => norm).filter((norm) => norm > 0);
    const high = Math.log10(Math.max(...norms, 1e-300));
    const low = Math.min(Math.log10(Math.min(...norms, 1e300)), high - 2);
    const bars = recording.strip.map(([name, box, op, norm, text]) => {
      const share = norm === null ? 1 : norm > 0 ? 0.12 + 0.88 * (Math.log10(norm) - low) / (high - low) : 0;
      const go = () => (box >= 0 ? this.gotoBox(recording, recording.boxes[box]) : this.goto(recording, op));
      const kind = norm === null ? "bar endless" : norm > 0 ? "bar" : "bar none";
      const bar = h("button", { class: kind, onclick: go }, h("span", { style: `height:${(share * 100).toFixed(1)}%` }));
      return Object.assign(bar, { of: { name, text, out: recording.ops[op].outputs[0] } });
    });
    this.strip.replaceChildren(h("span", { class: "muted" }, "‖gradient‖ by layer"), h("div", { class: "bars" }, bars));
  }

  // The gradients that have not come back yet are not told.
  showStrip() {
    const [recording] = this.recordings;
    for (const bar of this.strip.querySelectorAll(".bar")) {
      const { name, text, out } = bar.of;
      const isKnown = recording.isKnown(recording.arrays[out], recording.now);
      const words = isKnown ? `${name}: norm of the gradient ${text}` : name;
      bar.classList.toggle("unanswered", !isKnown);
      bar.setAttribute("title", words);
      bar.setAttribute("aria-label", words);
    }
  }

  // Keys.

  key(event) {
    if (event.target.matches("input:not([type=range]), select, textarea") || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const pan = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (event.shiftKey && pan) {
      this.pictures.forEach((p) => p.look({ ...p.view, x: p.view.x + pan[0], y: p.view.y + pan[1] }));
      return event.preventDefault();
    }
    const act = {
      ArrowRight: () => this.goStep(this.step + 1), ArrowLeft: () => this.goStep(this.step - 1), Home: () => this.goStep(0), End: () => this.goStep(Infinity),
      "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8), 0: () => this.fit(), o: () => this.openAll(true), c: () => this.openAll(false),
      "/": () => this.input.select(), "?": () => this.help.showModal(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

const MOST_OPEN = 400;

// Whether something was picked from the list, not typed: browsers tell so, or tell nothing of how it came.
const isPicked = ({ inputType }) => !inputType || inputType === "insertReplacementText";

// Light or dark: the system's, until the reader turns it.
const SYSTEM = matchMedia("(prefers-color-scheme: dark)");
const setLight = (theme) => (document.documentElement.dataset.theme = theme);
const asSystem = () => setLight(SYSTEM.matches ? "dark" : "light");
SYSTEM.onchange = asSystem;
asSystem();

// What can be found in a recording.
// Gradients by their largest elements; not that of the loss, which was given.
function bySize({ arrays, summaries }) {
  const known = arrays.filter((a) => summaries[a.grad]?.largest && (a.uses.length || !a.isOutput));
  const found = known.map((array) => ({ array, size: summaries[array.grad].largest[0] ?? Infinity, words: summaries[array.grad].largest[1] }));
  return found.sort((a, b) => a.size - b.size);
}

const FINDINGS = {
  "largest gradient": (app, recording) => found(app, recording, bySize(recording).at(-1), "the largest element of a gradient, "),
  "smallest gradient": (app, recording) => found(app, recording, bySize(recording)[0], "the gradient whose largest element is smallest, "),
  "first not finite": (app, recording) => {
    const value = recording.arrays.filter((a) => a.maker >= 0).find((a) => !recording.summaries[a.value].isFinite);
    const grad = recording.arrays.filter((a) => a.maker >= 0 && recording.summary(a.grad)?.isFinite === false).at(-1);
    if (!value && !grad) return app.say("all values and gradients are finite");
    app.gotoArray(recording, value ?? grad);
    app.say(`the first ${value ? "value" : "gradient"} that is not finite comes from ${recording.opName(recording.ops[(value ?? grad).maker])}`);
  },
  "dead ReLUs": (app, recording) => {
    const rectifiers = recording.ops.filter((op) => recording.rules[op.rule].name === "relu");
    if (!rectifiers.length) return app.say("there is no relu");
    const worst = rectifiers.reduce((a, b) => (zeros(recording, b) > zeros(recording, a) ? b : a));
    app.goto(recording, worst.id);
    app.say(`the most zeros: ${recording.opName(worst)}, ${+(100 * zeros(recording, worst)).toPrecision(3)} %; ${worst.notes[0]?.[1] ?? ""}`);
  },
  "wrong backward": (app, recording) => {
    const wrong = recording.ops.find((op) => recording.verdicts[op.verdict][0] === "wrong");
    if (!wrong) return app.say("the checker found no wrong backward");
    app.goto(recording, wrong.id);
  },
};

const zeros = (recording, op) => recording.summaries[recording.arrays[op.outputs[0]].value].zeros;

function found(app, recording, best, words) {
  if (!best) return app.say("there is no gradient");
  app.gotoArray(recording, best.array);
  app.say(`${words}${best.words}, of ${best.array.name}`);
}

loaded().then((page) => new App(page)).catch((error) => {
  document.body.append(h("p", { class: "failed" }, `This page cannot be shown: ${error.message}`));
  throw error;
});
