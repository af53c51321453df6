// The strip: a bar for each layer, as long as its gradient's norm, on a logarithmic scale.

import { h } from "./dom.js";
import { word } from "./words.js";

export class Strip {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.element = h("div", { id: "strip", role: "group", "aria-label": word("norm of the gradient by layer") });
  }

  draw() {
    const { app } = this;
    const [recording] = app.recordings;
    const norms = recording.strip.map(([, , , norm]) => norm).filter((norm) => norm > 0);
    const high = Math.log10(Math.max(...norms, 1e-300));
    const low = Math.min(Math.log10(Math.min(...norms, 1e300)), high - 2);
    const bars = recording.strip.map(([name, box, op, norm, text]) => {
      const share = norm === null ? 1 : norm > 0 ? 0.12 + (0.88 * (Math.log10(norm) - low)) / (high - low) : 0;
      const go = () => (box >= 0 ? app.gotoBox(recording, recording.boxes[box]) : app.goto(recording, op));
      const kind = norm === null ? "bar endless" : norm > 0 ? "bar" : "bar none";
      const bar = h("button", { class: kind, onclick: go }, h("span", { style: `height:${(share * 100).toFixed(1)}%` }));
      return Object.assign(bar, { of: { name, text, out: recording.ops[op].outputs[0] } });
    });
    this.element.replaceChildren(h("span", { class: "muted" }, word("‖gradient‖ by layer")), h("div", { class: "bars" }, bars));
  }

  /** The gradients that have not come back yet are not told. */
  show() {
    const [recording] = this.app.recordings;
    for (const bar of this.element.querySelectorAll(".bar")) {
      const { name, text, out } = bar.of;
      const isKnown = recording.isKnown(recording.arrays[out], recording.now);
      const words = isKnown ? `${name}: norm of the gradient ${text}` : name;
      bar.classList.toggle("unanswered", !isKnown);
      bar.setAttribute("title", words);
      bar.setAttribute("aria-label", words);
    }
  }
}
