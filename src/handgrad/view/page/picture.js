// The picture of one recording: laid out by dagre, drawn as SVG, moved and scaled as a whole.

const OP = { width: 52, height: 36 };
const TEXT = 7.1; // the width of a letter at 12 pixels, in the widest of the usual fonts
const THUMB = { width: 64, height: 42 };
const LINE = 14;
const MARK = 12;

const widthOf = (words) => [...words].reduce((sum, c) => sum + (c.charCodeAt(0) > 0x2e80 ? 2 : 1), 0) * TEXT;
const shortened = (words, most) => ([...words].length <= most ? words : [...words].slice(0, most - 1).join("") + "…");

class Picture {
  constructor(recording, chosen) {
    Object.assign(this, { recording, chosen });
    this.scene = s("g");
    this.svg = s("svg", { class: "picture", role: "group", "aria-label": `graph of ${recording.title}` }, this.scene);
    this.view = { x: 0, y: 0, scale: 1 };
    this.moveByPointer();
  }

  // Lay out and draw what is open.
  draw() {
    const { nodes, flows } = this.recording.visible();
    const whole = new Level(this.recording, -1, nodes, this).layout(flows);
    Object.assign(this, { nodes, steps: this.recording.steps(nodes), width: whole.width, height: whole.height });
    this.elements = new Map();
    this.places = new Map();
    this.edges = [];
    const order = inForward(flows);
    const layers = { frames: [], lines: [], things: [] };
    for (const placed of whole.placed()) {
      if (placed.frame) layers.frames.push(this.drawnFrame(placed));
      else if (placed.edge) this.drawEdge(placed, layers, order);
      else layers.things.push({ at: order.ofNode(placed.node), element: this.drawnNode(placed) });
    }
    const things = layers.things.sort((a, b) => compared(a.at, b.at)).map(({ element }) => element);
    this.scene.replaceChildren(...layers.frames, ...layers.lines, ...things);
  }

  // The room that a node takes: what is drawn of it, and the marks below, even about its middle.
  sizeOf(node) {
    const drawn = this.outlineOf(node);
    const marks = this.marksOf(node);
    const widest = Math.max(0, ...marks.map(([, words]) => widthOf(words) * 0.9));
    return { width: Math.max(drawn.width, widest), height: drawn.height + 2 * MARK * marks.length };
  }

  outlineOf(node) {
    if (node.kind === "op") return { width: Math.max(OP.width, widthOf(node.of.label) + 22), height: OP.height };
    const lines = this.linesOf(node);
    const width = Math.max(...lines.map(widthOf)) + (node.kind === "box" ? 40 : 24);
    return { width: Math.max(width, 40), height: LINE * lines.length + 16 };
  }

  linesOf(node) {
    if (node.kind !== "box") return [shortened(this.shortName(node), 24)];
    const { short, label, ops } = node.of;
    return [shortened(short, 28), ...(label ? [shortened(label, 28)] : []), counted(ops)];
  }

  // A leaf's name, without that of the box that it stands in.
  shortName({ of, box }) {
    const outer = box >= 0 ? `${this.recording.boxes[box].name}.` : "";
    return of.name.startsWith(outer) ? of.name.slice(outer.length) : of.name;
  }

  // What stands at an edge: the value above the line, the gradient that comes back below.
  labelOf(edge) {
    const { recording } = this;
    const value = recording.words(recording.summary(edge.array.value));
    const grad = recording.words(recording.gradientOf(edge));
    const parts = [value, grad].map((words) => (words ? this.blockOf(words) : { width: 0, height: 0, lines: [] }));
    const height = 2 * Math.max(parts[0].height, parts[1].height, LINE) + 8;
    return { value: parts[0], grad: parts[1], width: Math.max(parts[0].width, parts[1].width, 20) + 8, height };
  }

  blockOf({ lines, thumb, pale }) {
    const picture = thumb && lines.length > 1 ? thumbnailSize(thumb, THUMB) : null;
    const width = Math.max(...lines.map((line) => widthOf(line) * 0.92), picture?.width ?? 0);
    return { lines, thumb, picture, pale, width, height: LINE * lines.length + (picture ? picture.height + 5 : 0) };
  }

  titleOf(box) {
    return box.label ? `${box.short} ${box.label}` : box.short;
  }

  titleWidth(box) {
    return Math.min(widthOf(this.titleOf(box)) + 34, 260);
  }

