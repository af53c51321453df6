// What surrounds the pictures: the bar above, the steps below, the list of keys.

import { h } from "./dom.js";
import { findMenu, searchBox } from "./finding.js";
import { hashOf, link } from "./address.js";
import { turnLight } from "./theme.js";
import { spoken, word } from "./words.js";

const KEYS = [
  ["← →", "one step back, on"], ["Home End", "to the beginning, the end"], ["Tab", "from node to node"], ["Enter", "open a box, look at a rule"],
  ["Space", "look at a node without opening it"], ["Shift with arrows", "move the picture"], ["+ − 0", "larger, smaller, fit"],
  ["o c", "open, close all boxes"], ["d", "show or fold the details"], ["/", "search"], ["double click", "open a box"],
  ["Ctrl with wheel, two fingers", "larger, smaller"], ["p", "play, pause"], ["f", "full screen for a class"], ["a", "hide answers, show one"],
  ["PageDown PageUp b", "a presenter's keys"],
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
  return h("button", { title: word(title), "aria-label": /[a-z]/.test(text) ? null : word(title), onclick }, word(text));
}

/** @param {any} app @param {Element} fold */
export function bar(app, fold) {
  const help = keys();
  app.help = help;
  return h("header", { id: "bar" }, h("h1", {}, app.page.title), searchBox(app), findMenu(app), examples(app), h("span", { class: "space" }),
    button("open all", "open every box (o)", () => app.openAll(true)), button("close all", "close every box (c)", () => app.openAll(false)),
    button("−", "smaller", () => app.zoom(1 / 1.25)), button("fit", "fit into the window (0)", () => app.fit()),
    button("+", "larger", () => app.zoom(1.25)), app.lesson.ask, app.lesson.large, partials(app), languages(app), links(app), button("◐", "light or dark", turnLight), fold, button("?", "keys", () => help.showModal()));
}

/** The other language; the page begins again where it is. @param {any} app */
function languages(app) {
  const other = spoken() === "zh" ? "en" : "zh";
  const turn = () => {
    location.hash = hashOf(app, { language: other });
    location.reload();
  };
  return h("button", { id: "language", title: `${word("language")}: English, 中文`, lang: other, onclick: turn }, other === "zh" ? "中文" : "English");
}

/** Gradients by their names in the book, or by what they are of. @param {any} app */
function partials(app) {
  const turn = () => {
    app.page.isPartial = !app.page.isPartial;
    button.setAttribute("aria-pressed", String(app.page.isPartial));
    app.goStep(app.step, false);
    app.chooseAgain();
  };
  const button = h("button", { id: "partial", title: word("gradients as ∂L/∂x"), "aria-pressed": "false", onclick: turn }, "∂");
  return button;
}

/** @param {any} app */
function links(app) {
  const copy = () => link(app).then((isCopied) => app.say(isCopied ? word("the link is copied") : location.href));
  return h("button", { id: "link", title: word("a link to this step"), onclick: copy }, word("link"));
}

/** @param {any} app */
function examples(app) {
  const { examples } = app.recordings[0];
  if (examples.length < 2) return null;
  const choose = () => {
    app.recordings.forEach((r) => (r.example = Number(select.value)));
    app.redraw();
  };
  const select = h("select", { id: "example", "aria-label": word("example of the batch"), onchange: choose },
    h("option", { value: -1 }, word("whole batch")), examples.map((name, i) => h("option", { value: i }, /^\d+$/.test(name) ? `${word("example")} ${name}` : name)));
  return select;
}

/** @param {any} app */
export function steps(app) {
  return h("div", { id: "steps" }, positions(app),
    h("div", { id: "walk" },
      button("|◀", "to the beginning (Home)", () => app.goStep(0)), button("◀", "one step back (←)", () => app.goStep(app.step - 1)),
      app.slider, button("▶", "one step on (→)", () => app.goStep(app.step + 1)), button("▶|", "to the end (End)", () => app.goEnd()), app.playing.button, app.playing.choice),
    h("div", { id: "told" }, app.caption, app.sentence, app.answer));
}

/** Through a training: each of its networks that were kept. @param {any} app */
function positions(app) {
  const names = app.page.positions;
  if (!names) return null;
  const told = h("output", { id: "position" }, names[app.position]);
  const go = () => {
    app.goPosition(Number(slider.value));
    told.textContent = names[app.position];
    slider.setAttribute("aria-valuetext", told.textContent);
  };
  const slider = h("input", { id: "checkpoint", type: "range", min: 0, max: names.length - 1, value: app.position, "aria-label": word("checkpoint"), "aria-valuetext": told.textContent, oninput: go });
  return h("p", { id: "through" }, slider, told);
}

/** @param {any[]} recordings */
export function legend(recordings) {
  const met = KINDS.filter(([, , isIn]) => recordings.some(isIn));
  return h("p", { id: "legend" }, met.map(([kind, words]) => h("span", { class: `key ${kind}` }, word(words))));
}

function keys() {
  const help = h("dialog", { "aria-label": word("keys") }, h("header", {}, h("h2", {}, word("Keys")), h("button", { onclick: () => help.close(), "aria-label": word("close") }, "✕")),
    h("table", {}, h("tbody", {}, KEYS.map(([key, what]) => h("tr", {}, h("th", { scope: "row" }, word(key)), h("td", {}, word(what)))))));
  document.body.append(help);
  return help;
}
