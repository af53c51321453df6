// Where each number comes from: of entries of small arrays, the computation that made them.

import { placeOf, short } from "./figures.js";
import { Speech, few } from "./speech.js";

const CLOSE = 1e-3; // how far what is told may be from the number itself, for rounding, as a share of the largest
const LONGEST = 150; // letters of a formula in letters

/**
 * An array as it is shown: "v 3" the value of array 3, "g 3" all of its gradient, "d 5.1" what comes back by input 1 of rule 5, "b 3.7" what comes back to array 3 from box 7.
 * @typedef {string} Key
 * @typedef {{ name: string, letters: string, lines: string[], parts: [Key, number][] }} Origin
 */

export const valueKey = (/** @type {number} */ array) => `v ${array}`;
export const gradKey = (/** @type {number} */ array) => `g ${array}`;
export const boxKey = (/** @type {number} */ array, /** @type {number} */ box) => `b ${array}.${box}`;
export const useKey = (/** @type {any} */ { op, slot }) => `d ${op}.${slot}`;

/** The summary of what a key names. @param {any} recording @param {Key} key */
export function summaryAt(recording, key) {
  const [kind, at] = key.split(" ");
  if (kind === "v") return recording.summary(recording.arrays[at].value);
  if (kind === "g") return recording.summary(recording.arrays[at].grad);
  const [one, other] = at.split(".");
  return recording.summary(kind === "b" ? recording.arrays[one].partial[other] : recording.ops[one].inputs[other].dx);
}

/** All numbers of what a key names. @param {any} recording @param {Key} key */
const numbersAt = (recording, key) => recording.page.numbersOf(summaryAt(recording, key));

/** x[0, 1] @param {string} name @param {number} place @param {number[]} shape */
export const entryName = (name, place, shape) => (shape.length ? `${name}[${placeOf(place, shape).join(", ")}]` : name);

/**
 * Where an entry comes from; only its number where that is not told.
 * @param {any} recording @param {Key} key @param {number} place @returns {Origin}
 */
export function originOf(recording, key, place) {
  const [kind, at] = key.split(" ");
  if (kind === "v") {
    const array = recording.arrays[at];
    return array.maker < 0 ? given(recording, key, place, array.name) : ofRule(recording, recording.ops[array.maker], "outputs", recording.ops[array.maker].outputs.indexOf(array.id), place);
  }
  if (kind === "g") return ofSum(recording, key, recording.arrays[at], place);
  const [op, slot] = at.split(".").map(Number);
  if (kind === "b") return ofSum(recording, key, recording.arrays[op], place, slot);
  return ofRule(recording, recording.ops[op], "gradients", slot, place);
}

/** A number alone: what no rule made, or what is not told. @param {any} recording @param {Key} key @param {number} place @param {string} name @returns {Origin} */
function given(recording, key, place, name) {
  const number = short(Number(numbersAt(recording, key)[place]));
  return { name, letters: "", lines: [`${entryName(name, place, summaryAt(recording, key).shape)} = ${number}`], parts: [] };
}

/** A gradient that comes back several ways, of a box those in it, is their sum. @param {any} recording @param {Key} key @param {any} array @param {number} place @param {number} box @returns {Origin} */
function ofSum(recording, key, array, place, box = -1) {
  const isInside = (/** @type {any} */ use) => box < 0 || recording.above(recording.ops[use.op].box).includes(recording.boxes[box]);
  const uses = array.uses.filter((/** @type {any} */ use) => use.dx >= 0 && isInside(use));
  const dout = box < 0 ? array.dout : -1;
  if (!uses.length) return given(recording, key, place, array.gradName);
  if (uses.length === 1 && dout < 0) return originOf(recording, useKey(uses[0]), place);
  const ways = uses.map((/** @type {any} */ use) => numbersAt(recording, useKey(use))[place]);
  if (dout >= 0) ways.unshift(recording.page.numbersOf(recording.summary(dout))[place]);
  const name = entryName(array.gradName, place, summaryAt(recording, key).shape);
  const sum = few(ways.map((way, i) => (i && way < 0 ? `(${short(Number(way))})` : short(Number(way)))), " + ");
  return { name, letters: "", lines: [`${name} = ${sum} = ${short(Number(numbersAt(recording, key)[place]))}`],
    parts: uses.map((/** @type {any} */ use) => /** @type {[Key, number]} */ ([useKey(use), place])) };
}

/**
 * By the rule's own computation, as handgrad.view.origins tells it.
 * @param {any} recording @param {any} op @param {"outputs" | "gradients"} which @param {number} index @param {number} place
 * @returns {Origin}
 */
function ofRule(recording, op, which, index, place) {
  const kind = recording.kinds[op.kind];
  const root = kind?.[which][index]?.[place];
  const shown = which === "outputs" ? valueKey(op.outputs[index]) : useKey(op.inputs[index]);
  const many = op.outputs.length > 1;
  const outs = op.outputs.map((/** @type {number} */ _, /** @type {number} */ i) => (many ? `out${i}` : "out"));
  const called = which === "outputs" ? outs[index] : `d${op.inputs[index].name}`;
  if (root === undefined) return given(recording, shown, place, called);
  const shape = summaryAt(recording, shown).shape;
  const keys = [...op.inputs.map((/** @type {any} */ use) => (use.array < 0 ? "" : valueKey(use.array))), ...op.outputs.map(valueKey), ...op.outputs.map(gradKey)];
  const names = [...op.inputs.map((/** @type {any} */ use) => use.name), ...outs, ...outs.map((/** @type {string} */ out) => `d${out}`)];
  const numbers = keys.map((key) => key && summaryAt(recording, key) && numbersAt(recording, key));
  const numberOf = (/** @type {number} */ array, /** @type {number} */ i) => Number(numbers[array][i]);
  const nameOf = (/** @type {number} */ array, /** @type {number} */ i) => entryName(names[array], i, summaryAt(recording, keys[array]).shape);
  const speech = new Speech(kind.nodes, { numberOf, nameOf: null });
  const [words, ...aside] = speech.lines(root);
  const all = numbersAt(recording, shown);
  const number = Number(all[place]);
  const far = Math.abs(speech.value(root) - number) > CLOSE * Math.max(speech.largest, ...Array.from(all, (x) => Math.abs(Number(x))).filter(Number.isFinite));
  if (far) return given(recording, shown, place, called);
  const letters = new Speech(kind.nodes, { numberOf, nameOf }).lines(root)[0];
  const name = entryName(called, place, shape);
  const result = short(number);
  const line = words === result ? `${name} = ${letters.length <= LONGEST ? `${letters} = ` : ""}${result}` : `${name} = ${words} = ${result}`;
  return { name, letters: words === result || letters.length > LONGEST ? "" : `${name} = ${letters}`, lines: [line, ...aside],
    parts: [...speech.met.values()].map(([array, i]) => /** @type {[Key, number]} */ ([keys[array], i])) };
}
