// One recording: what is visible of it, given which boxes are open, and what has happened at each step.

const BUNDLE = 6; // arrays that go the same way, up to which each has an edge of its own

/** @param {any[]} ops */
export const counted = (ops) => `${ops.length.toLocaleString("en")} rule${ops.length === 1 ? "" : "s"}`;

/**
 * What the page is told of a recording, as handgrad.view.description says it.
 * @typedef {{ lines: string[], thumb?: any[], pale?: number, examples?: Summary[], words: string, shape: number[], dtype: string,
 *   largest: [number | null, string] | null, zeros: number, isFinite: boolean, stored: any[] }} Summary
 * @typedef {{ name: string, array: number, literal?: string, dx: number, chain: string[] | null, chains: string[][], op: number, slot: number }} Use
 * @typedef {{ id: number, name: string, role: string, gradName: string, value: number, grad: number, dout: number, maker: number, box: number,
 *   sum: string[], wholeSum: string, partial: Record<string, number>, isOutput: boolean, uses: Use[] }} Held
 * @typedef {{ id: number, rule: number, label: string, below: string, box: number, inputs: Use[], outputs: number[], verdict: number,
 *   says: string, rows: string[], answers: any[], notes: string[][], isFinite: Record<string, boolean>, hasGradient: boolean, [more: string]: any }} Op
 * @typedef {{ id: number, name: string, short: string, label: string, title: string, size: string, parent: number, isRun: boolean, turns: number, ops: number[], open: boolean }} Box
 * @typedef {{ id: string, kind: "op" | "box" | "leaf" | "sink" | "reference", of: any, box: number, first: number, last: number }} Node
 * @typedef {{ phase: string, at: number, node?: Node | null }} Moment
 */

export class Recording {
  /** @param {any} page @param {any} description */
  constructor(page, description) {
    this.page = page;
    this.isLive = Boolean(page.live);
    this.number = page.positions ? 0 : page.graphs.indexOf(description);
    /** @type {string} */
    this.title = description.title;
    /** @type {string[]} */
    this.examples = description.examples;
    /** @type {number} how many levels of boxes are open at first */
    this.depth = description.depth;
    /** @type {Held[]} */
    this.arrays = description.arrays;
    /** @type {Op[]} */
    this.ops = description.ops;
    /** @type {Box[]} */
    this.boxes = description.boxes;
    /** @type {Summary[]} */
    this.summaries = description.summaries;
    /** @type {any[]} */
    this.rules = description.rules;
    /** @type {string[][]} */
    this.verdicts = description.verdicts;
    /** @type {string[][][]} in each language, forward and back */
    this.sentences = description.sentences;
    /** @type {any[]} what entries of small arrays are made of */
    this.kinds = description.kinds;
    /** @type {any[][]} */
    this.strip = description.strip;
    /** @type {Map<string, string> | null} of the second recording: what its nodes are called in the first */
    this.partners = null;
    /** @type {Moment} */
    this.now = { phase: "forward", at: -1 };
    this.arrays.forEach((array, i) => Object.assign(array, { id: i, uses: [] }));
    this.boxes.forEach((box, i) => Object.assign(box, { id: i, ops: [], open: false }));
    this.ops.forEach((op, i) => {
      op.id = i;
      op.inputs.forEach((use, slot) => {
        Object.assign(use, { op: i, slot });
        if (use.array >= 0) this.arrays[use.array].uses.push(use);
      });
      this.above(op.box).forEach((box) => box.ops.push(i));
      op.hasGradient = op.outputs.some((out) => this.arrays[out].grad >= 0);
    });
    this.example = -1; // all of the batch
    this.boxes.forEach((box) => (box.open = this.above(box.id).length <= this.depth));
  }

  // The boxes around something, from the inside out.
  above(box) {
    const found = [];
    for (let b = box; b >= 0; b = this.boxes[b].parent) found.push(this.boxes[b]);
    return found;
  }

