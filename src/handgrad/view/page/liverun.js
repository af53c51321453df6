// One training in the page: the trainer's own step as a module, called for one mini-batch after another.

import { Random, permutation } from "./livedata.js";
import { Module } from "./livemodule.js";
import { indexOfLargest } from "./livesaid.js";

const KEPT = 4000; // points of a curve; of more every second one goes

/** @typedef {{ step: number, loss: number, right: number | null }} Point */

export class Run {
  /** @param {any} page @param {any} told @param {any} data @param {string} name */
  constructor(page, told, data, name) {
    this.page = page;
    this.told = told;
    this.data = data;
    this.name = name;
    this.seed = told.seed;
    this.isFirstSeed = true;
    /** @type {number | null} a rate that was written in the page; null: the trainer's own */
    this.rate = null;
    this.mistake = -1;
    /** @type {Record<string, Module>} */
    this.modules = {};
    this.failed = "";
    this.step = 0;
    this.epoch = -1;
    /** @type {Point[]} */
    this.points = [];
    /** @type {Int32Array} */
    this.order = new Int32Array(0);
    this.every = 1;
    /** @type {Point[]} */
    this.waiting = [];
  }

  /** @param {any} page @param {any} told @param {any} data @param {string} name */
  static async of(page, told, data, name) {
    const run = new Run(page, told, data, name);
    await Promise.all(["step", "predict", "wrong"].filter((which) => told[which]).map((which) => run.load(which)));
    run.toStart();
    return run;
  }

  /** @param {string} which */
  async load(which) {
    const { module, pages } = this.told[which];
    this.modules[which] = await Module.of(this.page.bytesAt(module), pages);
  }

  /** The module that makes the steps: with a mistake, or without. */
  get which() {
    return this.mistake >= 0 ? "wrong" : "step";
  }

  get batches() {
    return Math.floor(this.data.x.count / this.told.batch);
  }

  /** The arrays that go from step to step: parameters, states, moments. */
  get carried() {
    const { inputs } = this.told[this.which];
    return this.told.carried.map((/** @type {any} */ [kind, name], /** @type {number} */ i) => ({ kind, name, numbers: this.modules[this.which].at(inputs[i]) }));
  }

  toStart() {
    const random = new Random(this.seed, 2 ** 31);
    this.told.carried.forEach((/** @type {any} */ [kind, , [offset, stored, shape, , spread, how]], /** @type {number} */ i) => {
      const first = this.page.numbersOf({ stored: [offset, stored, shape] });
      for (const which of ["step", "wrong"].filter((each) => this.told[each])) this.modules[which].put(this.told[which].inputs[i], first);
      if (kind !== 0 || this.isFirstSeed || !spread) return;
      const drawn = Float64Array.from(first, () => (how === "even" ? spread * Math.sqrt(3) * (2 * random.share() - 1) : spread * random.normal()));
      for (const which of ["step", "wrong"].filter((each) => this.told[each])) this.modules[which].put(this.told[which].inputs[i], drawn);
    });
    Object.assign(this, { step: 0, epoch: -1, points: [], waiting: [], every: 1, failed: "" });
  }

  /** Another beginning: as the trainer's own seed has it, or drawn here with the same spread. @param {number} seed */
  begin(seed) {
    this.seed = seed;
    this.isFirstSeed = seed === this.told.seed;
    this.toStart();
  }

  /** Make a mistake from here on, or none; what was learned goes with it. @param {number} mistake */
  plant(mistake) {
    const before = this.carried.map(({ numbers }) => numbers.slice());
    this.mistake = mistake;
    this.carried.forEach(({ numbers }, i) => numbers.set(before[i]));
    this.failed = "";
  }

  /** The learning rate of the next step. */
  get lr() {
    const { rates } = this.told;
    return this.rate ?? rates[Math.min(this.step, rates.length - 1)];
  }

