// The picture of one recording: laid out as handgrad.view.layout says, drawn as SVG.

import { arranged, fitted, marksOf, titleOf, toldAgain } from "./arrange.js";
import { pressed, s } from "./dom.js";
import { shaded, valueOf } from "./figures.js";
import { address } from "./images.js";
import { AIR, BELOW, BESIDE, LEADING, LONGEST, NAME, SMALL, TITLE, VALUE, cut, head_of, met, path_of, shaft, words_width } from "./layout.js";
import { Looking } from "./looking.js";
import { Near } from "./near.js";
import { askedBy } from "./asking.js";

const NEAR = 100; // how far from a rule its product may stand
const LINE = 15; // of a product
const READ = 1; // the scale at which all can be read

export class Picture {
  /** @param {any} recording @param {any} chosen what is done when something is chosen */
  constructor(recording, chosen) {
    this.recording = recording;
    this.chosen = chosen;
    this.scene = s("g");
    this.svg = s("svg", { class: "picture", role: "group", tabindex: -1, "aria-label": `graph of ${recording.title}`, onclick: (event) => this.letGo(event) }, this.scene);
    this.looking = new Looking(this.svg, this.scene);
    this.near = new Near(this);
    this.looking.moved = () => this.near.later();
    this.nodes = [];
    this.edges = [];
    this.steps = [];
    /** @type {any} */
    this.plan = null;
    this.shapes = new Map();
    this.elements = new Map();
    this.places = new Map();
    this.room = 0;
    this.chain = null;
    this.shown = "";
  }

  /** Lay out and draw what is open. */
  draw(room = this.looking.room()) {
    const { nodes, edges, boxes, shapes, plan } = arranged(this.recording, room);
    Object.assign(this, { nodes, edges, shapes, room, plan, steps: this.recording.steps(nodes) });
    this.looking.whole = { width: plan.width, height: plan.height };
    this.elements = new Map();
    this.places = new Map();
    const order = inForward(edges);
    const frames = boxes.map((box) => this.drawnFrame(box, plan.boxes.get(`g${box.id}`)));
    const lines = edges.map((edge, i) => this.drawnLine(edge, plan.edges[i], plan.nodes));
    const things = [
      ...edges.map((edge, i) => ({ at: order.ofEdge(edge), element: this.drawnLabel(edge, plan.labels[i]) })),
      ...nodes.map((node) => ({ at: order.ofNode(node), element: this.drawnNode(node, plan.nodes.get(node.id)) })),
    ];
    things.sort((a, b) => compared(a.at, b.at));
    this.scene.replaceChildren(...frames, ...lines, ...things.map(({ element }) => element));
    this.near.later();
  }

  /** Write numbers anew that have changed; everything stays where it is. False where there is no room for that. */
  renumber() {
    const isRoomFor = (/** @type {any} */ node) => marksOf(this.recording, node).length <= this.shapes.get(node.id).notes.length;
    if (!this.nodes.every(isRoomFor)) return false;
    const put = (/** @type {string} */ id, /** @type {number} */ i, /** @type {Element} */ fresh) => {
      const elements = this.elements.get(id);
      fresh.setAttribute("class", elements[i].getAttribute("class"));
      elements[i].replaceWith(fresh);
      this.elements.set(id, elements.map((old, at) => (at === i ? fresh : old)).slice(0, i + 1));
    };
    this.edges.forEach((edge, i) => {
      edge.said = toldAgain(this.recording, edge, this.room);
      put(edge.id, 1, this.drawnLabel(edge, this.plan.labels[i]));
    });
    for (const node of this.nodes) {
      const elements = this.elements.get(node.id);
      if (!marksOf(this.recording, node).length && !elements[0].querySelector(".mark")) continue;
      const fresh = this.drawnNode(node, this.plan.nodes.get(node.id));
      this.elements.set(node.id, elements);
      put(node.id, 0, fresh);
    }
    this.near.later();
    return true;
  }

  /** @param {any} box @param {any} place */
  drawnFrame(box, { left, top, right, bottom }) {
    const width = right - left;
    const title = cut(titleOf(box), (width - 34) / 1.1, NAME);
    const close = () => this.chosen.toggle(box);
    this.places.set(`g${box.id}`, { x: (left + right) / 2, y: top + TITLE / 2, width, height: TITLE });
    return s("g", { class: "frame", "data-box": box.id },
      s("rect", { x: left, y: top, width, height: bottom - top, rx: 10 }),
      s("g", { role: "button", tabindex: 0, "aria-label": `close ${titleOf(box)}`, onclick: close, onkeydown: pressed(close) },
        s("rect", { class: "handle", x: left, y: top, width, height: TITLE, rx: 10 }),
        s("text", { x: left + 10, y: top + 16, "font-size": NAME }, `▾ ${title}`)));
  }