  // The outermost closed box around something, if there is one.
  closedAround(box) {
    return this.above(box).filter((b) => !b.open).at(-1);
  }

  // What is drawn: nodes and the edges between them, each as the rules meet them in the forward.
  visible() {
    const nodes = new Map();
    const edges = new Map();
    const closed = this.boxes.map((box) => this.closedAround(box.id));
    const added = (node) => nodes.get(node.id) ?? nodes.set(node.id, node).get(node.id);
    const nodeOf = (op) => added(this.nodeOf(op, closed[op.box]));
    /** @type {Map<string, string>} of the turns of a box, the first to use an array */
    const first = new Map();
    const sourceOf = (array) => (array.maker >= 0 ? nodeOf(this.ops[array.maker]) : added(this.leafOf(array, closed[array.box])));
    const connect = (array, target, use) => {
      const reference = use && this.referenceOf(array, this.ops[use.op], closed, first);
      const from = reference ? added(reference) : sourceOf(array);
      const to = added(target);
      if (from === to) return;
      const id = `e:${from.id}-${to.kind === "op" ? `${to.id}.${use.slot}` : to.id}-${array.id}`;
      if (!edges.has(id)) edges.set(id, { id, from, to, array, uses: [] });
      if (use) edges.get(id).uses.push(use);
    };
    for (const op of this.ops)
      for (const use of op.inputs) if (use.array >= 0) connect(this.arrays[use.array], this.nodeOf(op, closed[op.box]), use);
    for (const array of this.arrays) if (array.isOutput) connect(array, this.sinkOf(array), null);
    return { nodes: [...nodes.values()], edges: bundled([...edges.values()]) };
  }

  // A rule, or the closed box around it.
  nodeOf(op, closed) {
    if (!closed) return { id: `o${op.id}`, kind: "op", of: op, box: op.box, first: op.id, last: op.id };
    return { id: `b${closed.id}`, kind: "box", of: closed, box: closed.parent, first: closed.ops[0], last: closed.ops.at(-1) };
  }

  leafOf(array, closed) {
    if (closed) return this.nodeOf(this.ops[closed.ops[0]], closed);
    return { id: `l${array.id}`, kind: "leaf", of: array, box: array.box, first: -1, last: -1 };
  }

  /**
   * What stands for an array from outside in each turn that shares it but the first: no long edge.
   * @param {Held} array @param {Op} op @param {Box[]} closed the closed box around each @param {Map<string, string>} first @returns {any}
   */
  referenceOf(array, op, closed, first) {
    const around = this.above(array.maker < 0 ? array.box : this.ops[array.maker].box);
    let turn = `o${op.id}`;
    let home = -1;
    for (const box of this.above(op.box)) {
      const isOutside = !around.includes(this.boxes[home]) && (array.maker < 0 || !around.includes(box));
      if (box.turns && isOutside && !closed[box.id]) {
        const key = `${array.id} ${box.id}`;
        if (!first.has(key)) first.set(key, turn);
        const at = home >= 0 && !closed[home] ? home : box.id;
        return first.get(key) === turn ? null : { id: `r${array.id}_${turn}`, kind: "reference", of: array, box: at, first: op.id - 0.5, last: array.maker };
      }
      turn = `b${box.id}`;
      home = box.id;
    }
    return null;
  }

  sinkOf(array) {
    return { id: `s${array.id}`, kind: "sink", of: array, box: -1, first: this.ops.length, last: this.ops.length };
  }

  // A leaf's name, without that of the box that it stands in.
  shortName({ of, box }) {
    const outer = box >= 0 ? `${this.boxes[box].name}.` : "";
    return of.name.startsWith(outer) ? of.name.slice(outer.length) : of.name;
  }

  /** What the gradient by an input is called: dx, or ∂L/∂q by the author's own name. @param {Use} use */
  gradOf(use) {
    return this.page.isPartial ? this.partial(this.arrays[use.array]) : `d${use.name}`;
  }

