// Below the picture: the numbers of an input, to be typed, dragged, nudged or painted; and the step that follows.

import { h } from "./dom.js";
import { isBig } from "./livemodule.js";
import { figure, placeOf, short } from "./figures.js";
import { sizeOf } from "./livewords.js";
import { word } from "./words.js";

const FEW = 64; // numbers that stand side by side, and below
const ACROSS = 8; // so many in a row
const DRAGGED = 4; // pixels for each step of a number that is dragged
const CANVAS = 140; // pixels of a side that is painted on

/** @param {number} value */
const plus = (value) => (value > 0 ? "+" : "") + short(value, 4);

export class Editor {
  /** @param {any} app @param {any} live */
  constructor(app, live) {
    this.app = app;
    this.live = live;
    this.at = 0;
    /** @type {any} */
    this.input = null;
    /** @type {any[]} */
    this.cells = [];
    this.frame = 0;
    /** @type {any} the training that the network is from, if there is one */
    this.trainer = null;
    /** @type {any} what was there before the number moved */
    this.before = null;
    this.name = h("select", { "aria-label": word("what to change"), onchange: () => this.show(live.inputs[Number(this.name.value)]) },
      live.inputs.map((/** @type {any} */ input, /** @type {number} */ i) => input.name && h("option", { value: i }, input.name)));
    this.fields = h("span", { class: "fields" });
    this.step = h("input", { type: "number", value: 0.01, step: "any", min: 0, "aria-label": word("h, how far a nudge goes") });
    this.effect = h("p", { id: "effect", "aria-live": "polite" });
    this.rate = h("input", { type: "number", value: 0.1, step: "any", "aria-label": `${word("learning rate")} η` });
    this.element = h("section", { id: "live", "aria-label": word("change a number") },
      h("div", { class: "row" }, this.name, this.fields,
        h("span", { class: "group" }, this.button("−h", word("less by h"), () => this.nudge(-1)), this.button("+h", word("more by h"), () => this.nudge(1)), h("label", {}, "h ", this.step)),
        h("span", { class: "group" }, this.button("w ← w − η·dw", word("a step against the gradient"), () => this.update()), h("label", {}, "η ", this.rate),
          this.button(word("back to the start"), word("every number as it was"), () => this.toStart()))),
      this.effect);
    const [first] = live.inputs.filter((/** @type {any} */ input) => input.name && live.gradientOf(input));
    this.show(first ?? live.inputs[0]);
  }

  /** @param {string} words @param {string} title @param {() => void} onclick */
  button(words, title, onclick) {
    return h("button", { title, onclick }, words);
  }

  /** The fields of what was chosen in the picture, if it can be changed. @param {any} node */
  choose(node) {
    if (!["leaf", "sink", "reference"].includes(node.kind)) return;
    const input = this.live.inputs.find((/** @type {any} */ each) => each.array === node.of.id);
    if (input && input !== this.input) this.show(input);
  }

  /** @param {any} input */
  show(input) {
    if (!input) return;
    this.input = input;
    this.name.value = this.live.inputs.indexOf(input);
    this.at = 0;
    const size = sizeOf(input.shape);
    const side = this.sideOf(input);
    this.cells = [];
    const columns = input.shape.length > 1 ? input.shape.at(-1) : Math.min(size, ACROSS);
    const grid = size <= FEW && columns <= ACROSS ? h("span", { class: "grid", style: `grid-template-columns:repeat(${columns}, auto)` },
      Array.from({ length: size }, (_, i) => this.field(i))) : this.oneOfMany(size);
    this.fields.replaceChildren(...[grid, side ? this.canvas(input, side) : null].filter(Boolean));
    this.fill();
  }

  /** One number of many, and where it stands. @param {number} size */
  oneOfMany(size) {
    const { shape } = this.input;
    const places = shape.map((/** @type {number} */ n, /** @type {number} */ axis) => h("input", { type: "number", class: "index", min: 0, max: n - 1, value: 0, "aria-label": `axis ${axis}`,
      onchange: () => {
        const index = places.reduce((sum, place, i) => sum * shape[i] + Math.min(Math.max(Math.trunc(Number(place.value)) || 0, 0), shape[i] - 1), 0);
        this.goto(Math.min(index, size - 1));
      } }));
    this.places = places;
    return h("span", { class: "group" }, "[", places, "] = ", this.field(-1));
  }

