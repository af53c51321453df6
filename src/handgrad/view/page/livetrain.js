// Above the picture: a training that plays, with its curves and pictures, and a second one beside it.

import { h } from "./dom.js";
import { Confusion, Curves, Line, Surface, Text, Weights } from "./livecharts.js";
import { Examples, permutation } from "./livedata.js";
import { Run } from "./liverun.js";
import { figure, short } from "./figures.js";
import { word } from "./words.js";

const SPEEDS = [["1 step a second", 1], ["10 steps a second", 10], ["100 steps a second", 100], ["as fast as it goes", Infinity]];
const BUSY = 12; // milliseconds of a frame in which steps are made
const DRAWN = 120; // milliseconds between pictures, and times what drawing takes
const MEASURED = 1000; // examples on which is measured where none are held out

export class Trainer {
  /** @param {any} live @param {Run} run */
  constructor(live, run) {
    /** @type {any} */
    this.app = null;
    this.live = live;
    /** @type {Run[]} */
    this.runs = [run];
    this.shown = 0; // the run whose network the graph has
    const { told, data } = run;
    this.told = told;
    this.isPlaying = false;
    this.drawnAt = 0;
    this.owed = 0;
    this.last = 0;
    this.curves = [new Curves(word("loss, of each mini-batch"), ({ loss }) => loss, false), ...(told.metrics ? [new Curves(word("accuracy, of each mini-batch"), ({ right }) => right, true)] : [])];
    this.pictures = told.pictures.map((/** @type {any} */ picture) => ({
      surface: () => new Surface(picture, data, Boolean(told.metrics)), curve: () => new Line(picture, data),
      weights: () => new Weights(picture), text: () => new Text(told.classes, data), confusion: () => new Confusion(told.classes, data.isHeldOut),
    })[picture.kind]());
    this.play = h("button", { id: "train", onclick: () => this.toggle() }, `▶ ${word("train")}`);
    this.speed = h("select", { "aria-label": word("speed") }, SPEEDS.map(([words], i) => h("option", { value: i, selected: i === 3 }, word(String(words)))));
    this.state = h("p", { id: "trained", class: "numbers" });
    this.rows = h("div", { id: "runs" });
    this.second = h("button", { onclick: () => this.beside() }, word("a second run beside"));
    this.element = h("section", { id: "training", "aria-label": word("training") },
      h("div", { class: "row" }, this.play, h("button", { id: "one", onclick: () => this.one() }, word("one step")), this.speed,
        h("button", { id: "again", onclick: () => this.again() }, word("back to the start")), this.second,
        h("button", { id: "less", "aria-expanded": "true", onclick: () => this.fold() }, word("pictures")), this.state),
      this.rows,
      h("div", { class: "pictures" }, this.curves.map(({ element }) => element), this.pictures.map(({ element }) => element)));
    this.element.trainer = this; // for who looks at the page from outside
    this.notice = dataNotice(told, data);
    this.drawRows();
  }

  /** @param {any} app */
  attached(app) {
    this.app = app;
    return this.element;
  }

  /** @param {any} live @param {any} page */
  static async of(live, page) {
    const told = page.training;
    return new Trainer(live, await Run.of(page, told, dataOf(page, told), "first"));
  }

  // What can be done.

  toggle() {
    this.isPlaying = !this.isPlaying;
    this.play.textContent = this.isPlaying ? `❚❚ ${word("pause")}` : `▶ ${word("train")}`;
    this.last = performance.now();
    this.owed = 0;
    if (this.isPlaying) requestAnimationFrame((now) => this.frame(now));
    else this.draw(true);
  }

  /** Steps for as long as a frame lasts, then what is to be seen. @param {number} now */
  frame(now) {
    if (!this.isPlaying) return;
    const [, rate] = SPEEDS[Number(this.speed.value)];
    this.owed = rate === Infinity ? Infinity : Math.min(this.owed + (Number(rate) * (now - this.last)) / 1000, 2 * Number(rate));
    this.last = now;
    const until = performance.now() + BUSY;
    let some = true;
    while (some && this.owed >= 1 && performance.now() < until) {
      some = this.runs.map((run) => run.advance()).some(Boolean);
      this.owed--;
    }
    if (!some) return this.toggle();
    const began = performance.now();
    if (began - this.drawnAt > DRAWN) {
      this.draw(false);
      this.drawnAt = performance.now() + 2 * (performance.now() - began);
    }
    requestAnimationFrame((then) => this.frame(then));
  }

  /** So many steps at once, and then what is to be seen. */
  one(count = 1) {
    if (this.isPlaying) this.toggle();
    for (let i = 0; i < count; i++) this.runs.forEach((run) => run.advance());
    this.draw(true);
  }

  again() {
    if (this.isPlaying) this.toggle();
    this.runs.forEach((run) => run.toStart());
    this.draw(true);
  }

  async beside() {
    if (this.runs.length > 1) {
      this.runs.pop();
      this.shown = 0;
      this.second.textContent = word("a second run beside");
    } else {
      const [{ page, data }] = this.runs;
      const run = await Run.of(page, this.told, data, "second");
      run.begin(this.told.seed + 1);
      this.runs.push(run);
      this.second.textContent = word("only one run");
    }
    this.drawRows();
    this.draw(true);
  }