  drawnFrame({ frame, left, top, width, height }) {
    const title = shortened(this.titleOf(frame), Math.floor((width - 26) / TEXT));
    const close = () => this.chosen.toggle(frame);
    return s("g", { class: "frame", "data-box": frame.id },
      s("rect", { x: left, y: top, width, height, rx: 8 }),
      s("g", { role: "button", tabindex: 0, "aria-label": `close ${frame.name} ${frame.label}`, onclick: close, onkeydown: pressed(close) },
        s("rect", { class: "handle", x: left, y: top, width, height: 20, rx: 8 }),
        s("text", { x: left + 8, y: top + 14 }, `▾ ${title}`)));
  }

  drawnNode({ node, x, y }) {
    const { width, height } = this.outlineOf(node);
    this.places.set(node.id, { x, y, width, height });
    const choose = () => this.chosen.choose(node);
    const act = node.kind === "box" ? () => this.chosen.toggle(node.of) : choose;
    const lines = node.kind === "op" ? [node.of.label] : this.linesOf(node);
    const top = y - ((lines.length - 1) * LINE) / 2 + 4;
    const element = s("g", { class: `node ${node.kind} ${node.of.role ?? ""}`, role: "button", tabindex: 0, "data-node": node.id,
      "aria-label": this.spokenOf(node), onclick: choose, ondblclick: act, onkeydown: pressed(act, choose),
      onfocus: () => element.matches(":focus-visible") && this.reach(node.id) },
      this.shapeOf(node, x, y, width, height),
      lines.flatMap((line, i) => [s("text", { x, y: top + i * LINE, class: i ? "small" : "" }, line), " "]),
      node.kind === "box" ? this.opener(node, x, y, width, height) : null,
      this.marksOf(node).flatMap(([kind, words], i) => [s("text", { class: `mark ${kind}`, x, y: y + height / 2 + MARK * (i + 1) }, words), " "]));
    this.elements.set(node.id, [element]);
    return element;
  }

  // The corner of a closed box that opens it.
  opener(node, x, y, width, height) {
    const open = (event) => {
      event.stopPropagation();
      this.chosen.toggle(node.of);
    };
    const [left, top] = [x - width / 2, y - height / 2];
    return s("g", { onclick: open }, s("rect", { class: "handle", x: left, y: top, width: 20, height: 20 }), s("text", { x: left + 10, y: top + 15 }, "▸"));
  }

  // The full name, and all that is written, in the order in which it is.
  spokenOf(node) {
    const what = { op: "rule", box: "closed box", leaf: node.of.role, sink: "output" }[node.kind];
    const count = node.kind === "box" ? [this.linesOf(node).at(-1)] : [];
    return `${[this.recording.nameOf(node), ...count, ...this.marksOf(node).map(([, words]) => words)].join(" ")}, ${what}`;
  }

  shapeOf(node, x, y, width, height) {
    const box = { x: x - width / 2, y: y - height / 2, width, height };
    if (node.kind === "op") return s("rect", { ...box, rx: height / 2 });
    if (node.kind === "leaf" && node.of.role === "parameter") return s("rect", { ...box, rx: 2 });
    return s("rect", { ...box, rx: node.kind === "box" ? 8 : 12 });
  }

  // A sum of gradients at a fan-out, a wrong backward, a number that is not finite, a difference.
  marksOf(node) {
    const marks = [];
    const { recording } = this;
    const ops = node.kind === "op" ? [node.of] : node.kind === "box" ? node.of.ops.map((op) => recording.ops[op]) : [];
    if (ops.some((op) => recording.verdicts[op.verdict][0] === "wrong")) marks.push(["wrong", "✗ wrong backward"]);
    for (const [kind, words] of [["value", "not finite"], ["gradient", "gradient not finite"]])
      if (ops.some((op) => op.isFinite[kind] === false)) marks.push([`wrong ${kind}`, words]);
    const arrays = node.kind === "op" ? node.of.outputs.map((a) => recording.arrays[a]) : node.kind === "leaf" ? [node.of] : [];
    arrays.forEach((array) => marks.push(...array.sum.map((line) => ["sum gradient", line])));
    const differs = recording.page.differences?.[recording.keyOf(node.id)] ?? [];
    marks.push(...differs.map((words) => [`differs ${words.split(" ")[1]}`, words]));
    return marks;
  }

