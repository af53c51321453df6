// A page for a class: full screen and large letters, and answers that are hidden until they are asked for.

import { h } from "./dom.js";
import { word } from "./words.js";

const LARGE = 2; // how much larger all is drawn

export class Lesson {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.isOn = false;
    this.hides = false;
    this.isTold = true;
    this.ask = h("button", { id: "ask", "aria-pressed": "false", title: word("hide the answers until asked for (a)"), onclick: () => this.turnAnswers() }, word("answers"));
    this.large = h("button", { id: "lesson", "aria-pressed": "false", title: word("for a class: full screen, large letters (f)"), onclick: () => this.turn() }, word("class"));
    document.addEventListener("fullscreenchange", () => !document.fullscreenElement && this.isOn && this.turn(false));
  }

  /** How large all is drawn, where it is to be read. */
  get scale() {
    return this.isOn ? LARGE : 1;
  }

  turn(on = !this.isOn, isAsked = true) {
    this.isOn = on;
    document.documentElement.classList.toggle("lesson", on);
    this.large.setAttribute("aria-pressed", String(on));
    if (isAsked && on) document.documentElement.requestFullscreen?.().catch(() => {});
    if (!on && document.fullscreenElement) document.exitFullscreen();
    this.app.layOut();
    this.app.pictures.forEach((/** @type {any} */ picture) => picture.fit(this.scale));
    this.app.goStep(this.app.step);
  }

  /** Hide answers, or no longer; where they are hidden, tell this one. */
  turnAnswers(hides = !this.hides) {
    this.hides = hides;
    this.ask.setAttribute("aria-pressed", String(hides));
    this.isTold = true;
    this.show();
  }

  tell() {
    if (!this.hides) return this.turnAnswers(true);
    this.isTold = true;
    this.show();
    return undefined;
  }

  /** At a new step its answer is hidden. */
  step() {
    this.isTold = !this.hides || !this.app.now().node;
    this.show();
  }

  show() {
    const { app } = this;
    const { node, phase } = app.now();
    document.documentElement.classList.toggle("asking", !this.isTold);
    for (const element of document.querySelectorAll(".secret")) element.classList.remove("secret");
    app.answer.hidden = this.isTold;
    if (this.isTold || !node) return;
    const [picture] = app.pictures;
    for (const edge of picture.edges) {
      const isOurs = phase === "forward" ? edge.from.id === node.id : edge.to.id === node.id;
      if (isOurs) picture.mark(edge.id, "secret", true);
    }
  }
}