  /** @param {any} node @param {number[]} at */
  drawnNode(node, [x, y]) {
    const shape = this.shapes.get(node.id);
    const [width, height] = [shape.inner_width, shape.inner_height];
    this.places.set(node.id, { x, y, width: shape.width, height: shape.height });
    const choose = () => this.chosen.choose(node);
    const act = node.kind === "box" ? () => this.chosen.toggle(node.of) : choose;
    const middle = y + 0.35 * shape.size - (shape.below ? 6 : 0);
    const words = cut(shape.words, LONGEST, shape.size);
    const element = s("g", { class: `node ${node.kind} ${shape.kind}`, role: "button", tabindex: 0, "data-node": node.id,
      "aria-label": this.spokenOf(node), onclick: choose, ondblclick: act, onkeydown: pressed(act, choose),
      onpointerenter: () => this.light([node.id]), onpointerleave: () => this.light([]),
      onfocus: () => element.matches(":focus-visible") && this.reach(node.id) },
      outline(shape, x, y, 4, "ring"),
      shape.is_stacked ? outline(shape, x + shape.behind, y + shape.behind) : null,
      outline(shape, x, y),
      s("text", { x, y: middle, "font-size": shape.size }, words), " ",
      shape.below ? [s("text", { x, y: y + 13, class: "small", "font-size": SMALL }, cut(shape.below, LONGEST, SMALL)), " "] : null,
      node.kind === "box" ? this.opener(node, x - width / 2, y - height / 2) : null,
      marksOf(this.recording, node).map(([kind, mark], i) =>
        [s("text", { class: `mark ${kind}`, x, y: y + height / 2 + shape.behind + BELOW + LEADING * i, "font-size": SMALL }, fitted(mark, shape.width, SMALL)), " "]).flat());
    this.elements.set(node.id, [element]);
    return element;
  }

  /** The corner of a closed box that opens it. @param {any} node @param {number} left @param {number} top */
  opener(node, left, top) {
    const open = (/** @type {Event} */ event) => {
      event.stopPropagation();
      this.chosen.toggle(node.of);
    };
    return s("g", { class: "opener", onclick: open }, s("rect", { class: "handle", x: left - 4, y: top - 4, width: 24, height: 24 }),
      s("path", { d: `M${left + 5} ${top + 6}l6 4l-6 4z` }));
  }

  /** The full name, and all that is written, in the order in which it is. @param {any} node */
  spokenOf(node) {
    const what = { op: "rule", box: "closed box", leaf: node.of.role, sink: "output", reference: "drawn elsewhere" }[node.kind];
    const small = node.kind === "box" ? [node.of.size] : [this.shapes.get(node.id).below].filter(Boolean);
    const marks = marksOf(this.recording, node).map(([, words]) => words);
    return `${[this.recording.nameOf(node), ...small, ...marks].join(" ")}, ${what}`;
  }

  /** The line of an edge, and around it what is wide enough to be met. @param {any} edge @param {any} points @param {Map<string, any>} at */
  drawnLine(edge, points, at) {
    const [source, target] = [edge.from.id, edge.to.id];
    const ends = met(points, at.get(source), this.shapes.get(source), at.get(target), this.shapes.get(target));
    const line = s("g", { class: "edge", "data-edge": edge.id, ...this.actsOf(edge) },
      s("path", { class: "hit", d: path_of(ends) }), s("path", { class: "shaft", d: path_of(shaft(ends)) }), s("polygon", { points: head_of(ends) }));
    this.elements.set(edge.id, [line]);
    return line;
  }

  /** @param {any} edge */
  actsOf(edge) {
    return { onclick: () => this.chosen.chooseArray(edge), onpointerenter: () => this.light([edge.id]), onpointerleave: () => this.light([]) };
  }

  /** What is told at an edge; it can be pressed. @param {any} edge @param {number[]} at */
  drawnLabel(edge, [x, y]) {
    const width = Math.max(...edge.said.map((each) => each.room.width));
    const height = Math.max(...edge.said.map((each) => each.room.height));
    this.places.set(edge.id, { x, y, width, height: 2 * (AIR + height) });
    const choose = () => this.chosen.chooseArray(edge);
    const written = s("g", { class: "edge label", "data-edge": edge.id, role: "button", tabindex: 0, ...this.actsOf(edge), onkeydown: pressed(choose),
      onfocus: () => written.matches(":focus-visible") && this.reach(edge.id) }, s("title", {}, spokenOfEdge(edge)),
      edge.said.map((/** @type {any} */ said) => this.drawnTag(said, x, said.kind === "grad" ? y + AIR : y - AIR - said.tag.height)));
    this.elements.get(edge.id).push(written);
    return written;
  }

