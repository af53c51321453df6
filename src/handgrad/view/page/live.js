// A recording that computes: its numbers are those of a module, which runs again whenever one of them changes.

import { Module } from "./livemodule.js";
import { answerOf, dead, fanOut, forwardOf, pluggedOf, productOf, wholeSum } from "./livesaid.js";
import { WIDEST, short } from "./figures.js";
import { isSpelled, sizeOf, summaryOf, thumbOf, widestOf } from "./livewords.js";

const LEAST = 5; // pixels of a side that make an image

/** What is told of an array, worked out when it is asked for and not again before the next run. */
class Told {
  /** @param {any} live @param {any} said what the page was given @param {() => any} numbers */
  constructor(live, said, numbers) {
    this.live = live;
    this.said = said;
    this.read = numbers;
    this.shape = said.shape;
    this.dtype = said.dtype;
    this.stored = said.stored;
    this.kept = new Map();
    this.stamp = -1;
    /** @type {any[] | null} */
    this.thumbBefore = null;
    /** @type {(() => any[]) | null} of a loss: each example's own */
    this.own = null;
  }

  /** @param {string} what @param {() => any} work */
  once(what, work) {
    if (this.stamp !== this.live.stamp) {
      this.kept.clear();
      this.stamp = this.live.stamp;
    }
    if (!this.kept.has(what)) this.kept.set(what, work());
    return this.kept.get(what);
  }

  get numbers() {
    return this.read();
  }

  get about() {
    const { noise, labels } = this.said.live ?? {};
    return { kind: this.stored[1], noise, labels, isImage: this.shape.length > 1 && Math.min(...this.shape.slice(-2)) >= LEAST };
  }

  get told() {
    return this.once("told", () => summaryOf(this.numbers, { shape: this.shape, ...this.about }));
  }

  /** One row of a batch. @param {number} i */
  row(i) {
    return this.once(`row ${i}`, () => summaryOf(this.rowOf(i), { ...this.about, shape: this.shape.slice(1), isImage: false }));
  }

  /** @param {number} i */
  rowOf(i) {
    const size = sizeOf(this.shape.slice(1));
    return this.numbers.subarray(i * size, (i + 1) * size);
  }

  /** A number as it is written in a sum. */
  get spelled() {
    return this.told.isRounding ? short(Number(this.numbers[0])) : this.told.text;
  }

  get lines() {
    return this.said.lines ?? this.told.lines;
  }

  /** The room that it may come to take; none is kept for what never changes. */
  get widest() {
    return this.said.live && widestOf(this.shape);
  }

  get words() {
    return this.said.words ?? this.told.words;
  }

  get pale() {
    return this.said.pale ?? Number(this.told.isRounding);
  }

  get zeros() {
    return this.said.zeros ?? Math.round(this.told.zeros * 1e4) / 1e4;
  }

  get isFinite() {
    return this.said.isFinite ?? !this.told.notFinite;
  }

  get largest() {
    if (this.said.largest !== undefined) return this.said.largest;
    const { notFinite, low, high } = this.told;
    if (notFinite.includes("∞")) return [null, "∞"];
    if (Number.isNaN(low)) return null;
    const value = Math.abs(high) >= Math.abs(low) ? high : low;
    return [Math.abs(value), short(value)];
  }

  get thumb() {
    const { live, thumb } = this.said;
    if (!live) return thumb;
    return this.numbers.length > 1 && !this.told.isLabels ? this.once("thumb", () => this.sameThumb(thumbOf(this.numbers, live.grid))) : undefined;
  }

  /** The one before, where the new one looks as it does. @param {any[]} thumb */
  sameThumb(thumb) {
    const isSame = this.thumbBefore?.every((/** @type {any} */ part, /** @type {number} */ i) => (i === 2 ? part.every((/** @type {number} */ level, /** @type {number} */ k) => level === thumb[2][k]) : part === thumb[i]));
    if (!isSame) this.thumbBefore = thumb;
    return this.thumbBefore;
  }

  /** The numbers of a small matrix, written out. */
  get cells() {
    const { live, cells } = this.said;
    if (!live || !cells) return cells;
    return this.pale ? undefined : [cells[0], cells[1], textsOf(this.numbers)];
  }

  get examples() {
    if (this.own) return this.once("own", () => this.own());
    const count = this.said.live?.examples;
    return count ? this.once("examples", () => Array.from({ length: count }, (_, i) => this.example(i))) : this.said.examples;
  }