  fold() {
    const is = this.element.classList.toggle("closed");
    this.element.querySelector("#less").setAttribute("aria-expanded", String(!is));
  }

  // What is to be seen.

  /** The settings of each run. */
  drawRows() {
    this.rows.replaceChildren(...this.runs.map((run, i) => this.row(run, i)), this.notice);
  }

  /** @param {Run} run @param {number} i */
  row(run, i) {
    const why = h("p", { class: "why", "aria-live": "polite" });
    const rate = h("input", { type: "number", step: "any", min: 0, value: run.rate ?? Number(run.lr.toPrecision(4)), "aria-label": `${word("learning rate")}, ${word(`${run.name} run`)}`,
      onchange: () => {
        const value = Number(rate.value);
        run.rate = rate.value !== "" && Number.isFinite(value) ? value : null;
        rate.value = run.rate ?? Number(run.lr.toPrecision(4));
      } });
    const seed = h("input", { type: "number", step: 1, min: 0, value: run.seed, "aria-label": `${word("seed")}, ${word(`${run.name} run`)}`,
      onchange: () => {
        const value = Math.trunc(Number(seed.value));
        seed.value = value >= 0 && value < 2 ** 32 ? value : run.seed;
        run.begin(Number(seed.value));
        this.draw(true);
      } });
    const told = this.told.mistakes;
    const explained = () => {
      why.textContent = run.mistake < 0 ? "" : `${word("the checker")}: ${told[run.mistake][1]}`;
    };
    const mistake = h("select", { "aria-label": `${word("mistake")}, ${word(`${run.name} run`)}`, onchange: () => {
      run.plant(Number(mistake.value));
      explained();
    } }, h("option", { value: -1 }, word("no mistake in a backward")), told.map(([words], k) => h("option", { value: k, selected: k === run.mistake }, words)));
    const show = h("input", { type: "radio", name: "shown", checked: i === this.shown, "aria-label": `show the ${run.name} run in the pictures`, onchange: () => {
      this.shown = i;
      this.draw(true);
    } });
    explained();
    return h("div", { class: "run-row" }, h("span", { class: `key-run run${i}` }), this.runs.length > 1 ? show : null, h("span", {}, this.told.optimiser.replace(/\(.*/s, "")),
      h("label", {}, `${word("learning rate")} `, rate), h("label", {}, `${word("seed")} `, seed), told.length ? mistake : null, h("span", { class: "numbers", id: `said${i}` }), why);
  }

  /** @param {boolean} isWhole whether the graph is laid out anew too */
  draw(isWhole) {
    this.curves.forEach((curve) => curve.draw(this.runs));
    const run = this.runs[Math.min(this.shown, this.runs.length - 1)];
    if (!this.element.classList.contains("closed")) this.pictures.forEach((picture) => picture.draw(run));
    this.runs.forEach((each, i) => {
      const place = this.rows.querySelector(`#said${i}`);
      const { last } = each;
      if (place) place.textContent = each.failed || (last ? `${word("loss")} ${short(last.loss)}` : "");
    });
    const { step, batches } = run;
    this.state.textContent = `${word("step")} ${step.toLocaleString("en")}, ${word("epoch")} ${figure(step / batches, 3)}`;
    this.take(run);
    this.app.live.fill();
    this.app.renew(isWhole);
    if (isWhole) this.app.pictures.forEach((/** @type {any} */ picture) => picture.fit(1));
  }

  /** Give the run what was changed in the graph. */
  give() {
    const own = new Map(this.live.inputs.map((/** @type {any} */ input) => [input.own, input]));
    for (const { kind, name, numbers } of this.runs[Math.min(this.shown, this.runs.length - 1)].carried)
      if (kind === 0 && own.has(name)) numbers.set(this.live.numbersOf(own.get(name)));
  }

  /** Give the graph the run's network. @param {Run} run */
  take(run) {
    const { live } = this;
    const carried = new Map(run.carried.filter(({ kind }) => kind < 2).map(({ name, numbers }) => [name, numbers]));
    for (const input of live.inputs) if (carried.has(input.own)) live.numbersOf(input).set(carried.get(input.own));
    live.run();
  }
}

/** @param {any} page @param {any} told */
function dataOf(page, told) {
  const [x, t] = [new Examples(page, told.x), new Examples(page, told.t)];
  const held = told.held && { x: new Examples(page, told.held[0]), t: new Examples(page, told.held[1]) };
  const measured = held ?? { x, t };
  const order = permutation(measured.x.count, 0, 0).slice(0, MEASURED);
  return { x, t, shown: { x, t }, isHeldOut: Boolean(held), measured: { ...measured, order, classes: told.predict.outputs[0][2] / told.predict.count } };
}

/** What of the data is in the page. @param {any} told @param {any} data */
function dataNotice(told, data) {
  const words = [data.x.count < told.whole && `trained on ${data.x.count.toLocaleString("en")} of ${told.whole.toLocaleString("en")} examples, drawn at random to go into the page`,
    told.mistakes.length && word("a seed other than the trainer's own draws its weights in the page, with the same spread")];
  return h("p", { class: "muted" }, words.filter(Boolean).join("; "));
}