  /** @param {any} said @param {number} x @param {number} top */
  drawnTag({ kind, words, lines, tag, key }, x, top) {
    const middle = top + tag.height / 2;
    const [width, height] = [tag.picture_width, tag.picture_height];
    const left = x - tag.width / 2;
    const at = { x: left, y: middle - height / 2, width, height };
    const ask = key && (words.cells || lines.length === 1) ? askedBy(this.recording, key) : null;
    const look = words.pale ? `${kind} pale` : kind;
    if (words.cells) return s("g", { class: look, "data-ask": ask }, this.drawnCells(words, tag, at));
    const picture = width > 0 ? [
      s("image", { ...at, class: words.thumb[3] ? null : "heat", preserveAspectRatio: "none", href: address(words.thumb, this.recording.page.colours) }),
      s("rect", { ...at, class: "border" })] : [];
    const first = middle - LEADING * (lines.length / 2 - 0.78);
    const beside = width > 0 ? left + width + BESIDE : left;
    return s("g", { class: look, "data-ask": ask }, picture,
      lines.map((line, i) => s("text", { x: beside, y: first + LEADING * i, "font-size": VALUE, "data-i": ask && 0 }, line)));
  }

  /** The numbers of a small matrix, each of which can be asked. @param {any} words @param {any} tag @param {any} at */
  drawnCells({ cells: [, columns, texts, first = 0] }, { cell }, at) {
    const values = texts.map(valueOf);
    const largest = Math.max(...values.map(Math.abs).filter(Number.isFinite), 0);
    const cellAt = (/** @type {string} */ text, /** @type {number} */ i) => {
      const [x, y] = [at.x + cell * (i % columns), at.y + LEADING * Math.floor(i / columns)];
      return s("g", { ...shaded(values[i], largest), "data-i": first + i }, s("rect", { x, y, width: cell, height: LEADING }),
        s("text", { x: x + cell - 4, y: y + 0.78 * LEADING, "font-size": VALUE }, text));
    };
    return [s("rect", { ...at, class: "border" }), texts.map(cellAt)].flat();
  }

  // What is to be seen of it.