  /** What is told of one row; its picture is of the same kind as the batch's. @param {number} i */
  example(i) {
    const told = this.row(i);
    const [rows, columns, channels, isImage, apart] = this.said.live.grid;
    const grid = this.shape.length > 2 ? [rows, columns, channels, isImage, apart] : [1, sizeOf(this.shape.slice(1)), 1, false, 1];
    const hasPicture = sizeOf(this.shape.slice(1)) > 1 && !told.isLabels;
    const written = this.said.examples?.[i]?.cells;
    const cells = written && [written[0], written[1], textsOf(this.rowOf(i)), written[3]];
    return { lines: told.lines, widest: widestOf(this.shape.slice(1)), pale: Number(told.isRounding), cells, thumb: hasPicture ? thumbOf(this.rowOf(i), grid) : undefined };
  }
}

/** @param {ArrayLike<any>} numbers */
const textsOf = (numbers) => Array.from(numbers, (v) => short(Number(v), 3));

/** @typedef {{ array: number, name: string, role: string, own: string, place: any, first: any, shape: number[], kind: string }} Input */

export class Live {
  /** @param {any} page @param {Module} module */
  constructor(page, module) {
    this.page = page;
    this.module = module;
    this.stamp = 0;
    /** @type {Input[]} */
    this.inputs = page.live.inputs.map(([array, place, [offset, kind, shape], role, own]) => {
      const first = page.numbersOf({ stored: [offset, kind, shape] });
      return { array, name: array >= 0 ? page.graphs[0].arrays[array].name : "", role, own, place, first, shape, kind: place[1] };
    });
    this.toStart();
  }

  /** @param {any} page */
  static async of(page) {
    const { module, pages } = page.live;
    return new Live(page, await Module.of(page.bytesAt(module), pages));
  }

  /** Every input as it was recorded. */
  toStart() {
    for (const { place, first } of this.inputs) this.module.put(place, first);
    this.run();
  }

  /** Compute all anew; false where an index is out of range. */
  run() {
    const isDone = this.module.run();
    this.stamp++;
    return isDone;
  }

  /** @param {Input} input */
  numbersOf(input) {
    return this.module.at(input.place);
  }

  /** The gradient by an input; none for labels. @param {Input} input */
  gradientOf(input) {
    const { grad } = this.recording.arrays[input.array] ?? { grad: -1 };
    return grad >= 0 ? this.recording.summaries[grad].numbers : null;
  }

  /** What the gradients are of: the output, or where it has several elements, Σ out·dout. */
  objective() {
    let sum = 0;
    for (const { value, dout } of this.recording.arrays.filter((array) => array.isOutput)) {
      const [out, weights] = [this.recording.summaries[value].numbers, this.recording.summaries[dout].numbers];
      for (let i = 0; i < out.length; i++) sum += Number(out[i]) * Number(weights[i]);
    }
    return sum;
  }

  /** What a step moves: parameters, or where there are none, every input that has a gradient. */
  moved() {
    const has = this.inputs.filter((input) => this.gradientOf(input));
    const parameters = has.filter(({ role }) => role === "parameter");
    return parameters.length ? parameters : has;
  }

  /** w ← w − η·dw @param {number} rate */
  update(rate) {
    const steps = this.moved().map((input) => ({ w: this.numbersOf(input), dw: this.gradientOf(input).slice(), isSingle: input.kind === "f4" }));
    for (const { w, dw, isSingle } of steps)
      for (let i = 0; i < w.length; i++) w[i] -= isSingle ? Math.fround(Math.fround(rate) * dw[i]) : rate * dw[i];
    this.run();
  }

  /** Let a recording tell what the module has. @param {any} recording */
  follow(recording) {
    this.recording = recording;
    const { page } = this;
    const fromPage = page.numbersOf;
    page.numbersOf = (/** @type {any} */ summary) => summary.numbers ?? fromPage(summary);
    recording.summaries = recording.summaries.map((/** @type {any} */ said) =>
      new Told(this, said, said.live ? () => this.module.at(said.live.at) : () => fromPage(said)));
    recording.arrays.forEach((/** @type {any} */ array) => this.followArray(array));
    recording.ops.forEach((/** @type {any} */ op) => this.followOp(op));
    const norms = recording.strip;
    got(recording, "strip", () => norms.map(([name, box, op]) => {
      const grad = recording.summary(recording.arrays[recording.ops[op].outputs[0]].grad);
      const norm = grad ? grad.told.norm : 0;
      return [name, box, op, Number.isFinite(norm) ? norm : null, short(norm)];
    }));
  }

