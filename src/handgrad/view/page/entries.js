// The numbers of a rule's small arrays, as matrices whose entries can be asked.

import { askedBy } from "./asking.js";
import { h } from "./dom.js";
import { shaded, short } from "./figures.js";
import { word } from "./words.js";
import { entryName, gradKey, summaryAt, useKey, valueKey } from "./origins.js";

const MOST = 64; // numbers of an array
const DIGITS = 3;

/** @param {any} recording @param {any} op */
export function entriesOf(recording, op) {
  if (op.kind < 0) return null;
  const uses = op.inputs.filter((/** @type {any} */ use) => use.array >= 0);
  const many = op.outputs.length > 1;
  const isAnswered = recording.isAnswered(op.id, recording.now);
  const values = [...uses.map((/** @type {any} */ use) => [use.name, valueKey(use.array)]),
    ...op.outputs.map((/** @type {number} */ out, /** @type {number} */ i) => [many ? `out${i}` : "out", valueKey(out)])];
  const grads = isAnswered ? [...op.outputs.map((/** @type {number} */ out, /** @type {number} */ i) => [recording.gradNameOf(recording.arrays[out], many ? `dout${i}` : "dout"), gradKey(out)]),
    ...uses.map((/** @type {any} */ use) => [recording.gradOf(use), useKey(use)])].filter(([, key]) => summaryAt(recording, key)) : [];
  if (!values.some(([, key]) => sizeOf(summaryAt(recording, key).shape) > 1)) return null;
  const row = (/** @type {any[]} */ pairs, /** @type {string} */ kind) => h("div", { class: "grids" }, pairs.map(([name, key]) => grid(recording, name, key, kind)));
  return h("section", {}, h("h3", {}, word("Entries")), h("p", { class: "muted" }, word("point at one, to see what it is made of")), row(values, "value"), row(grads, "grad"));
}

const sizeOf = (/** @type {number[]} */ shape) => shape.reduce((a, b) => a * b, 1);

/** @param {any} recording @param {string} name @param {string} key @param {string} kind */
function grid(recording, name, key, kind) {
  const summary = summaryAt(recording, key);
  const { shape } = summary;
  const numbers = recording.page.numbersOf(summary);
  if (numbers.length > MOST) return null;
  const columns = shape.at(-1) ?? 1;
  const height = shape.at(-2) ?? 1;
  const largest = Math.max(...Array.from(numbers, (v) => Math.abs(Number(v))).filter(Number.isFinite), 0);
  const cellAt = (/** @type {number} */ i) => {
    const value = Number(numbers[i]);
    const look = shaded(value, largest);
    return h("td", { ...look, class: summary.words.includes("0 up to rounding") ? "cell pale" : look.class, "data-i": i, tabindex: i ? -1 : 0, "aria-label": `${entryName(name, i, shape)} = ${short(value)}` }, short(value, DIGITS));
  };
  const rows = Array.from({ length: numbers.length / columns }, (_, r) =>
    h("tr", { class: r && r % height === 0 ? "apart" : null }, Array.from({ length: columns }, (_, c) => cellAt(r * columns + c))));
  return h("div", {}, h("table", { class: `grid ${kind}`, "data-ask": askedBy(recording, key), onkeydown: (/** @type {KeyboardEvent} */ event) => moved(event, columns) },
    h("caption", {}, name), h("tbody", {}, rows)));
}

/** Arrow keys go from entry to entry. @param {KeyboardEvent} event @param {number} columns */
function moved(event, columns) {
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  const cell = event.target instanceof Element ? event.target.closest("[data-i]") : null;
  if (!by || !cell || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  const next = cell.closest("table").querySelector(`[data-i="${Number(cell.getAttribute("data-i")) + by}"]`);
  if (next instanceof HTMLElement) next.focus();
}
