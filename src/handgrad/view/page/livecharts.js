// What is drawn of a training: curves, a decision surface, a regression's curve, the first weights, a confusion matrix.

import { h, s } from "./dom.js";
import { indexOfLargest } from "./livesaid.js";
import { figure } from "./figures.js";
import { word } from "./words.js";

const CURVE = { width: 340, height: 150, left: 46, bottom: 20, top: 8, right: 8 };
const GRID = 40; // points of a side of a surface
const ALONG = 200; // points of a curve
const SIDE = 180; // pixels of a picture
const WIDE = 280; // and of first weights
const SEQUENCES = 4; // of symbols that are written out
const TILES = 50; // first weights that are drawn
/** The colours of classes. @type {number[][]} */
const CLASSES = [[31, 102, 209], [200, 80, 15], [44, 138, 75], [117, 80, 196], [200, 160, 20], [20, 150, 160], [190, 60, 120], [110, 110, 110], [120, 80, 40], [90, 160, 60]];

/** Lines that grow, of one or two runs. */
export class Curves {
  /** @param {string} title @param {(point: any) => number | null} of @param {boolean} isShare */
  constructor(title, of, isShare) {
    this.title = title;
    this.of = of;
    this.isShare = isShare;
    this.svg = s("svg", { viewBox: `0 0 ${CURVE.width} ${CURVE.height}`, class: "curves", role: "img", "aria-label": title });
    this.element = h("figure", {}, h("figcaption", {}, title), this.svg);
  }

