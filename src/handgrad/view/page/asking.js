// Asking a number where it comes from: what it was made of lights up, and the sum is written beside it.

import { h } from "./dom.js";
import { gradKey, originOf, useKey } from "./origins.js";

/** What an element is marked by whose cells can be asked. @param {any} recording @param {string} key */
export const askedBy = (recording, key) => `${recording.number} ${key}`;

/** Cells can be asked by pointer, by focus and by a tap. @param {any[]} recordings */
export function followAsking(recordings) {
  const told = h("div", { id: "asked", role: "status" });
  document.body.append(told);
  /** @type {Element | null} */
  let asked = null;
  const letGo = () => {
    asked = null;
    told.replaceChildren();
    for (const element of document.querySelectorAll(".asked, .part")) element.classList.remove("asked", "part");
  };
  const ask = (/** @type {Event} */ { target }) => {
    const cell = target instanceof Element ? target.closest("[data-ask] [data-i]") : null;
    if (!cell || cell === asked) return;
    letGo();
    const [number, ...key] = cell.closest("[data-ask]").getAttribute("data-ask").split(" ");
    const recording = recordings[Number(number)];
    const origin = originOf(recording, key.join(" "), Number(cell.getAttribute("data-i")));
    asked = cell;
    light(recording, [[key.join(" "), Number(cell.getAttribute("data-i"))]], "asked");
    light(recording, origin.parts, "part");
    told.replaceChildren(...(origin.letters ? [h("p", { class: "muted" }, origin.letters)] : []), ...origin.lines.map((line) => h("p", {}, line)));
    place(told, cell.getBoundingClientRect());
  };
  const leave = (/** @type {Event} */ event) => {
    const isTouch = event instanceof PointerEvent && event.pointerType === "touch";
    if (asked && !isTouch && event.target instanceof Element && asked.contains(event.target)) letGo();
  };
  document.addEventListener("pointerover", ask);
  document.addEventListener("focusin", ask);
  document.addEventListener("pointerout", leave);
  document.addEventListener("focusout", leave);
  document.addEventListener("pointerdown", (event) => !(event.target instanceof Element && event.target.closest("[data-ask] [data-i]")) && letGo());
  document.addEventListener("keydown", ({ key }) => key === "Escape" && letGo());
}

/** Mark cells wherever they are shown. @param {any} recording @param {[string, number][]} parts @param {string} mark */
function light(recording, parts, mark) {
  for (const [key, i] of parts)
    for (const same of sameAs(recording, key))
      for (const cell of document.querySelectorAll(`[data-ask="${askedBy(recording, same)}"] [data-i="${i}"]`)) cell.classList.add(mark);
}

/** A gradient that comes back is a part of an array's, or all of it. @param {any} recording @param {string} key */
function sameAs(recording, key) {
  const [kind, at] = key.split(" ");
  if (kind === "g") return [key, ...recording.arrays[at].uses.filter((/** @type {any} */ use) => use.dx >= 0).map(useKey)];
  if (kind === "v" || kind === "b") return [key];
  const [op, slot] = at.split(".");
  const array = recording.arrays[recording.ops[op].inputs[slot].array];
  return array.uses.length === 1 && !array.isOutput ? [key, gradKey(array.id)] : [key];
}

/** Below a cell, or above it where there is no room. @param {HTMLElement} told @param {DOMRect} cell */
function place(told, { left, top, bottom }) {
  const { width, height } = told.getBoundingClientRect();
  told.style.left = `${Math.max(Math.min(left, window.innerWidth - width - 8), 8)}px`;
  told.style.top = `${bottom + 8 + height < window.innerHeight ? bottom + 8 : Math.max(top - height - 8, 8)}px`;
}
