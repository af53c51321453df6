// One recording: what is visible of it, given which boxes are open, and what has happened at each step.

const counted = (ops) => `${ops.length.toLocaleString("en")} rule${ops.length === 1 ? "" : "s"}`;

class Recording {
  constructor(page, description) {
    Object.assign(this, description);
    this.page = page;
    this.arrays.forEach((array, i) => Object.assign(array, { id: i, uses: [] }));
    this.boxes.forEach((box, i) => Object.assign(box, { id: i, ops: [], open: false, leaves: 0 }));
    this.ops.forEach((op, i) => {
      op.id = i;
      op.inputs.forEach((use, slot) => {
        Object.assign(use, { op: i, slot });
        if (use.array >= 0) this.arrays[use.array].uses.push(use);
      });
      this.above(op.box).forEach((box) => box.ops.push(i));
      op.hasGradient = op.outputs.some((out) => this.arrays[out].grad >= 0);
    });
    this.arrays.filter((a) => a.box >= 0).forEach((a) => this.boxes[a.box].leaves++);
    this.example = -1; // all of the batch
    const most = this.folded ? 0 : Infinity;
    this.boxes.forEach((box) => (box.open = box.ops.length <= most));
    if (this.folded && this.boxes.filter((box) => box.parent < 0).length === 1) this.boxes[0].open = true;
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

  // What is drawn: nodes, in the order of the forward, and the arrays that flow from one to others.
  visible() {
    const nodes = new Map();
    const nodeOf = (op) => {
      const closed = this.closedAround(op.box);
      const id = closed ? `b${closed.id}` : `o${op.id}`;
      if (!nodes.has(id)) {
        const ops = closed ? closed.ops : [op.id];
        const box = closed ? closed.parent : this.framed(op.box);
        nodes.set(id, { id, kind: closed ? "box" : "op", of: closed ?? op, box, first: ops[0], last: ops.at(-1) });
      }
      return nodes.get(id);
    };
    this.ops.forEach(nodeOf);
    const flows = this.arrays.map((array) => this.flowOf(array, nodes, nodeOf)).filter((flow) => flow?.ends.length);
    return { nodes: [...nodes.values()], flows };
  }

  // A box that holds a single rule and no leaf has no frame of its own.
  isFramed(box) {
    return box.ops.length > 1 || box.leaves > 0;
  }

  // The box that is drawn around something.
  framed(box) {
    return this.above(box).find((b) => this.isFramed(b))?.id ?? -1;
  }

  // An array with the node that made it and the nodes that use it; undefined where all of that is closed away.
  flowOf(array, nodes, nodeOf) {
    const isLeaf = array.maker < 0;
    if (isLeaf && this.closedAround(array.box)) return undefined;
    const from = isLeaf ? { id: `l${array.id}`, kind: "leaf", of: array, box: array.box, first: -1, last: -1 } : nodeOf(this.ops[array.maker]);
    if (isLeaf) nodes.set(from.id, from);
    const ends = array.uses.map((use) => ({ node: nodeOf(this.ops[use.op]), use })).filter((end) => end.node !== from);
    if (array.isOutput) {
      const node = { id: `s${array.id}`, kind: "sink", of: array, box: -1, first: this.ops.length, last: this.ops.length };
      nodes.set(node.id, node);
      ends.push({ node, use: null });
    }
    return { array, from, ends };
  }

  // The summary of the gradient that comes back along an edge: of one use, of all uses in a box, or the given one.
  gradientOf({ array, uses, to }) {
    if (uses.length > 1) return this.summary(array.partial[to.slice(1)] ?? -1);
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

  nameOf(node) {
    if (node.kind === "op") return this.opName(node.of);
    return node.of.label ? `${node.of.name} ${node.of.label}` : node.of.name;
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
