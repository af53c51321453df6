// An array in a few words and a small picture, as handgrad.view.summary says it, for numbers that change.

import { WIDEST, evenly, firstFilled, short } from "./figures.js";

const DIGITS = 4;
const ROUGH = 3;
const SPELLED = 3; // elements that are written out
const LISTED = 5; // labels that are
const SIDE = 28; // of a thumbnail, at most
const LEVELS = 127;
export const ROUNDING = "0 up to rounding";
const EPSILON = { f4: 2 ** -23, f8: 2 ** -52 };

/** @param {number[]} shape */
export const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);

/** @param {number[]} shape */
export const isSpelled = (shape) => sizeOf(shape) === 1 || (shape.length <= 1 && sizeOf(shape) > 0 && sizeOf(shape) <= SPELLED);

/** @param {number[]} shape */
function spelledShape(shape) {
  if (!shape.length) return "number";
  return shape.length === 1 ? `${shape[0].toLocaleString("en")} numbers` : shape.join(" × ");
}

/** @param {ArrayLike<any>} numbers */
function spelled(numbers) {
  const words = Array.from(numbers, (v) => short(Number(v)));
  return words.length === 1 ? words[0] : `[${words.join(", ")}]`;
}

/** @param {number} low @param {number} high */
function ranged(low, high) {
  for (const digits of [ROUGH, DIGITS]) {
    const [first, last] = [short(low, digits), short(high, digits)];
    if (first !== last) return `${first} … ${last}`;
  }
  return short(low);
}

/**
 * What is told of an array: its figures, and in words.
 * @param {ArrayLike<any>} numbers @param {{shape: number[], kind: string, noise?: number, labels?: number, isImage?: boolean}} about
 */
export function summaryOf(numbers, { shape, kind, noise = 0, labels = 0, isImage = false }) {
  const { length } = numbers;
  let [low, high, sum, squares, zeros, infinite, negative, strange] = [Infinity, -Infinity, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < length; i++) {
    const v = Number(numbers[i]);
    if (v - v !== 0) {
      if (v !== v) strange++;
      else if (v > 0) infinite++;
      else negative++;
      continue;
    }
    if (v < low) low = v;
    if (v > high) high = v;
    if (v === 0) zeros++;
    sum += v;
    squares += v * v;
  }
  const finite = length - infinite - negative - strange;
  let mean = finite ? sum / finite : NaN;
  if (!finite) low = high = NaN;
  if (finite && !Number.isFinite(mean)) mean = Array.from(numbers, Number).filter(Number.isFinite).reduce((a, v) => a + v / finite, 0);
  if (Math.abs(mean) < (EPSILON[kind] ?? 0) * Math.max(-low, high)) mean = 0;
  const counts = /** @type {[number, string][]} */ ([[infinite, "∞"], [negative, "−∞"], [strange, "nan"]]);
  const notFinite = counts.filter(([n]) => n).map(([n, name]) => `${n.toLocaleString("en")} ${n === 1 ? "is" : "are"} ${name}`).join(", ");
  const largest = Math.max(-low, high);
  const isRounding = noise > 0 && !notFinite && largest > 0 && largest <= noise;
  const isLabels = Boolean(labels) && !isSpelled(shape) && !isImage;
  const few = isSpelled(shape);
  const text = isLabels ? listed(numbers) : isRounding ? ROUNDING : length === 0 ? "empty" : few ? spelled(numbers) : notFinite || ranged(low, high);
  const norm = notFinite ? (strange ? NaN : Infinity) : normOf(numbers, squares, largest);
  const told = { shape, text, low, mean, high, norm, zeros: length ? zeros / length : 0, notFinite, isRounding, isLabels, few, isOne: length === 1 };
  return { ...told, lines: linesOf(told), words: wordsOf(told) };
}