  /** One step, on the next mini-batch; false where its loss is not finite. */
  advance() {
    if (this.failed) return false;
    const { batch } = this.told;
    const module = this.modules[this.which];
    const { inputs, outputs } = this.told[this.which];
    const count = this.told.carried.length;
    const epoch = Math.floor(this.step / this.batches);
    if (epoch !== this.epoch) {
      this.order = permutation(this.data.x.count, this.seed, epoch);
      this.epoch = epoch;
    }
    const from = (this.step % this.batches) * batch;
    const [x, t, lr, number, flags] = inputs.slice(count).map((/** @type {any} */ place) => module.at(place));
    this.data.x.fill(x, this.order, from, batch);
    this.data.t.fill(t, this.order, from, batch);
    lr[0] = this.lr;
    number[0] = this.step + 1;
    flags.fill(0);
    if (this.mistake >= 0) flags[this.mistake] = 1;
    const isDone = module.run();
    const loss = Number(module.at(outputs[count])[0]);
    this.step++;
    this.note({ step: this.step, loss, right: this.told.metrics ? this.rightOf(module.at(outputs[count + 1]), t, batch) : null });
    if (!isDone || !Number.isFinite(loss)) this.failed = `step ${this.step.toLocaleString("en")}: the loss is not finite`;
    return !this.failed;
  }

  /** The share of a mini-batch that is right. @param {any} y @param {any} t @param {number} count */
  rightOf(y, t, count) {
    const classes = y.length / count;
    let right = 0;
    for (let i = 0; i < count; i++) right += Number(indexOfLargest(y, i * classes, classes) === Number(t[i]));
    return right / count;
  }

  /** A point of the curves; where there are too many, the mean of several. @param {Point} point */
  note(point) {
    this.waiting.push(point);
    if (this.waiting.length < this.every) return;
    this.points.push(meanOf(this.waiting));
    this.waiting = [];
    if (this.points.length < KEPT) return;
    this.points = Array.from({ length: KEPT / 2 }, (_, i) => meanOf(this.points.slice(2 * i, 2 * i + 2)));
    this.every *= 2;
  }

  /** The last point, whatever of the curve waits. */
  get last() {
    return this.waiting.at(-1) ?? this.points.at(-1);
  }

  /** The network's outputs for examples, called back with those of each batch. @param {number} total @param {(view: any, from: number, count: number) => void} fill @param {(y: any, from: number, count: number) => void} got */
  outputs(total, fill, got) {
    const { predict } = this.modules;
    const { inputs, outputs, count } = this.told.predict;
    const own = this.carried.filter(({ kind }) => kind < 2);
    own.forEach(({ numbers }, i) => predict.at(inputs[i]).set(numbers));
    const [x, y] = [predict.at(inputs[own.length]), predict.at(outputs[0])];
    for (let from = 0; from < total; from += count) {
      const some = Math.min(count, total - from);
      fill(x, from, some);
      predict.run();
      got(y, from, some);
    }
    return y.length / count;
  }

  /** How often each class is taken for each, and the share that is right. */
  measure() {
    const { x, t, classes } = this.data.measured;
    const counts = new Float64Array(classes * classes);
    const { order } = this.data.measured;
    this.outputs(order.length, (view, from, some) => x.fill(view, order, from, some), (y, from, some) => {
      for (let i = 0; i < some; i++) counts[Number(t.values[order[from + i]]) * classes + indexOfLargest(y, i * classes, classes)]++;
    });
    const right = Array.from({ length: classes }, (_, k) => counts[k * classes + k]).reduce((a, b) => a + b, 0) / order.length;
    return { counts, right };
  }
}

/** @param {Point[]} points @returns {Point} */
function meanOf(points) {
  const mean = (/** @type {(point: Point) => any} */ of) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  return { step: points.at(-1).step, loss: mean(({ loss }) => loss), right: points[0].right === null ? null : mean(({ right }) => right) };
}
