// What surrounds the pictures: the bar above, the steps below, the list of keys.

import { h } from "./dom.js";
import { findMenu, searchBox } from "./finding.js";
import { turnLight } from "./theme.js";

const KEYS = [
  ["← →", "one step back, on"], ["Home End", "to the beginning, the end"], ["Tab", "from node to node"], ["Enter", "open a box, look at a rule"],
  ["Space", "look at a node without opening it"], ["Shift with arrows", "move the picture"], ["+ − 0", "larger, smaller, fit"],
  ["o c", "open, close all boxes"], ["d", "show or fold the details"], ["/", "search"], ["double click", "open a box"],
  ["Ctrl with wheel, two fingers", "larger, smaller"],
];

/** What there is to be explained, and in which recordings. @type {[string, string, (recording: any) => boolean][]} */
const KINDS = [
  ["value", "value above", () => true], ["grad", "gradient below", () => true],
  ...["input", "parameter", "constant"].map((role) => /** @type {any} */ ([`leaf ${role}`, role, ({ arrays }) => arrays.some((a) => a.role === role)])),
  ["op", "rule", () => true], ["box", "closed box", ({ boxes }) => boxes.length > 0], ["sink", "output", () => true],
  ["colours", "negative, zero, positive", ({ summaries }) => summaries.some(({ thumb }) => thumb && !thumb[3])],
];

/** @param {string} text @param {string} title @param {() => void} onclick */
export function button(text, title, onclick) {
  return h("button", { title, "aria-label": /[a-z]/.test(text) ? null : title, onclick }, text);
}

/** @param {any} app @param {Element} fold */
export function bar(app, fold) {
  const help = keys();
  app.help = help;
  return h("header", { id: "bar" }, h("h1", {}, app.page.title), searchBox(app), findMenu(app), examples(app), h("span", { class: "space" }),
    button("open all", "open every box (o)", () => app.openAll(true)), button("close all", "close every box (c)", () => app.openAll(false)),
    button("−", "smaller", () => app.zoom(1 / 1.25)), button("fit", "fit into the window (0)", () => app.fit()),
    button("+", "larger", () => app.zoom(1.25)), button("◐", "light or dark", turnLight), fold, button("?", "keys", () => help.showModal()));
}

/** @param {any} app */
function examples(app) {
  const { examples } = app.recordings[0];
  if (examples.length < 2) return null;
  const choose = () => {
    app.recordings.forEach((r) => (r.example = Number(select.value)));
    app.redraw();
  };
  const select = h("select", { id: "example", "aria-label": "example of the batch", onchange: choose },
    h("option", { value: -1 }, "whole batch"), examples.map((name, i) => h("option", { value: i }, /^\d+$/.test(name) ? `example ${name}` : name)));
  return select;
}

/** @param {any} app */
export function steps(app) {
  return h("div", { id: "steps" },
    h("div", { id: "walk" },
      button("|◀", "to the beginning (Home)", () => app.goStep(0)), button("◀", "one step back (←)", () => app.goStep(app.step - 1)),
      app.slider, button("▶", "one step on (→)", () => app.goStep(app.step + 1)), button("▶|", "to the end (End)", () => app.goEnd())),
    app.caption);
}

/** @param {any[]} recordings */
export function legend(recordings) {
  const met = KINDS.filter(([, , isIn]) => recordings.some(isIn));
  return h("p", { id: "legend" }, met.map(([kind, words]) => h("span", { class: `key ${kind}` }, words)));
}

function keys() {
  const help = h("dialog", { "aria-label": "keys" }, h("header", {}, h("h2", {}, "Keys"), h("button", { onclick: () => help.close(), "aria-label": "close" }, "✕")),
    h("table", {}, h("tbody", {}, KEYS.map(([key, what]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, what))))));
  document.body.append(help);
  return help;
}
