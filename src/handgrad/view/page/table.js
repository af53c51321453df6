// All numbers of an array: a slice at a time, to be copied; and their histogram.

import { exact } from "./data.js";
import { h, s } from "./dom.js";

const ROWS = 30;
const COLUMNS = 12;

export class Table {
  constructor() {
    this.element = h("dialog", { "aria-label": "numbers" });
    document.body.append(this.element);
    /** @type {any} */
    this.numbers = [];
    this.type = "";
    this.name = "";
    this.kind = "";
    /** @type {any} */
    this.summary = null;
    /** @type {number[]} */
    this.shape = [1, 1];
    /** @type {number[]} */
    this.lead = [];
    this.at = { row: 0, column: 0 };
  }

  /** @param {any} recording @param {any} summary @param {string} name @param {string} kind */
  show(recording, summary, name, kind) {
    const [, type, shape, reduction] = summary.stored;
    Object.assign(this, { numbers: recording.page.numbersOf(summary), type, name, kind, summary });
    this.shape = shape.length === 0 ? [1, 1] : shape.length === 1 ? [1, shape[0]] : shape;
    this.lead = this.shape.slice(0, -2).map(() => 0);
    const example = summary.examples && !reduction && recording.example >= 0 ? recording.example : 0;
    if (shape.length > 2) this.lead[0] = example;
    this.at = { row: shape.length === 2 ? example : 0, column: 0 };
    this.build(reduction);
    this.draw();
    if (!this.element.open) this.element.showModal();
  }

  // What stays while one moves about, so that a pressed button keeps the focus.
  build(reduction) {
    const [rows, columns] = this.shape.slice(-2);
    this.place = h("span", { class: "muted" });
    this.cells = h("div", { class: "cells", tabindex: 0, "aria-label": "numbers" });
    this.movers = [this.mover("◀", "columns before", "column", -COLUMNS, columns), this.mover("▶", "columns after", "column", COLUMNS, columns),
      this.mover("▲", "rows before", "row", -ROWS, rows), this.mover("▼", "rows after", "row", ROWS, rows)];
    this.tools = h("p", { class: "tools" }, this.lead.map((at, i) => this.chooser(at, i)), this.place, this.movers.map(({ button }) => button),
      h("button", { onclick: () => copied(this.text(), this.element) }, "copy"),
      h("button", { onclick: () => this.histogram() }, "histogram"));
    this.element.replaceChildren(
      h("header", {}, h("h2", {}, `${this.name}  (${this.summary.shape.join(", ") || "number"}) ${this.summary.dtype}`),
        h("button", { onclick: () => this.element.close(), "aria-label": "close" }, "✕")),
      ...(reduction ? [h("p", { class: "notice" }, reduction)] : []), this.tools, this.cells);
  }

  draw() {
    const { rows, columns } = this.shown();
    const [allRows, allColumns] = this.shape.slice(-2);
    const ofColumns = span(columns, allColumns);
    this.place.textContent = this.summary.shape.length < 2 ? `elements ${ofColumns}` : `rows ${span(rows, allRows)}, columns ${ofColumns}`;
    this.movers.forEach(({ button, isIdle }) => (button.disabled = isIdle()));
    this.cells.replaceChildren(h("table", {},
      h("thead", {}, h("tr", {}, h("td"), columns.map((c) => h("th", { scope: "col" }, c)))),
      h("tbody", {}, rows.map((r) => h("tr", {}, h("th", { scope: "row" }, r), columns.map((c) => h("td", {}, this.cell(r, c))))))));
  }

  // The rows and columns that are shown.
  shown() {
    const [rows, columns] = this.shape.slice(-2);
    const { row, column } = this.at;
    return { rows: range(row, Math.min(row + ROWS, rows)), columns: range(column, Math.min(column + COLUMNS, columns)) };
  }

  cell(row, column) {
    const [rows, columns] = this.shape.slice(-2);
    const matrix = this.lead.reduce((sum, at, i) => sum * this.shape[i] + at, 0);
    return exact(this.numbers[(matrix * rows + row) * columns + column], this.type);
  }

  text() {
    const { rows, columns } = this.shown();
    return rows.map((r) => columns.map((c) => this.cell(r, c)).join("\t")).join("\n");
  }

  chooser(at, i) {
    const change = () => {
      this.lead[i] = Math.min(Math.max(Math.round(Number(input.value)) || 0, 0), this.shape[i] - 1);
      input.value = this.lead[i];
      this.draw();
    };
    const input = h("input", { type: "number", min: 0, max: this.shape[i] - 1, value: at, onchange: change });
    return h("label", {}, `axis ${i} `, input);
  }

  // At the end a button goes idle and cannot keep the focus: the numbers have it then.
  mover(sign, words, axis, by, count) {
    const isIdle = () => this.at[axis] + by >= count || (by < 0 && this.at[axis] === 0);
    const move = () => {
      this.at[axis] = Math.max(this.at[axis] + by, 0);
      this.draw();
      if (button.disabled) this.cells.focus();
    };
    const button = h("button", { onclick: move, "aria-label": words }, sign);
    return { button, isIdle };
  }

  histogram() {
    const finite = Float64Array.from(this.numbers, Number).filter(Number.isFinite);
    const [low, high] = finite.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const bins = new Array(40).fill(0);
    for (const v of finite) bins[Math.min(Math.floor(((v - low) / (high - low || 1)) * 40), 39)]++;
    const most = Math.max(...bins, 1);
    const bars = bins.map((n, i) => s("rect", { x: i * 12, y: 120 - (120 * n) / most, width: 11, height: (120 * n) / most, class: this.kind },
      s("title", {}, `${n}`)));
    const [lowText, highText] = [low, high].map((end) => (finite.length ? exact(end, this.type) : ""));
    const old = this.element.querySelector("figure");
    const figure = h("figure", {}, s("svg", { viewBox: "0 0 480 138", role: "img", "aria-label": `histogram of ${this.name}` }, bars,
      s("text", { x: 0, y: 134 }, lowText), s("text", { x: 480, y: 134, "text-anchor": "end" }, highText)));
    if (old) old.replaceWith(figure);
    else this.tools.after(figure);
  }
}

const range = (from, to) => Array.from({ length: Math.max(to - from, 0) }, (_, i) => from + i);
const span = (places, count) => (places.length ? `${places[0]} to ${places.at(-1)} of ${count}` : "none");

async function copied(text, near) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", {});
    area.value = text;
    near.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
