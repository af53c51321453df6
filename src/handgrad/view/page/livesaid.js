// What is told of rules, as handgrad.view.equations, answers and notes say it, for numbers that change.

import { placeOf, short } from "./figures.js";

const SYMBOLS = { add: "+", subtract: "−", multiply: "×", divide: "÷" };
const TOLD = 1e-3; // how far a product may be off, for rounding, and be called equal
const ROOM = 34; // letters of a sum at a node
const WHOLE_SUM = 200; // and in the panel
const CLASSES = 12; // that are told of one by one
const PLAIN = /^[\d.]+$/;

/** @param {string} number */
const enclosed = (number) => (number.startsWith("−") ? `(${number})` : number);

/**
 * What a rule did, with its numbers where they fit.
 * @param {string} rule @param {{text: string}[]} given @param {string} result
 */
export function forwardOf(rule, given, result) {
  const words = given.map(({ text }) => text);
  if (SYMBOLS[rule] && words.length === 2) return `${words.map(enclosed).join(` ${SYMBOLS[rule]} `)} = ${result}`;
  return `${rule}(${words.join(", ")}) = ${result}`;
}

/** Where gradients come back several ways: their sum. @param {any[]} dxs summaries @param {any} total @param {number} room */
export function fanOut(dxs, total, room = ROOM) {
  if (dxs.length < 2 || !total) return [];
  const end = ` = ${total.told.text}`;
  const many = [`sum of ${dxs.length.toLocaleString("en")} gradients:`, total.told.text];
  if (!total.told.isOne) return many;
  const terms = dxs.map((dx) => enclosed(dx.spelled));
  for (let kept = terms.length; kept === terms.length || kept > 2; kept--) {
    const words = (kept === terms.length ? terms : [...terms.slice(0, kept - 1), "…", terms.at(-1)]).join(" + ") + end;
    if (words.length <= room) return [words];
  }
  return many;
}

/** @param {any[]} dxs @param {any} total */
export const wholeSum = (dxs, total) => fanOut(dxs, total, WHOLE_SUM).join(" ");

/**
 * Upstream × local derivative = downstream: where the gradient is largest, of all or of one row.
 * @param {any} dout @param {ArrayLike<number>} local @param {any} dx summaries @param {number} row
 */
export function productOf(dout, local, dx, row = -1) {
  if (!dout || !local || !dx || dout.shape.join() !== dx.shape.join()) return null;
  const [a, c] = [dout.numbers, dx.numbers];
  const size = c.length;
  if (size === 1) return ofNumbers(a[0], local[0], c[0], "");
  const rows = dx.shape[0] || 1;
  const [from, to] = row < 0 ? [0, size] : [(row * size) / rows, ((row + 1) * size) / rows];
  let [best, largest] = [-1, -1];
  for (let i = from; i < to; i++) {
    const off = Math.abs(a[i] * local[i] - c[i]);
    if (Math.abs(c[i]) > largest && off <= TOLD * Math.abs(c[i]) && Number.isFinite(a[i] * local[i])) [best, largest] = [i, Math.abs(c[i])];
  }
  return best < 0 ? null : ofNumbers(a[best], local[best], c[best], `[${placeOf(best, dx.shape).join(", ")}]`);
}

/** @param {number} dout @param {number} local @param {number} dx @param {string} at */
function ofNumbers(dout, local, dx, at) {
  const product = dout * local;
  if (![dout, local, dx].every(Number.isFinite) || Math.abs(product - dx) > TOLD * Math.max(Math.abs(product), Math.abs(dx))) return null;
  return [at, `${enclosed(short(dout))} × ${enclosed(short(local))} = ${short(dx)}`];
}

/** A formula with numbers in its slots. @param {any} tree @param {Record<string, string>} numbers @returns {any} */
function filled(tree, numbers) {
  if (typeof tree === "string") return tree;
  const [name, of, negative, long] = tree;
  if (name !== "slot") return tree.map((/** @type {any} */ part) => filled(part, numbers));
  const number = numbers[of];
  const isFenced = number.startsWith("−") ? negative : long && !PLAIN.test(number);
  return isFenced ? ["mrow", ["mo", "("], ["mn", number], ["mo", ")"]] : ["mn", number];
}

/** The formulas of a rule of numbers, worked out. @param {any} forms @param {Record<string, string>} numbers */
export function pluggedOf(forms, numbers) {
  const made = ([left, tree, isFenced, result]) => {
    const right = filled(tree, numbers);
    const whole = isFenced && numbers[result] !== undefined ? ["mrow", ["mo", "("], right, ["mo", ")"]] : right;
    return ["mrow", left, ["mo", "="], whole, ...(numbers[result] === undefined ? [] : [["mo", "="], ["mn", numbers[result]]])];
  };
  return forms ? { forward: forms.forward.map(made), backward: forms.backward.map((form) => form && made(form)) } : { forward: [], backward: [] };
}

/** What is told of an example at a loss. @param {number} own @param {ArrayLike<number> | null} chances @param {ArrayLike<any> | null} t */
export function answerOf(own, chances, t) {
  const found = { own: short(own) };
  if (!chances || !t) return found;
  if (chances.length === 1) {
    const [chance, label] = [chances[0], Number(t[0])];
    return { ...found, predicted: Number(chance > 0.5), label: Number(label > 0.5), chances: [[0, short(1 - chance)], [1, short(chance)]] };
  }
  const order = Array.from(chances, (_, k) => k).sort((a, b) => chances[b] - chances[a] || a - b);
  const label = t.length === 1 ? Number(t[0]) : indexOfLargest(t);
  const shown = [...new Set([...order.slice(0, CLASSES), label])].sort((a, b) => a - b).filter((k) => k >= 0 && k < chances.length);
  return { ...found, predicted: order[0], label, chances: shown.map((k) => [k, short(chances[k])]) };
}

/** @param {ArrayLike<any>} x */
export function indexOfLargest(x, from = 0, count = x.length) {
  let best = 0;
  for (let k = 1; k < count; k++) if (Number(x[from + k]) > Number(x[from + best])) best = k;
  return best;
}

/** Units of a rectifier that are silent. @param {any} out a summary @param {number} rows of a batch, or 0 */
export function dead({ numbers, shape }, rows) {
  const said = (/** @type {number} */ n) => n.toLocaleString("en");
  if (rows > 1) {
    const units = numbers.length / shape[0];
    let silent = 0;
    for (let u = 0; u < units; u++) {
      let isSilent = true;
      for (let r = 0; r < shape[0] && isSilent; r++) isSilent = numbers[r * units + u] === 0;
      silent += Number(isSilent);
    }
    return `${said(silent)} of ${said(units)} units are 0 for all ${said(shape[0])} examples`;
  }
  let zeros = 0;
  for (const v of numbers) zeros += Number(v === 0);
  return `${said(zeros)} of ${said(numbers.length)} outputs are 0`;
}