  /** Grey what has not happened yet, mark what happens now. @param {any} now @param {any} [current] */
  showMoment(now, current) {
    const { recording } = this;
    recording.now = now;
    for (const node of this.nodes) {
      const last = node.kind === "sink" ? recording.ops.length - 1 : node.last;
      this.mark(node.id, "later", node.kind !== "leaf" && !recording.isDone(last, now));
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

  /** Whether the gradients are there that are told of below a node. @param {any} node @param {any} now */
  isAnswered(node, now) {
    if (node.kind === "box") return this.recording.isAnswered(node.first, now);
    const arrays = node.kind === "op" ? node.of.outputs.map((a) => this.recording.arrays[a]) : [node.of];
    return arrays.every((array) => this.recording.isKnown(array, now));
  }

  /** At the rule whose backward is at work, where there is room: upstream × local = downstream. @param {any} now @param {any} current */
  showChain(now, current) {
    this.chain?.remove();
    this.chain = null;
    const isBack = current?.kind === "op" && now.phase === "backward";
    const chains = isBack ? current.of.inputs.filter((use) => use.chain) : [];
    if (!chains.length) return;
    const lines = chains.map((use) => equationOf(this.recording.gradOf(use), this.recording.productOf(use)));
    const [width, height] = [Math.max(...lines.map((line) => words_width(line, VALUE))) + 14, LINE * lines.length + 8];
    const at = this.freePlace(this.places.get(current.id), width, height);
    if (!at) return;
    const { x, y } = at;
    this.chain = s("g", { class: "chained" }, s("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 5 }),
      lines.map((line, i) => s("text", { x, y: y - height / 2 + LINE * (i + 1), "font-size": VALUE }, line)));
    this.scene.insertBefore(this.chain, this.scene.querySelector("[data-node], .edge[tabindex]"));
  }

  /**
   * The place nearest to a node at which a rectangle covers nothing; null where that is far away.
   * @param {{x: number, y: number, width: number, height: number}} node @param {number} width @param {number} height
   */
  freePlace(node, width, height) {
    const room = this.looking.whole.width;
    const along = this.plan.edges.flatMap(dotted);
    const covers = (/** @type {number} */ x, /** @type {number} */ y) => (width < room && (x < width / 2 || x > room - width / 2))
      || [...this.places.values()].some((place) => Math.abs(place.x - x) < (place.width + width) / 2 + 3 && Math.abs(place.y - y) < (place.height + height) / 2 + 3)
      || along.some(([a, b]) => Math.abs(a - x) < width / 2 + 3 && Math.abs(b - y) < height / 2 + 3);
    for (let away = 0; away <= NEAR; away += 4)
      for (const aside of [0, -0.25, 0.25, -0.5, 0.5])
        for (const side of [1, -1]) {
          const [x, y] = [node.x + aside * width, node.y + side * ((node.height + height) / 2 + away)];
          if (!covers(x, y)) return { x, y };
        }
    return null;
  }

  mark(/** @type {string} */ id, /** @type {string} */ name, /** @type {boolean} */ is) {
    for (const element of this.elements.get(id) ?? []) element.classList.toggle(name, is);
  }

  /** An edge with both its ends, or a node with all its edges; an array wherever it stands. @param {string[]} ids */
  light(ids) {
    for (const element of this.scene.querySelectorAll(".lit")) element.classList.remove("lit");
    const met = this.edges.filter(({ id, from, to }) => ids.some((each) => [id, from.id, to.id].includes(each)));
    const shared = new Set(this.nodes.filter(({ kind }) => kind === "reference").map(({ of }) => of));
    const again = met.filter(({ id, from, array }) => shared.has(array) && [id, from.id].some((each) => ids.includes(each))).map(({ array }) => array);
    for (const { array, from } of this.edges) if (again.includes(array)) this.mark(from.id, "lit", true);
    for (const { id, from, to } of met) [id, from.id, to.id].forEach((each) => this.mark(each, "lit", true));
  }

  showChosen(/** @type {string} */ id) {
    this.mark(this.shown, "chosen", false);
    this.mark(id, "chosen", true);
    this.shown = id;
  }

  /** A press on nothing lets go of what was chosen. @param {MouseEvent} event */
  letGo(event) {
    if (event.target === this.svg) this.chosen.letGo();
  }

  fit(smallest = undefined) {
    this.looking.fit(smallest);
  }

  /** Whether a node is in sight. @param {string} id */
  isSeen(id) {
    return this.looking.holds(this.places.get(id));
  }

  /** Move as little as makes a node visible. @param {string} id */
  reach(id, smallest = 0) {
    const place = this.places.get(id);
    if (place && !(this.looking.holds(place) && this.looking.view.scale >= smallest)) this.looking.reach(place, smallest);
  }

  /** The same, large enough to be read. @param {string} id */
  find(id) {
    this.reach(id, READ);
  }
}

/** @param {any} shape @param {number} x @param {number} y */
function outline(shape, x, y, away = 0, name = "body") {
  const [width, height] = [shape.inner_width + 2 * away, shape.inner_height + 2 * away];
  return s("rect", { class: name, x: x - width / 2, y: y - height / 2, width, height, rx: shape.radius + away });
}

/** Places along an edge's line, close to each other. @param {number[][]} points */
function dotted(points) {
  return points.slice(1).flatMap(([x, y], i) => {
    const [a, b] = points[i];
    const count = Math.ceil((Math.abs(x - a) + Math.abs(y - b)) / 8) || 1;
    return Array.from({ length: count + 1 }, (_, k) => [a + ((x - a) * k) / count, b + ((y - b) * k) / count]);
  });
}

/** dx[2, 0] = 0.5 × 3 = 1.5 @param {string} name @param {any} product */
export const equationOf = (name, [at, words]) => `${name}${at} = ${words}`;

/** In which order Tab comes to things: each leaf before the first rule that uses it, edges after what they leave. @param {any[]} edges */
function inForward(edges) {
  const starts = new Map();
  for (const { array, from, to } of edges) {
    const start = from.kind === "leaf" ? Math.min(starts.get(array) ?? Infinity, to.first - 0.5) : from.first;
    starts.set(array, start);
  }
  return {
    ofNode: (node) => (node.kind === "leaf" ? [starts.get(node.of), node.of.id, 0] : [node.first, -1, 0]),
    ofEdge: ({ array }) => [starts.get(array), array.id, 1],
  };
}

/** @param {number[]} a @param {number[]} b */
const compared = (a, b) => a.map((at, i) => at - b[i]).find((difference) => difference) ?? 0;

/** @param {any} edge */
function spokenOfEdge({ array, said }) {
  const words = { value: "value", grad: "gradient" };
  return [array.name, ...said.map(({ kind, lines }) => `${words[kind]} ${lines.join(" ")}`)].join(", ");
}