  /** The same of what a rule made, or of a leaf. @param {Held} array @param {string} name */
  gradNameOf(array, name) {
    return this.page.isPartial ? this.partial(array) : name;
  }

  /** @param {Held} array */
  partial({ name }) {
    const [end] = this.arrays.filter((array) => array.isOutput);
    return `∂${end.name === "loss" ? "L" : end.name}/∂${name}`;
  }

  // The summary of the gradient that comes back along an edge: of one use, of all uses in a box, or the given one.
  gradientOf({ array, uses, to }) {
    if (uses.length > 1) return this.summary(array.partial[to.of.id] ?? -1);
    return this.summary(uses.length ? uses[0].dx : array.dout);
  }

  summary(number) {
    return number >= 0 ? this.summaries[number] : null;
  }

  // What is written of an array: of the whole batch, or of the example that was chosen.
  words(summary) {
    return summary && this.example >= 0 && summary.examples ? summary.examples[this.example] : summary;
  }

  // The steps: each node forward, then each backward, as far as a gradient comes.
  steps(nodes) {
    const work = nodes.filter((n) => n.kind === "op" || n.kind === "box").sort((a, b) => a.first - b.first);
    const forward = work.map((node) => ({ phase: "forward", at: node.last, node }));
    const back = work.filter((n) => n.of.hasGradient ?? n.of.ops.some((op) => this.ops[op].hasGradient));
    const backward = back.reverse().map((node) => ({ phase: "backward", at: node.first, node }));
    return [{ phase: "forward", at: -1, node: null }, ...forward, ...backward];
  }

  // Whether a rule's output, or its gradients, are there at a moment.
  isDone(op, now) {
    return now.phase === "backward" || op <= now.at;
  }

  isAnswered(op, now) {
    return now.phase === "backward" && op >= now.at;
  }

  // Whether all that comes back to an array has come: its gradient is their sum.
  isKnown(array, now) {
    return now.phase === "backward" && array.uses.every((use) => this.isAnswered(use.op, now));
  }

  // Upstream × local = downstream at one element of an input: of the example that was chosen, or of all.
  productOf(use) {
    return (this.example >= 0 && use.chains[this.example]) || use.chain;
  }

  says(op) {
    return (this.example >= 0 && op.rows[this.example]) || op.says;
  }

  // What is known of an example at a loss, where one was chosen or there is only one.
  answerOf(op) {
    return op.answers.length === 1 ? op.answers[0] : op.answers[this.example];
  }

  /** What comes out of a layer, or the gradient that comes back to that. @param {Box} box @param {boolean} back */
  comesOf(box, back) {
    const [out] = this.ops[box.ops.at(-1)].outputs.map((array) => this.arrays[array]);
    const summary = this.summary(back ? out.grad : out.value);
    return summary ? [this.words(summary).lines.slice(0, 2).join(", ")] : [];
  }

  nameOf(node) {
    if (node.kind === "op") return this.opName(node.of);
    return node.kind === "box" ? node.of.title : node.of.name;
  }

  opName(op) {
    const where = op.box >= 0 ? this.boxes[op.box].name : "";
    return where && !this.boxes[op.box].isRun ? `${where} · ${op.label}` : op.label;
  }

  // A node's name in the first recording, by which pairs are known; null where it has no partner there.
  keyOf(id) {
    return this.partners ? this.partners.get(id) ?? null : id;
  }
}

/** With one edge for all arrays that go from one closed box to another, where these are many. @param {any[]} edges */
function bundled(edges) {
  const ways = new Map();
  for (const edge of edges) {
    const way = `${edge.from.id} ${edge.to.id}`;
    if (!ways.has(way)) ways.set(way, []);
    ways.get(way).push(edge);
  }
  return [...ways.values()].flatMap((way) => {
    const isBundle = way.length > BUNDLE && [way[0].from, way[0].to].some(({ kind }) => kind === "box");
    return isBundle ? [{ ...way[0], count: way.length }] : way;
  });
}
