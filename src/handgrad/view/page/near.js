// Nearest of all: an array's entries in place of its thumbnail, as many as can be read in its room.

import { fitted } from "./arrange.js";
import { askedBy } from "./asking.js";
import { s } from "./dom.js";
import { firstFilled, placeOf, shaded, short } from "./figures.js";
import { AIR } from "./layout.js";
import { summaryAt } from "./origins.js";

const NEAR = 2.4; // the scale from which on entries are told
const ACROSS = 54; // pixels on the screen of a cell, and of a line
const DOWN = 15;
const LETTERS = 11;
const CALM = 60; // milliseconds without a movement before entries are written
const DIGITS = 3;

export class Near {
  /** @param {any} picture */
  constructor(picture) {
    this.picture = picture;
    this.waiting = 0;
  }

  /** Once nothing moves any more. */
  later() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.show(), CALM);
  }

  show() {
    const { picture } = this;
    const isNear = picture.looking.view.scale >= NEAR && !picture.looking.isPrinted;
    for (const edge of picture.edges)
      edge.said.forEach((/** @type {any} */ said) => {
        const tag = picture.elements.get(edge.id)[1].querySelector(`:scope > .${said.kind}`);
        tag.querySelector(":scope > .entries")?.remove();
        const entries = isNear && said.key && said.words.thumb && !said.words.cells ? this.entries(edge, said) : null;
        tag.classList.toggle("near", Boolean(entries));
        if (entries) tag.append(entries);
      });
  }

  /** The entries in a label's room, gradients below values; of more, those that lie there as the middle of the screen lies in the room. @param {any} edge @param {any} said */
  entries(edge, { kind, key }) {
    const { recording, places, looking } = this.picture;
    const { scale } = looking.view;
    const place = places.get(edge.id);
    const { width } = place;
    const height = Math.min(...edge.said.map((/** @type {any} */ said) => said.room.height));
    const [left, top] = [place.x - width / 2, kind === "grad" ? place.y + AIR : place.y - AIR - height];
    if (!looking.meets({ x: place.x, y: top + height / 2, width, height })) return null;
    const array = ofExample(recording, summaryAt(recording, key));
    if (!array) return null;
    const [wide, high] = [ACROSS / scale, DOWN / scale];
    const { rows, columns } = array.rows === 1 ? wrapped(array.columns, Math.floor(width / wide)) : array;
    const middle = looking.middle();
    const across = windowOf(columns, width / wide, (middle.x - left) / width);
    const down = windowOf(rows, height / high - 1, 0.5 + (middle.y - place.y) / place.height);
    const cellAt = (/** @type {number} */ r, /** @type {number} */ c) => {
      const place = (down.first + r) * columns + across.first + c;
      if (place >= array.rows * array.columns) return null;
      const i = array.first + place;
      const [x, y, value] = [left + wide * c, top + high * (r + 1), Number(array.numbers[i])];
      return s("g", { ...shaded(value, array.largest), "data-i": i }, s("rect", { x, y, width: wide, height: high }),
        s("text", { x: x + wide * 0.94, y: y + 0.75 * high, "font-size": LETTERS / scale }, fitted(short(value, DIGITS), 0.9 * ACROSS, LETTERS)));
    };
    const cells = Array.from({ length: down.count * across.count }, (_, i) => cellAt(Math.floor(i / across.count), i % across.count));
    return s("g", { class: "entries", "data-ask": askedBy(recording, key), "stroke-width": 0.6 / scale },
      s("rect", { class: "under", x: left, y: top + high, width: wide * across.count, height: high * down.count }),
      s("text", { class: "small", x: left, y: top + 0.75 * high, "font-size": LETTERS / scale }, array.words + sliceOf(array, down, across, columns)), cells);
  }
}

/** A matrix of an array: all of one, of more the first that is not all zero, of the chosen example; null where its numbers are not kept. @param {any} recording @param {any} summary */
function ofExample(recording, summary) {
  const { shape, stored: [, , , reduction] } = summary;
  if (reduction) return null;
  const numbers = recording.page.numbersOf(summary);
  const isOne = recording.example >= 0 && summary.examples;
  const own = isOne ? shape.slice(1) : shape;
  const size = own.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
  const [rows, columns] = [own.at(-2) ?? 1, own.at(-1) ?? 1];
  let largest = 0;
  for (const v of numbers) if (Math.abs(Number(v)) < Infinity) largest = Math.max(largest, Math.abs(Number(v)));
  const start = isOne ? recording.example * size : 0;
  const filled = firstFilled(numbers.subarray(start, start + size), rows * columns);
  const lead = [...(isOne ? [recording.example] : []), ...placeOf(filled / (rows * columns), own.slice(0, -2)), ...(own.length > 1 && rows === 1 ? [0] : [])];
  return { numbers, rows, columns, largest, lead, isWhole: numbers.length === rows * columns, first: start + filled, words: shape.join(" × ") };
}

/** A row in several lines. @param {number} n @param {number} room */
const wrapped = (n, room) => ({ rows: Math.ceil(n / Math.max(room, 1)), columns: Math.min(n, Math.max(room, 1)) });

/** Which of the entries are seen, as Python says it; nothing where all are. @param {any} array @param {any} down @param {any} across @param {number} columns */
function sliceOf({ rows: all, columns: width, lead, isWhole }, down, across, columns) {
  const [first, last] = [down.first * columns, Math.min((down.first + down.count) * columns, width)];
  const parts = all === 1 ? [[first, last, width]] : [[down.first, down.first + down.count, all], [across.first, across.first + across.count, width]];
  return isWhole && parts.every(([from, to, n]) => from === 0 && to === n) ? "" : ` [${[...lead, ...parts.map(([from, to]) => `${from}:${to}`)].join(", ")}]`;
}

/** As many of n as there is room for, at a share of the way through them. @param {number} n @param {number} room @param {number} share */
function windowOf(n, room, share) {
  const count = Math.max(Math.min(n, Math.floor(room)), 1);
  return { count, first: Math.round((n - count) * Math.min(Math.max(share, 0), 1)) };
}
