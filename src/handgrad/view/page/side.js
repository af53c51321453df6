// The panel beside the picture: it folds away, and its width can be dragged.

import { h } from "./dom.js";
import { word } from "./words.js";

const LEAST = 220;
const STEP = 24; // pixels that an arrow key moves its border

/** @param {HTMLElement} panel */
export function foldable(panel) {
  const root = document.documentElement;
  const narrow = matchMedia("(max-width: 900px)");
  const width = () => panel.getBoundingClientRect().width;
  const border = h("div", { id: "border", role: "separator", tabindex: 0, "aria-orientation": "vertical", "aria-label": word("width of the details") });
  const widen = (/** @type {number} */ to) => {
    const most = Math.max(window.innerWidth - LEAST, LEAST);
    const pixels = Math.round(Math.min(Math.max(to, LEAST), most));
    root.style.setProperty("--panel", `${pixels}px`);
    border.setAttribute("aria-valuenow", String(pixels));
  };
  border.addEventListener("pointerdown", (event) => border.setPointerCapture(event.pointerId));
  border.addEventListener("pointermove", (event) => event.buttons && border.hasPointerCapture(event.pointerId) && widen(window.innerWidth - event.clientX));
  border.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    widen(width() + by);
  });
  border.setAttribute("aria-valuenow", "340");
  border.setAttribute("aria-valuemin", String(LEAST));
  border.setAttribute("aria-valuemax", "2000");
  const button = h("button", { id: "fold", title: word("the details, shown or not (d)"), onclick: () => fold(!root.classList.contains("folded")) }, word("details"));
  let isFolded = false; // where there is room for it
  const show = (/** @type {boolean} */ is) => {
    root.classList.toggle("folded", !is);
    button.setAttribute("aria-expanded", String(is));
  };
  const fold = (/** @type {boolean} */ is) => {
    isFolded = is;
    show(!is);
  };
  narrow.onchange = () => show(!narrow.matches && !isFolded);
  show(!narrow.matches);
  return { border, button, fold, turn: () => button.click() };
}
