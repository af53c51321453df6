// Steps that go on by themselves, and what moves along the edges: values forward, gradients back.

import { h, s } from "./dom.js";
import { word } from "./words.js";

const PAUSE = 1600; // milliseconds between steps
const MOVE = 700; // and of a move along an edge
const SPEEDS = [0.5, 1, 2, 4];
const stands = matchMedia("(prefers-reduced-motion: reduce)");

export class Playing {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.timer = 0;
    this.speed = 1;
    this.button = h("button", { id: "play", title: word("play, pause (p)"), "aria-pressed": "false", onclick: () => this.turn() }, word("play"));
    this.choice = h("select", { id: "speed", "aria-label": word("speed"), onchange: () => (this.speed = Number(this.choice.value)) },
      SPEEDS.map((speed) => h("option", { value: speed, selected: speed === 1 }, `× ${speed}`)));
  }

  get isOn() {
    return this.timer !== 0;
  }

  turn(on = !this.isOn) {
    clearTimeout(this.timer);
    this.timer = 0;
    this.button.textContent = word(on ? "pause" : "play");
    this.button.setAttribute("aria-pressed", String(on));
    if (!on) return;
    if (this.app.step >= this.app.steps().length - 1) this.app.goStep(0);
    this.later();
  }

  later() {
    this.timer = setTimeout(() => {
      this.app.goStep(this.app.step + 1);
      if (this.app.step >= this.app.steps().length - 1) this.turn(false);
      else this.later();
    }, PAUSE / this.speed);
  }
}

/**
 * A dot for each number on its way: along the edges into a node, or from it back.
 * @param {any} picture @param {any} now @param {any} node
 */
export function move(picture, now, node) {
  for (const dot of picture.scene.querySelectorAll(".moving")) dot.remove();
  if (!node || stands.matches) return;
  const isBack = now.phase === "backward";
  const into = picture.edges.filter((/** @type {any} */ edge) => edge.to.id === node.id && (!isBack || edge.said.some((/** @type {any} */ { kind }) => kind === "grad")));
  const dots = into.map((/** @type {any} */ edge) => {
    const path = picture.elements.get(edge.id)[0].querySelector(".shaft");
    const dot = s("circle", { class: `moving ${isBack ? "grad" : "value"}`, r: 5.5 });
    picture.scene.append(dot);
    return { dot, path, length: path.getTotalLength() };
  });
  if (!dots.length) return;
  const began = performance.now();
  const frame = (/** @type {number} */ at) => {
    const share = Math.min(Math.max((at - began) / MOVE, 0), 1);
    const eased = share * share * (3 - 2 * share);
    for (const { dot, path, length } of dots) {
      const { x, y } = path.getPointAtLength(length * (isBack ? 1 - eased : eased));
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
    }
    if (share < 1 && dots[0].dot.isConnected) requestAnimationFrame(frame);
    else dots.forEach(({ dot }) => dot.remove());
  };
  frame(began);
}