  // The line of an edge, below everything; and its label, which can be pressed.
  drawEdge({ edge, points, x, y }, layers, order) {
    const { label } = edge;
    const choose = () => this.chosen.chooseArray(edge);
    const attributes = { class: "edge", "data-edge": edge.id, onclick: choose };
    const line = s("g", attributes, s("path", { d: smooth(points), "marker-end": /[xeg]/.test(edge.to[0]) ? null : "url(#arrow)" }));
    layers.lines.push(line);
    this.edges.push(edge);
    this.elements.set(edge.id, [line]);
    if (!label) return;
    this.places.set(edge.id, { x, y, width: label.width, height: label.height });
    const written = s("g", { ...attributes, role: "button", tabindex: 0, onkeydown: pressed(choose),
      onfocus: () => written.matches(":focus-visible") && this.reach(edge.id) }, s("title", {}, spokenOfEdge(edge)),
      this.drawnBlock(label.value, x, y - 5 - label.value.height, "value"), this.drawnBlock(label.grad, x, y + 5, "grad"));
    layers.things.push({ at: order.ofEdge(edge), element: written });
    this.elements.get(edge.id).push(written);
  }

  drawnBlock(block, x, top, kind) {
    if (!block.lines.length) return null;
    const above = kind === "value" ? top + (block.picture ? block.picture.height + 5 : 0) : top;
    const lines = block.lines.map((line, i) => s("text", { x, y: above + LINE * i + 11 }, line));
    const at = kind === "value" ? top : top + LINE * block.lines.length + 3;
    const picture = block.picture && s("image", { x: x - block.picture.width / 2, y: at, ...block.picture,
      preserveAspectRatio: "none", href: thumbnail(block.thumb, this.recording.page.colours).toDataURL() });
    return s("g", { class: block.pale ? `${kind} pale` : kind }, s("rect", { class: "ground", x: x - block.width / 2 - 2, y: top - 1,
      width: block.width + 4, height: block.height + 2 }), lines, picture);
  }

  // Grey what has not happened yet, mark what happens now.
  showMoment(now, current) {
    const { recording } = this;
    recording.now = now;
    for (const node of this.nodes) {
      const isThere = node.kind === "leaf" || (node.kind === "sink" ? recording.isDone(recording.ops.length - 1, now)
        : recording.isDone(node.kind === "box" ? node.last : node.of.id, now));
      this.mark(node.id, "later", !isThere);
      this.mark(node.id, "now", node.id === current?.id);
      this.mark(node.id, "unanswered", !this.isAnswered(node, now));
    }
    this.showChain(now, current);
    for (const edge of this.edges) {
      const { maker } = edge.array;
      this.mark(edge.id, "later", maker >= 0 && !recording.isDone(maker, now));
      const back = edge.uses.length ? edge.uses.every((use) => recording.isAnswered(use.op, now)) : now.phase === "backward";
      this.mark(edge.id, "unanswered", !back);
    }
  }

  // Whether the gradients are there that are told of below a node.
  isAnswered(node, now) {
    if (node.kind === "box") return this.recording.isAnswered(node.first, now);
    const arrays = node.kind === "op" ? node.of.outputs.map((a) => this.recording.arrays[a]) : [node.of];
    return arrays.every((array) => this.recording.isKnown(array, now));
  }

  // Below the rule whose backward is at work: upstream × local = downstream, where that can be written out.
  showChain(now, current) {
    this.chain?.remove();
    this.chain = null;
    const isBack = current?.kind === "op" && now.phase === "backward";
    const chains = isBack ? current.of.inputs.filter((use) => use.chain) : [];
    if (!chains.length) return;
    const { x, y } = this.places.get(current.id);
    const lines = chains.map((use) => equationOf(use, this.recording.productOf(use)));
    const [width, height] = [Math.max(...lines.map(widthOf)) + 12, LINE * lines.length + 8];
    const middle = this.freeHeight(x, y, width, height);
    this.chain = s("g", { class: "chained" }, s("line", { x1: x, y1: y, x2: x, y2: middle }),
      s("rect", { x: x - width / 2, y: middle - height / 2, width, height, rx: 5 }),
      lines.map((line, i) => s("text", { x, y: middle - height / 2 + LINE * (i + 1) + 1 }, line)));
    this.scene.insertBefore(this.chain, this.scene.querySelector("[data-node], .edge[tabindex]"));
  }

  // The height nearest to y at which a rectangle about x covers no node and no label.
  freeHeight(x, y, width, height) {
    const covers = (at) => [...this.places.values()].some((place) =>
      Math.abs(place.x - x) < (place.width + width) / 2 + 4 && Math.abs(place.y - at) < (place.height + height) / 2 + 4);
    for (let away = 10; away < 2000; away += 10) {
      const free = [y + away, y - away].find((at) => !covers(at));
      if (free !== undefined) return free;
    }
    return y;
  }