  /** Show the number at a place. @param {number} index */
  goto(index) {
    this.at = index;
    placeOf(index, this.input.shape).forEach((at, i) => (this.places[i].value = at));
    this.fill();
  }

  /** A number that can be typed, or dragged up and down. @param {number} place -1: the one that is chosen */
  field(place) {
    const at = () => (place < 0 ? this.at : place);
    const cell = h("input", { type: "text", inputmode: "decimal", class: "cell", "aria-label": `${this.input.name}${this.input.shape.length ? ` ${place < 0 ? "number" : placeOf(place, this.input.shape).join(", ")}` : ""}`,
      onfocus: () => (this.at = at()),
      onchange: () => {
        const value = Number(cell.value.replaceAll("−", "-").replaceAll(",", ""));
        if (cell.value.trim() === "" || Number.isNaN(value)) return this.fill(`${cell.value || "nothing"} is no number`);
        this.change(at(), value, true);
      } });
    let from = { y: 0, value: 0, moved: false };
    cell.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      this.at = at();
      from = { y: event.clientY, value: this.value(at()), moved: false };
      cell.setPointerCapture(event.pointerId);
    });
    cell.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      if (!event.buttons || !cell.hasPointerCapture(event.pointerId)) return;
      const steps = Math.trunc((from.y - event.clientY) / DRAGGED);
      if (!steps && !from.moved) return;
      from.moved = true;
      this.hold(at());
      this.change(at(), rounded(from.value + steps * this.unit(from.value)), false);
    });
    cell.addEventListener("pointerup", () => {
      if (!from.moved) return;
      this.before = null;
      this.app.renew(true);
    });
    cell.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      this.change(at(), rounded(this.value(at()) + by * this.unit(this.value(at()))), true);
    });
    this.cells.push({ cell, at });
    return cell;
  }

  /** How far a number moves at once. @param {number} value */
  unit(value) {
    if (isBig(this.live.numbersOf(this.input)) || this.input.kind.startsWith("i")) return 1;
    const size = Math.abs(value);
    return size > 0 ? 10 ** (Math.floor(Math.log10(size)) - 1) : 0.01;
  }

  value(/** @type {number} */ at) {
    return Number(this.live.numbersOf(this.input)[at]);
  }

  /** Remember what was there, to compare with. @param {number} at */
  hold(at) {
    if (this.before) return;
    const dx = this.live.gradientOf(this.input);
    this.before = { value: this.value(at), objective: this.live.objective(), slope: dx ? Number(dx[at]) : null };
  }

  /** @param {number} at @param {number} to @param {boolean} isDone */
  change(at, to, isDone) {
    const numbers = this.live.numbersOf(this.input);
    const old = numbers[at];
    this.hold(at);
    numbers[at] = isBig(numbers) ? BigInt(Math.round(to)) : to;
    if (!this.live.run()) {
      numbers[at] = old;
      this.live.run();
      this.before = null;
      return this.fill(`${this.input.name} cannot be ${to}: there is no such index`);
    }
    this.tell(this.effectOf(at));
    this.trainer?.give();
    if (isDone) this.before = null;
    this.renew(isDone);
  }

  /** What the gradient said, and what came. @param {number} at */
  effectOf(at) {
    const { value, objective, slope } = this.before;
    const really = this.live.objective() - objective;
    if (slope === null) return `${this.input.name} has no gradient; the output moved by ${plus(really)}`;
    return `${word("predicted by the gradient")}: ${plus(slope * (this.value(at) - value))}, ${word("really")}: ${plus(really)}`;
  }

  /** @param {string} words */
  tell(words) {
    this.effect.textContent = words;
  }

  /** Show all numbers anew: at once, or where more changes come, in the next frame. @param {boolean} isWhole */
  renew(isWhole) {
    if (isWhole) {
      this.fill();
      return this.app.renew(true);
    }
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.fill();
      this.app.renew(false);
    });
  }

  nudge(/** @type {number} */ sign) {
    const by = sign * Number(this.step.value);
    if (!by) return this.tell(word("h is how far a nudge goes: a number that is not 0"));
    const isWhole = isBig(this.live.numbersOf(this.input));
    this.change(this.at, this.value(this.at) + (isWhole ? sign : by), true);
  }

  update() {
    const rate = Number(this.rate.value);
    if (!Number.isFinite(rate) || this.rate.value === "") return this.tell(word("η is a number, how far a step goes"));
    const before = this.live.objective();
    let predicted = 0;
    for (const input of this.live.moved()) for (const d of this.live.gradientOf(input)) predicted -= rate * Number(d) ** 2;
    this.live.update(rate);
    this.trainer?.give();
    this.tell(`w ← w − ${figure(rate)}·dw: ${word("predicted by the gradient")}: ${plus(predicted)}, ${word("really")}: ${plus(this.live.objective() - before)}`);
    this.renew(true);
  }

  toStart() {
    this.live.toStart();
    this.trainer?.give();
    this.tell(word("every number is as it was"));
    this.renew(true);
  }

  /** The numbers as they are now. @param {string} [words] */
  fill(words) {
    for (const { cell, at } of this.cells) cell.value = short(this.value(at()), 5);
    if (words) this.tell(words);
    this.paint?.();
  }

  // Images.

  /** The side of the image that an example is, if it is one: of rows of 64 or 784 numbers too. @param {any} input */
  sideOf({ shape, role, kind }) {
    if (role !== "input" || !kind.startsWith("f") || !this.app.page.live.batch || shape.length < 2) return 0;
    const size = sizeOf(shape.slice(1));
    const side = Math.sqrt(size);
    return Number.isInteger(side) && side >= 5 && side <= 64 ? side : 0;
  }

  /** The chosen example as an image, to be painted on. @param {any} input @param {number} side */
  canvas(input, side) {
    const canvas = h("canvas", { class: "paint", width: side, height: side, role: "img", "aria-label": `${input.name}, to be painted on; with Shift to be wiped`,
      style: `width:${CANVAS}px;height:${CANVAS}px` });
    const size = side * side;
    const numbers = () => this.live.numbersOf(input);
    const high = numbers().reduce((a, b) => Math.max(a, b), 0) || 1;
    const low = Math.min(numbers().reduce((a, b) => Math.min(a, b), 0), 0);
    const from = () => Math.max(this.app.recordings[0].example, 0) * size;
    this.paint = () => {
      const context = canvas.getContext("2d");
      const pixels = context.createImageData(side, side);
      const [first, all] = [from(), numbers()];
      for (let i = 0; i < size; i++) {
        const level = (255 * (all[first + i] - low)) / (high - low);
        pixels.data.set([level, level, level, 255], 4 * i);
      }
      context.putImageData(pixels, 0, 0);
    };
    const brush = (/** @type {PointerEvent} */ event) => {
      const { left, top, width } = canvas.getBoundingClientRect();
      const [c, r] = [((event.clientX - left) / width) * side, ((event.clientY - top) / width) * side];
      this.before ??= { objective: this.live.objective() };
      for (let y = Math.max(Math.floor(r) - 1, 0); y < Math.min(Math.floor(r) + 2, side); y++)
        for (let x = Math.max(Math.floor(c) - 1, 0); x < Math.min(Math.floor(c) + 2, side); x++) {
          const near = Math.max(0, 1.3 - Math.hypot(x + 0.5 - c, y + 0.5 - r));
          const at = from() + y * side + x;
          const value = numbers()[at];
          numbers()[at] = event.shiftKey ? Math.max(low, value - near * (high - low)) : Math.min(high, value + near * (high - low));
        }
      this.live.run();
      this.tell(`${word("the output moved by")} ${plus(this.live.objective() - this.before.objective)}`);
      this.renew(false);
    };
    canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      canvas.setPointerCapture(event.pointerId);
      brush(event);
    });
    canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => event.buttons && canvas.hasPointerCapture(event.pointerId) && brush(event));
    canvas.addEventListener("pointerup", () => {
      this.before = null;
      this.renew(true);
    });
    return canvas;
  }
}

/** Without the digits that steps leave behind. @param {number} value */
const rounded = (value) => Number(value.toPrecision(12));