/** √Σ x², which overflows only where it is itself too large. @param {ArrayLike<any>} numbers @param {number} squares @param {number} largest */
function normOf(numbers, squares, largest) {
  const norm = Math.sqrt(squares);
  if ((norm > 1e-150 && norm < Infinity) || !(largest > 0)) return norm;
  return largest * Math.sqrt(Array.from(numbers, (v) => (Number(v) / largest) ** 2).reduce((a, b) => a + b, 0));
}

/** What fits at an edge. @param {any} told @returns {string[]} */
function linesOf({ few, text, isRounding, isLabels, low, high, shape, notFinite, mean }) {
  if (few) return [text];
  if (isRounding || isLabels || !(low < high)) return [spelledShape(shape), text];
  return [spelledShape(shape), text, notFinite ? `else ${ranged(low, high)}` : `mean ${short(mean, ROUGH)}`];
}

/** What fits at an edge takes no more room than this, whatever the numbers become. @param {number[]} shape */
export function widestOf(shape) {
  if (!isSpelled(shape)) return `${WIDEST} … ${WIDEST}`;
  const words = Array.from({ length: sizeOf(shape) }, () => WIDEST).join(", ");
  return shape.length ? `[${words}]` : words;
}

/** All that is told of it in a line. @param {any} told */
function wordsOf(told) {
  const { few, shape, text, isRounding, isLabels, low, high, mean, norm, notFinite } = told;
  if (few || !sizeOf(shape)) return linesOf(told).join(", ");
  const parts = [shape.join(" × ")];
  if (isLabels) return `${parts[0]}, ${text}`;
  if (isRounding) parts.push(ROUNDING);
  if (notFinite) parts.push(notFinite);
  if (!Number.isNaN(low)) parts.push(`${notFinite ? "else from" : "from"} ${short(low)} to ${short(high)}, mean ${short(mean)}`);
  if (!notFinite) parts.push(`norm ${short(norm)}`);
  return parts.join(", ");
}

/** The first labels of all. @param {ArrayLike<any>} numbers */
function listed(numbers) {
  const words = Array.from({ length: Math.min(numbers.length, LISTED) }, (_, i) => Number(numbers[i]).toLocaleString("en"));
  return words.join(", ") + (numbers.length > LISTED ? ", …" : "");
}

/**
 * A heat map around zero, reduced to means of blocks.
 * @param {ArrayLike<any>} numbers @param {any[]} grid rows, columns, numbers of a cell, is it an image, how far cells lie apart
 */
export function thumbOf(numbers, [rows, columns, channels, isImage, apart]) {
  const [height, width] = [Math.min(rows, SIDE), Math.min(columns, SIDE)];
  const sums = new Float64Array(height * width);
  const [down, across] = [blocks(rows, height), blocks(columns, width)];
  let [scale, lowest, highest] = [0, Infinity, -Infinity];
  const first = firstFilled(numbers, rows * columns * apart);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) {
      let v = 0;
      const at = first + (r * columns + c) * apart;
      for (let k = 0; k < channels; k++) v += Number(numbers[at + k]);
      v /= channels;
      const size = Math.abs(v);
      if (size > scale && size < Infinity) scale = size;
      sums[down.of[r] * width + across.of[c]] += v;
    }
  const levels = new Int8Array(height * width);
  sums.forEach((sum, i) => {
    const mean = sum / down.counts[Math.floor(i / width)] / across.counts[i % width];
    lowest = Math.min(lowest, mean);
    highest = Math.max(highest, mean);
    levels[i] = Number.isFinite(mean) ? evenly((mean / (scale || 1)) * LEVELS) : -LEVELS - 1;
  });
  return [width, height, levels, Number(isImage && lowest >= 0 && highest > 0)];
}

/** To which of so many blocks each of n belongs, and how many are in each. @param {number} n @param {number} count */
function blocks(n, count) {
  const starts = Array.from({ length: count }, (_, i) => Math.floor((i * n) / count));
  const of = new Int32Array(n);
  starts.forEach((start, i) => of.fill(i, start, starts[i + 1] ?? n));
  return { of, counts: starts.map((start, i) => (starts[i + 1] ?? n) - start) };
}
