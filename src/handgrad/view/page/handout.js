// For paper: a row for each step, with what it does and its numbers.

import { h } from "./dom.js";
import { word } from "./words.js";

const MOST = 300; // steps

/** @param {any} app */
export function handout(app) {
  const rows = app.steps().slice(1, MOST + 1).map((/** @type {any} */ step, /** @type {number} */ i) => {
    const back = step.phase === "backward";
    return h("tr", {}, h("td", {}, i + 1), h("th", { scope: "row", class: back ? "grad" : "value" }, app.recordings[0].nameOf(step.node)),
      h("td", {}, app.sentenceOf(step)), h("td", { class: "numbers" }, app.sayStep(step.node, back)));
  });
  return h("table", { id: "handout" }, h("caption", {}, word("Steps")), h("tbody", {}, rows));
}