  /** @param {any[]} runs */
  draw(runs) {
    const lines = runs.map((run) => run.points.filter((/** @type {any} */ point) => Number.isFinite(this.of(point))));
    const all = lines.flat();
    const { width, height, left, bottom, top, right } = CURVE;
    const last = all.reduce((most, { step }) => Math.max(most, step), 1);
    const values = all.length ? all.map(this.of) : [1];
    const high = this.isShare ? 1 : Math.max(...values, 1e-12);
    const low = this.isShare ? 0 : Math.min(...values, high / 2, 0) < 0 ? Math.min(...values) : 0;
    const x = (/** @type {number} */ step) => left + ((width - left - right) * step) / last;
    const y = (/** @type {number} */ value) => height - bottom - ((height - bottom - top) * (value - low)) / (high - low || 1);
    const marks = [low, (low + high) / 2, high];
    const paths = lines.map((points, i) => s("polyline", { class: `run run${i}`,
      points: thinned(points).map((point) => `${x(point.step).toFixed(1)},${y(this.of(point)).toFixed(1)}`).join(" ") }));
    this.svg.replaceChildren(
      ...marks.flatMap((value) => [s("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
        s("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, this.isShare ? `${Math.round(100 * value)} %` : figure(value, 2))]),
      s("text", { x: width - right, y: height - 4, "text-anchor": "end" }, `${word("step")} ${last.toLocaleString("en")}`), ...paths);
  }
}

/** As many points as there are pixels for. @param {any[]} points */
function thinned(points) {
  const by = Math.ceil(points.length / CURVE.width);
  return by < 2 ? points : points.filter((_, i) => i % by === 0 || i === points.length - 1);
}

/** A canvas with what stands below it. @param {string} title @param {number} width @param {number} height */
function framed(title, width, height) {
  const canvas = h("canvas", { width, height, role: "img", "aria-label": title });
  return { canvas, element: h("figure", {}, h("figcaption", {}, title), canvas) };
}

/** What the network says at each place of a plane, with the examples on it. */
export class Surface {
  /** @param {any} told @param {any} data @param {boolean} isClasses */
  constructor(told, data, isClasses) {
    const { canvas, element } = framed(word("what it says, place by place"), 2 * SIDE, 2 * SIDE);
    this.canvas = canvas;
    this.element = element;
    canvas.setAttribute("style", `width:${SIDE}px;height:${SIDE}px`);
    this.told = told;
    this.data = data;
    this.isClasses = isClasses;
  }

  /** @param {any} run */
  draw(run) {
    const { low: [x0, y0], high: [x1, y1] } = this.told;
    const pixels = new ImageData(GRID, GRID);
    const fill = (/** @type {any} */ view, /** @type {number} */ from, /** @type {number} */ some) => {
      for (let i = 0; i < some; i++) {
        const at = from + i;
        view[2 * i] = x0 + ((x1 - x0) * (at % GRID)) / (GRID - 1);
        view[2 * i + 1] = y1 + ((y0 - y1) * Math.floor(at / GRID)) / (GRID - 1);
      }
    };
    run.outputs(GRID * GRID, fill, (/** @type {any} */ y, /** @type {number} */ from, /** @type {number} */ some) => {
      const count = y.length / run.told.predict.count;
      for (let i = 0; i < some; i++) pixels.data.set(this.colour(y, i, count), 4 * (from + i));
    });
    const small = h("canvas", { width: GRID, height: GRID });
    small.getContext("2d").putImageData(pixels, 0, 0);
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = true;
    context.drawImage(small, 0, 0, 2 * SIDE, 2 * SIDE);
    this.points(context);
  }

  /** @param {any} y @param {number} i @param {number} count */
  colour(y, i, count) {
    if (!this.isClasses) return shade(count > 1 ? 0 : y[i]);
    if (count === 1) return shade(Math.tanh(y[i] / 2));
    const best = indexOfLargest(y, i * count, count);
    let sum = 0;
    for (let k = 0; k < count; k++) sum += Math.exp(y[i * count + k] - y[i * count + best]);
    const sure = (1 / sum - 1 / count) / (1 - 1 / count);
    return [...CLASSES[best % CLASSES.length].map((c) => 255 - (255 - c) * (0.12 + 0.5 * sure)), 255];
  }

  /** The examples, each in the colour of its class. @param {CanvasRenderingContext2D} context */
  points(context) {
    const { low: [x0, y0], high: [x1, y1] } = this.told;
    const { x, t } = this.data.shown;
    for (let i = 0; i < Math.min(x.count, 600); i++) {
      const [a, b] = [0, 1].map((k) => (x.parts ? x.parts[x.values[2 * i + k]] : x.values[2 * i + k]));
      context.beginPath();
      context.arc((2 * SIDE * (a - x0)) / (x1 - x0), 2 * SIDE * (1 - (b - y0) / (y1 - y0)), 4, 0, 7);
      const value = Number(t.values[i * t.size]);
      const [r, g, blue] = this.isClasses && t.size === 1 && Number.isInteger(value) ? CLASSES[value % CLASSES.length] : shade(value);
      context.fillStyle = `rgb(${r} ${g} ${blue})`;
      context.fill();
      context.strokeStyle = "#fff";
      context.stroke();
    }
  }
}

/** From blue by white to orange. @param {number} value */
function shade(value) {
  const share = Math.min(Math.abs(value), 1);
  const [r, g, b] = value < 0 ? [29, 79, 163] : [200, 80, 15];
  return [255 - (255 - r) * share, 255 - (255 - g) * share, 255 - (255 - b) * share, 255];
}

/** A regression of one number on one: the examples, and the curve through them. */
export class Line {
  /** @param {any} told @param {any} data */
  constructor(told, data) {
    this.told = told;
    this.data = data;
    this.svg = s("svg", { viewBox: "0 0 340 180", class: "curves", role: "img", "aria-label": word("what it says, and the examples") });
    this.element = h("figure", {}, h("figcaption", {}, word("what it says, and the examples")), this.svg);
  }

  /** @param {any} run */
  draw(run) {
    const { low: [x0], high: [x1] } = this.told;
    const { x, t } = this.data.shown;
    const said = new Float64Array(ALONG);
    const at = (/** @type {number} */ i) => x0 + ((x1 - x0) * i) / (ALONG - 1);
    run.outputs(ALONG, (/** @type {any} */ view, /** @type {number} */ from, /** @type {number} */ some) => {
      for (let i = 0; i < some; i++) view[i] = at(from + i);
    }, (/** @type {any} */ y, /** @type {number} */ from, /** @type {number} */ some) => said.set(y.subarray(0, some), from));
    const targets = Array.from({ length: Math.min(x.count, 400) }, (_, i) => Number(t.values[i * t.size]));
    const [low, high] = [Math.min(...targets), Math.max(...targets)];
    const edge = 0.1 * (high - low) || 1;
    const px = (/** @type {number} */ v) => (340 * (v - x0)) / (x1 - x0);
    const py = (/** @type {number} */ v) => 180 - (180 * (v - low + edge)) / (high - low + 2 * edge);
    this.svg.replaceChildren(
      ...targets.map((v, i) => s("circle", { cx: px(x.parts ? x.parts[x.values[i]] : x.values[i]), cy: py(v), r: 2.2 })),
      s("polyline", { class: "run run0", points: Array.from(said, (v, i) => `${px(at(i)).toFixed(1)},${py(Math.min(Math.max(v, low - edge), high + edge)).toFixed(1)}`).join(" ") }));
  }
}

/** What the first layer looks for. */
export class Weights {
  /** @param {any} told */
  constructor({ name, size: [height, width], each: [apart, along, count] }) {
    const shown = Math.min(count, TILES);
    const columns = Math.ceil(Math.sqrt((shown * 2 * height) / width));
    const rows = Math.ceil(shown / columns);
    const made = framed(`what ${count === shown ? "each unit" : `each of the first ${shown} of ${count} units`} of ${name} looks for`, columns * (width + 1) - 1, rows * (height + 1) - 1);
    this.canvas = made.canvas;
    this.element = made.element;
    this.canvas.classList.add("heat");
    this.canvas.setAttribute("style", `width:${WIDE}px;aspect-ratio:${this.canvas.width}/${this.canvas.height}`);
    Object.assign(this, { name, height, width, apart, along, shown, columns });
  }

  /** @param {any} run */
  draw(run) {
    const { name, height, width, apart, along, shown, columns, canvas } = /** @type {any} */ (this);
    const { numbers } = run.carried.find((/** @type {any} */ each) => each.name === name && each.kind === 0);
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    let largest = 1e-12;
    for (const v of numbers) largest = Math.max(largest, Math.abs(v));
    for (let unit = 0; unit < shown; unit++) {
      for (let i = 0; i < width * height; i++) pixels.data.set(shade(numbers[unit * apart + i * along] / largest), 4 * i);
      context.putImageData(pixels, (unit % columns) * (width + 1), Math.floor(unit / columns) * (height + 1));
    }
  }
}

/** Sequences of symbols, and below each the symbols that the network expects next. */
export class Text {
  /** @param {string[]} symbols @param {any} data */
  constructor(symbols, data) {
    this.symbols = symbols;
    this.data = data;
    this.lines = h("div", { class: "said" });
    this.element = h("figure", {}, h("figcaption", {}, word("symbols, and what it expects after each")), this.lines);
  }

  /** @param {any} run */
  draw(run) {
    const { x, t } = this.data.shown;
    const { count } = run.told.predict;
    const order = Int32Array.from({ length: count }, (_, i) => i % x.count);
    /** @type {any} */
    let found = null;
    run.outputs(Math.min(SEQUENCES, count), (/** @type {any} */ view, /** @type {number} */ from, /** @type {number} */ some) => x.fill(view, order, from, some), (/** @type {any} */ y) => (found = y));
    const V = found.length / count / x.size;
    const lines = Array.from({ length: Math.min(SEQUENCES, count) }, (_, i) => {
      const given = Array.from(x.values.subarray(i * x.size, (i + 1) * x.size), (k) => this.spelled(Number(k)));
      const guessed = given.map((_, at) => {
        const k = indexOfLargest(found, (i * x.size + at) * V, V);
        return h("span", { class: k === Number(t.values[i * t.size + at]) ? null : "off" }, this.spelled(k));
      });
      return [h("p", { class: "muted" }, given.join("")), h("p", {}, guessed)];
    });
    this.lines.replaceChildren(...lines.flat());
  }

  /** @param {number} k */
  spelled(k) {
    return this.symbols[k].replace(" ", "\u00b7").replace("\n", "\u21b5");
  }
}

/** What was taken for what. */
export class Confusion {
  /** @param {string[] | null} names @param {boolean} isHeldOut */
  constructor(names, isHeldOut) {
    this.names = names;
    this.title = `${word("what was taken for what")}, ${word(isHeldOut ? "held out" : "of the examples")}`;
    this.element = h("figure", { class: "confusion" });
  }

  /** @param {any} run */
  draw(run) {
    const { counts, right } = run.measure();
    const classes = Math.sqrt(counts.length);
    const nameOf = (/** @type {number} */ k) => this.names?.[k] ?? String(k);
    const cell = (/** @type {number} */ i, /** @type {number} */ j) => {
      const n = counts[i * classes + j];
      const row = counts.slice(i * classes, (i + 1) * classes).reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);
      const share = row ? n / row : 0;
      return h("td", { style: `--share:${(100 * share).toFixed(0)}%`, class: i === j ? "right" : null, title: `${nameOf(i)} taken for ${nameOf(j)}: ${n}` }, n || "");
    };
    const all = [...Array(classes).keys()];
    this.element.replaceChildren(h("figcaption", {}, `${this.title}: ${(100 * right).toFixed(1)} % ${word("right")}`),
      classes > 12 ? h("p", { class: "muted" }, `${classes} classes`) : h("table", {},
        h("thead", {}, h("tr", {}, h("td"), all.map((k) => h("th", { scope: "col" }, nameOf(k))))),
        h("tbody", {}, all.map((i) => h("tr", {}, h("th", { scope: "row" }, nameOf(i)), all.map((j) => cell(i, j)))))));
  }
}
