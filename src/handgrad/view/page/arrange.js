// What the layout is given: of each node its words, of each edge what is told at it, and the open boxes.

import { Edge, Frame, Shape, Tag, BESIDE, CELL_AIR, VALUE, cell_width, cut, label_height, label_width, layout, level_of, title_width, words_width } from "./layout.js";
import { WIDEST, rougher, roomy } from "./figures.js";
import { lineOf } from "./words.js";
import { boxKey, gradKey, useKey, valueKey } from "./origins.js";

const BORDER = 24; // beside a label, for the edges that lead past it

/** How a node looks: as the still picture has it. @param {any} recording @param {any} node */
export function shapeOf(recording, node) {
  const { kind, of } = node;
  const notes = marksOf(recording, node).map(([, words]) => (recording.isLive ? roomy(words) : words));
  if (kind === "op") return new Shape(of.label, of.below, notes, "operation");
  if (kind === "box") return new Shape(titleOf(of), of.size, notes, "operation", false, true);
  if (kind === "reference") return new Shape(of.name, "", [], "reference", true);
  if (kind === "sink") return new Shape(of.name, "", notes, "output", true);
  return new Shape(recording.shortName(node), "", notes, of.role, of.role !== "parameter");
}

/** @param {any} box */
export const titleOf = (box) => `${box.short} ${box.label}`.trim();

/**
 * Below a node: a sum of gradients at a fan-out, a wrong backward, a number that is not finite, a difference.
 * @param {any} recording @param {any} node @returns {[string, string][]} each with its kind
 */
export function marksOf(recording, { id, kind, of }) {
  const ops = kind === "op" ? [of] : kind === "box" ? of.ops.map((op) => recording.ops[op]) : [];
  const arrays = kind === "op" ? of.outputs.map((a) => recording.arrays[a]) : kind === "leaf" ? [of] : [];
  /** @type {[string, string][]} */
  const marks = [];
  if (ops.some((op) => recording.verdicts[op.verdict][0] === "wrong")) marks.push(["wrong", "✗ wrong backward"]);
  for (const [which, words] of [["value", "not finite"], ["gradient", "gradient not finite"]])
    if (ops.some((op) => op.isFinite[which] === false)) marks.push([`wrong ${which}`, words]);
  for (const array of arrays) for (const line of array.sum) marks.push(["sum gradient", line]);
  for (const words of recording.page.differences?.[recording.keyOf(id)] ?? []) marks.push([`differs ${words.split(" ")[1]}`, words]);
  return marks;
}

/**
 * What stands at an edge: the value above the line, the gradient that comes back below; of a reference that alone.
 * @param {any} recording @param {any} edge @param {number} room that there is for all
 */
export function saidAt(recording, edge, room) {
  if (edge.count) {
    const lines = [`${edge.count.toLocaleString("en")} arrays`];
    const tag = new Tag(lines);
    return [{ kind: "value", words: {}, lines, tag, room: tag }];
  }
  const value = recording.words(recording.summary(edge.array.value));
  const grad = recording.words(recording.gradientOf(edge));
  const said = [{ kind: "value", words: value, lines: value.lines, key: valueKey(edge.array.id) }];
  const back = edge.uses.length === 1 ? useKey(edge.uses[0]) : edge.uses.length ? boxKey(edge.array.id, edge.to.of.id) : gradKey(edge.array.id);
  if (grad) said.push({ kind: "grad", words: grad, key: back, lines: grad.lines.length > 1 ? grad.lines.slice(1) : grad.lines });
  const told = grad && edge.from.kind === "reference" ? said.slice(1) : said; // the value stands with the array itself
  return told.map((each) => ({ ...each, lines: each.lines.map(lineOf) })).map((each) => placed(each, room)).map((each) => ({ ...each, room: roomOf(each) }));
}

/** With its tag; where that is too wide for all its numbers, in words. @param {any} said @param {number} room */
function placed(said, room) {
  const tag = tagOf(said);
  if (!said.words.cells || tag.width <= room - 2 * BORDER) return { ...said, tag };
  const words = { ...said.words, cells: undefined };
  return { ...said, words, tag: tagOf({ ...said, words }) };
}

/** A matrix whose numbers are written out, or words and a thumbnail. @param {any} said */
function tagOf({ lines, words: { cells, thumb, widest } }) {
  if (!cells) return new Tag(lines, thumb?.[1], thumb?.[0]);
  const [rows, columns, texts] = cells;
  return new Tag([], rows, columns, cell_width(widest ? [...texts, WIDEST] : texts));
}

/** With room for what its numbers may become. @param {any} said */
function roomOf({ lines, tag, words: { cells, widest } }) {
  if (cells || !widest) return tag;
  return new Tag([...lines.slice(0, -1), longer(lines.at(-1), widest)], tag.rows, tag.columns);
}

/** @param {string} a @param {string} b */
const longer = (a, b) => (words_width(a, VALUE) < words_width(b, VALUE) ? b : a);

/** Words in so much room, with as many digits as that takes. @param {string} words @param {number} room @param {number} size */
export function fitted(words, room, size) {
  for (const digits of [4, 3, 2, 1]) {
    const found = digits === 4 ? words : rougher(words, digits);
    if (words_width(found, size) <= room) return found;
  }
  return cut(rougher(words, 1), room, size);
}

/** What is told now, in the room that there was when all was laid out. @param {any} said @param {any} before */
function saidWithin({ words, lines, tag, ...said }, { room, words: { cells: were } }) {
  if (words.cells && were) {
    const [rows, columns, texts, ...first] = words.cells;
    const cells = [rows, columns, texts.map((/** @type {string} */ text) => fitted(text, room.cell - CELL_AIR, VALUE)), ...first];
    return { ...said, words: { pale: words.pale, cells }, lines, tag: room, room };
  }
  const picture = tag.picture_width && tag.picture_width + BESIDE;
  const short = lines.map((/** @type {string} */ line) => fitted(line, room.width - picture, VALUE));
  return { ...said, words, lines: short, tag: new Tag(short, tag.rows, tag.columns), room };
}

/** The same for an edge. @param {any} recording @param {any} edge @param {number} room */
export const toldAgain = (recording, edge, room) => saidAt(recording, edge, room).map((said, i) => saidWithin(said, edge.said[i]));

/**
 * Where everything goes, no wider than a room if that can be.
 * @param {any} recording @param {number} room
 */
export function arranged(recording, room) {
  const { nodes, edges } = recording.visible();
  const shapes = new Map(nodes.map((node) => [node.id, shapeOf(recording, node)]));
  for (const edge of edges) edge.said = saidAt(recording, edge, room);
  const boxes = [...new Set(nodes.flatMap((node) => recording.above(node.box)))].sort((a, b) => a.id - b.id);
  const named = (box) => (box < 0 ? null : `g${box}`);
  const frames = new Map(boxes.map((box) => [`g${box.id}`, new Frame(named(box.parent), undefined, undefined, title_width(titleOf(box)))]));
  const within = new Map(nodes.filter((node) => node.box >= 0).map((node) => [node.id, named(node.box)]));
  const sizes = new Map(nodes.map(({ id }) => [id, [shapes.get(id).width, shapes.get(id).height]]));
  const wires = edges.map(({ from, to, array, said }) => {
    const rooms = said.map(({ room }) => room);
    return new Edge(from.id, to.id, label_width(rooms), label_height(rooms), level_of(array.role));
  });
  return { nodes, edges, boxes, shapes, plan: layout(sizes, wires, frames, within, room) };
}