  /** @param {any} array */
  followArray(array) {
    const all = () => [array.dout, ...array.uses.map((/** @type {any} */ use) => use.dx ?? -1)].filter((dx) => dx >= 0).map((dx) => this.recording.summaries[dx]);
    const total = () => this.recording.summary(array.grad);
    got(array, "sum", () => fanOut(all(), total()));
    got(array, "wholeSum", () => wholeSum(all(), total()));
  }

  /** @param {any} op */
  followOp(op) {
    const { recording, module } = this;
    const { live } = op;
    const valueOf = (/** @type {any} */ use) => recording.summaries[recording.arrays[use.array].value];
    const outputs = op.outputs.map((/** @type {number} */ out) => recording.arrays[out]);
    const values = outputs.map((/** @type {any} */ out) => recording.summaries[out.value]);
    const hasRows = (/** @type {any} */ told) => Boolean(told.said.live?.examples);
    const toldOf = (/** @type {any} */ told, /** @type {number} */ row) => (row >= 0 && hasRows(told) ? told.row(row) : told.told);
    const named = (/** @type {any} */ use, /** @type {number} */ row) => {
      if (use.array < 0) return { text: use.literal };
      const told = toldOf(valueOf(use), row);
      return { text: isSpelled(told.shape) ? told.text : recording.arrays[use.array].name };
    };
    const said = (row = -1, own = "") => forwardOf(live.name, op.inputs.map((/** @type {any} */ use) => named(use, row)),
      own || values.map((/** @type {any} */ told) => toldOf(told, row).lines.slice(0, 2).join(", ")).join(" · "));
    const { rows } = op;
    got(op, "says", () => said());
    got(op, "rows", () => rows.map((_, /** @type {number} */ i) => said(i, op.answers[i]?.own ?? "")));
    got(op, "plugged", () => pluggedOf(live.forms, this.lettersOf(op, valueOf)));
    got(op, "answers", () => live.answers.map(([own, chances, t]) => answerOf(Number(module.at(own)[0]), chances && module.at(chances), t && module.at(t))));
    if (live.answers.length && recording.examples.length > 1)
      values[0].own = () => op.answers.map(({ own }) => ({ lines: [own, `of all ${values[0].lines[0]}`], widest: `of all ${WIDEST}` }));
    got(op, "isFinite", () => ({
      value: values.every((/** @type {any} */ told) => told.isFinite),
      gradient: outputs.every((/** @type {any} */ out) => out.grad < 0 || recording.summaries[out.grad].isFinite),
    }));
    got(op, "notes", () => outputs.flatMap((/** @type {any} */ out, /** @type {number} */ i) => [
      ...(live.name === "relu" && live.several ? [["value", dead(values[i], live.perExample ? live.units : 0)]] : []),
      ...[["value", out.value], ["gradient", out.grad]].filter(([, n]) => n >= 0 && recording.summaries[n].told.notFinite)
        .map(([kind, n]) => [kind, `of ${sizeOf(recording.summaries[n].shape).toLocaleString("en")} ${kind}s ${recording.summaries[n].told.notFinite}`])]));
    op.inputs.forEach((/** @type {any} */ use, /** @type {number} */ slot) => this.followUse(op, use, live.locals[slot]));
  }

  /** @param {any} op @param {any} use @param {any} local */
  followUse(op, use, local) {
    const { recording, module } = this;
    if (!local) return;
    const chain = (row = -1) => productOf(recording.summary(recording.arrays[op.outputs[0]].grad), module.at(local), recording.summary(use.dx), row);
    const { chains } = use;
    got(use, "chain", () => chain());
    got(use, "chains", () => chains.map((_, /** @type {number} */ i) => chain(i)));
  }

  /** What stands for the letters of a rule's formulas. @param {any} op @param {(use: any) => Told} valueOf */
  lettersOf(op, valueOf) {
    const { recording } = this;
    const out = recording.arrays[op.outputs[0]];
    /** @type {Record<string, string>} */
    const numbers = { out: recording.summaries[out.value].told.text };
    if (out.grad >= 0) numbers.dout = recording.summaries[out.grad].spelled;
    for (const use of op.inputs) {
      if (use.array >= 0) numbers[use.name] = valueOf(use).told.text;
      if (use.dx >= 0) numbers[`d${use.name}`] = recording.summaries[use.dx].spelled;
    }
    return numbers;
  }
}

/** A field that is worked out when it is read. @param {any} holder @param {string} name @param {() => any} get */
const got = (holder, name, get) => Object.defineProperty(holder, name, { get, configurable: true });

