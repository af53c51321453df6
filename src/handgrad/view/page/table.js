// All numbers of an array: a slice at a time, to be copied; and their histogram.

const ROWS = 30;
const COLUMNS = 12;

class Table {
  constructor(app) {
    this.app = app;
    this.element = h("dialog", { "aria-label": "numbers" });
    document.body.append(this.element);
  }

  show(recording, summary, name, kind) {
    const [, type, shape, reduction] = summary.stored;
    Object.assign(this, { numbers: recording.page.numbersOf(summary), type, name, kind, reduction, summary });
    this.shape = shape.length === 0 ? [1, 1] : shape.length === 1 ? [1, shape[0]] : shape;
    this.lead = this.shape.slice(0, -2).map(() => 0);
    if (recording.example >= 0 && summary.examples && !reduction && shape.length > 2) this.lead[0] = recording.example;
    this.at = { row: recording.example >= 0 && shape.length === 2 && summary.examples && !reduction ? recording.example : 0, column: 0 };
    this.draw();
    if (!this.element.open) this.element.showModal();
  }

  draw() {
    const [rows, columns] = this.shape.slice(-2);
    const offset = this.lead.reduce((sum, at, i) => sum * this.shape[i] + at, 0) * rows * columns;
    const shown = {
      rows: range(this.at.row, Math.min(this.at.row + ROWS, rows)),
      columns: range(this.at.column, Math.min(this.at.column + COLUMNS, columns)),
    };
    const cell = (r, c) => exact(this.numbers[offset + r * columns + c], this.type);
    const text = shown.rows.map((r) => shown.columns.map((c) => cell(r, c)).join("\t")).join("\n");
    const place = this.summary.shape.length < 2 ? `elements ${span(shown.columns, columns)}` : `rows ${span(shown.rows, rows)}, columns ${span(shown.columns, columns)}`;
    this.element.replaceChildren(
      h("header", {}, h("h2", {}, `${this.name}  (${this.summary.shape.join(", ") || "number"}) ${this.summary.dtype}`),
        h("button", { onclick: () => this.element.close(), "aria-label": "close" }, "✕")),
      ...(this.reduction ? [h("p", { class: "notice" }, this.reduction)] : []),
      h("p", { class: "tools" }, ...this.lead.map((at, i) => this.chooser(at, i)), h("span", { class: "muted" }, place),
        this.mover("◀", "columns before", "column", -COLUMNS, columns), this.mover("▶", "columns after", "column", COLUMNS, columns),
        this.mover("▲", "rows before", "row", -ROWS, rows), this.mover("▼", "rows after", "row", ROWS, rows),
        h("button", { onclick: () => copied(text, this.element) }, "copy"),
        h("button", { onclick: () => this.histogram() }, "histogram")),
      h("div", { class: "cells", tabindex: 0, "aria-label": "numbers" }, h("table", {},
        h("thead", {}, h("tr", {}, h("td"), shown.columns.map((c) => h("th", { scope: "col" }, c)))),
        h("tbody", {}, shown.rows.map((r) => h("tr", {}, h("th", { scope: "row" }, r), shown.columns.map((c) => h("td", {}, cell(r, c)))))))));
  }

  chooser(at, i) {
    const change = (event) => {
      this.lead[i] = Math.min(Math.max(Math.round(Number(event.target.value)) || 0, 0), this.shape[i] - 1);
      this.draw();
    };
    return h("label", {}, `axis ${i} `, h("input", { type: "number", min: 0, max: this.shape[i] - 1, value: at, onchange: change }));
  }

  mover(sign, words, axis, by, count) {
    const to = this.at[axis] + by;
    const move = () => {
      this.at[axis] = Math.max(to, 0);
      this.draw();
    };
    return h("button", { onclick: move, "aria-label": words, disabled: to >= count || (by < 0 && this.at[axis] === 0) }, sign);
  }

  histogram() {
    const finite = Float64Array.from(this.numbers, Number).filter(Number.isFinite);
    const [low, high] = finite.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const bins = new Array(40).fill(0);
    for (const v of finite) bins[Math.min(Math.floor(((v - low) / (high - low || 1)) * 40), 39)]++;
    const most = Math.max(...bins, 1);
    const bars = bins.map((n, i) => s("rect", { x: i * 12, y: 120 - (120 * n) / most, width: 11, height: (120 * n) / most, class: this.kind },
      s("title", {}, `${n}`)));
    const [lowText, , highText] = this.summary.stats;
    const old = this.element.querySelector("figure");
    const figure = h("figure", {}, s("svg", { viewBox: "0 0 480 138", role: "img", "aria-label": `histogram of ${this.name}` }, bars,
      s("text", { x: 0, y: 134 }, lowText), s("text", { x: 480, y: 134, "text-anchor": "end" }, highText)));
    if (old) old.replaceWith(figure);
    else this.element.querySelector(".tools").after(figure);
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