  mark(id, name, is) {
    for (const element of this.elements.get(id) ?? []) element.classList.toggle(name, is);
  }

  showChosen(id) {
    this.mark(this.shown, "chosen", false);
    this.mark(id, "chosen", true);
    this.shown = id;
  }

  // Moving.

  moveByPointer() {
    let from = null;
    this.svg.addEventListener("pointerdown", (e) => (from = { x: e.clientX, y: e.clientY, view: { ...this.view } }));
    this.svg.addEventListener("pointermove", (e) => {
      if (!from || !e.buttons) return;
      const moved = Math.abs(e.clientX - from.x) + Math.abs(e.clientY - from.y) > 4;
      if (moved && !this.svg.hasPointerCapture(e.pointerId)) this.svg.setPointerCapture(e.pointerId);
      this.look({ ...from.view, x: from.view.x + e.clientX - from.x, y: from.view.y + e.clientY - from.y });
    });
    this.svg.addEventListener("pointerup", () => (from = null));
    this.svg.addEventListener("wheel", (e) => {
      e.preventDefault();
      if (!e.ctrlKey && !e.metaKey) return this.look({ ...this.view, x: this.view.x - e.deltaX, y: this.view.y - e.deltaY });
      const { left, top } = this.svg.getBoundingClientRect();
      this.zoom(Math.exp(-e.deltaY / 300), e.clientX - left, e.clientY - top);
    }, { passive: false });
  }

  look(view) {
    this.view = view;
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      const { x, y, scale } = this.view;
      this.scene.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
    });
  }

  size() {
    const { width, height } = this.svg.getBoundingClientRect();
    return { width: width || 900, height: height || 500 };
  }

  zoom(factor, x = this.size().width / 2, y = this.size().height / 2) {
    const scale = Math.min(Math.max(this.view.scale * factor, 0.05), 4);
    const share = scale / this.view.scale;
    this.look({ scale, x: x - (x - this.view.x) * share, y: y - (y - this.view.y) * share });
  }

  fit(smallest = 0.05) {
    const { width, height } = this.size();
    const whole = Math.min(width / this.width, (height - 24) / (this.height + 24), 1.4);
    const scale = Math.max(whole, smallest);
    const x = scale > whole ? 8 : (width - this.width * scale) / 2;
    const tall = this.height * scale;
    this.look({ scale, x, y: tall > height ? 20 : (height - tall) / 2 + 8 });
  }

  // Move as little as makes a node visible.
  reach(id) {
    const place = this.places.get(id);
    if (!place) return;
    const { width, height } = this.size();
    const { scale } = this.view;
    const held = (at, offset, room, size) => {
      const margin = Math.min(room / 3, size * scale / 2 + 110);
      return Math.min(Math.max(at * scale + offset, margin), room - margin) - at * scale;
    };
    this.look({ scale, x: held(place.x, this.view.x, width, place.width), y: held(place.y, this.view.y, height, place.height) });
  }
}

// dx[2, 0] = 0.5 × 3 = 1.5
const equationOf = (use, [at, words]) => `d${use.name}${at} = ${words}`;

// In which order Tab comes to things: each leaf before the first rule that uses it, edges after what they leave.
function inForward(flows) {
  const starts = new Map(flows.map(({ array, from, ends }) =>
    [array, from.kind === "leaf" ? Math.min(...ends.map(({ node }) => node.first)) - 0.5 : from.first]));
  return {
    ofNode: ({ kind, of, first }) => (kind === "leaf" ? [starts.get(of), of.id, 0] : [first, -1, 0]),
    ofEdge: ({ array }) => [starts.get(array), array.id, 1],
  };
}

const compared = (a, b) => a.map((at, i) => at - b[i]).find((difference) => difference) ?? 0;

function spokenOfEdge({ array, label }) {
  const said = (words, { lines }) => (lines.length ? [`${words} ${lines.join(" ")}`] : []);
  return [array.name, ...said("value", label.value), ...said("gradient", label.grad)].join(", ");
}

// A curve through the points of an edge.
function smooth(points) {
  const [first, ...rest] = points;
  let path = `M${first.x} ${first.y}`;
  for (let i = 0; i < rest.length - 1; i++) {
    const [a, b] = [rest[i], rest[i + 1]];
    path += `Q${a.x} ${a.y} ${(a.x + b.x) / 2} ${(a.y + b.y) / 2}`;
  }
  const last = rest.at(-1);
  return `${path}L${last.x} ${last.y}`;
}

// Enter acts, space chooses.
function pressed(enter, space = enter) {
  return (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    (event.key === "Enter" ? enter : space)();
  };
}
