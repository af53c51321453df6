// The page as a whole: recordings side by side, their steps, what is chosen and what is open.

import { asked, openNamed, speakAsAsked } from "./address.js";
import { followAsking } from "./asking.js";
import { bar, legend, steps } from "./bar.js";
import { Lesson } from "./lesson.js";
import { move, Playing } from "./playing.js";
import { spoken, word } from "./words.js";
import { h } from "./dom.js";
import { Recording } from "./model.js";
import { Panel, told } from "./panel.js";
import { equationOf, Picture } from "./picture.js";
import { followPrinting } from "./printing.js";
import { foldable } from "./side.js";
import { Strip } from "./strip.js";
import { Table } from "./table.js";

const MOST_OPEN = 400; // rules that are drawn at once

export class App {
  /** @param {any} page @param {(app: any) => any} [extended] gives what a page that computes has more */
  constructor(page, extended) {
    this.page = page;
    const wanted = asked();
    speakAsAsked(page);
    document.documentElement.classList.toggle("embedded", wanted.isEmbedded);
    this.position = page.positions ? page.positions.length - 1 : 0;
    const shown = page.positions ? [page.graphs[this.position]] : page.graphs;
    this.recordings = shown.map((description) => new Recording(page, description));
    this.live = extended?.(this);
    this.pictures = this.recordings.map((recording) => new Picture(recording, {
      choose: (node) => this.choose(recording, node),
      chooseArray: (edge) => this.chooseArray(recording, edge),
      toggle: (box) => this.toggle(box, recording),
      letGo: () => this.letGo(),
    }));
    this.recordings.slice(1).forEach((r) => (r.partners = new Map(Object.entries(page.matched).map(([a, b]) => [b, a]))));
    this.panel = new Panel(this);
    this.table = new Table();
    this.strip = new Strip(this);
    this.side = foldable(this.panel.element);
    this.lesson = new Lesson(this);
    this.playing = new Playing(this);
    this.caption = h("p", { id: "caption", "aria-live": "polite", tabindex: "0" });
    this.sentence = h("p", { id: "sentence" });
    this.answer = h("p", { id: "answer", hidden: true }, h("b", {}, word("what comes next?")), " ", h("button", { onclick: () => this.lesson.tell() }, word("show the answer (a)")));
    this.slider = h("input", { id: "slider", type: "range", min: 0, value: 0, "aria-label": word("step"), oninput: () => this.goStep(Number(this.slider.value)) });
    /** @type {any} */
    this.help = null;
    this.step = 0;
    /** @type {any} */
    this.chosen = null;
    this.build();
    if (wanted.open !== null) openNamed(this, wanted.open);
    this.pictures.forEach((picture) => picture.draw());
    this.strip.draw();
    this.goEnd();
    this.pictures.forEach((picture) => picture.fit(this.lesson.scale));
    this.chooseFirst();
    this.goAsked(wanted);
    window.addEventListener("hashchange", () => this.goAsked(asked(), true));
    followAsking(this.recordings);
    followPrinting(this);
    this.followSize();
    document.addEventListener("keydown", (event) => this.key(event));
    document.documentElement.dataset.ready = "yes";
  }

  build() {
    const titles = this.recordings.map((r) => r.title);
    const pictures = this.pictures.map((picture, i) => h("div", { class: "canvas" },
      titles.length > 1 ? h("h2", {}, titles[i]) : null, picture.svg));
    const { border, button } = this.side;
    document.body.prepend(bar(this, button),
      h("main", {}, h("div", { id: "pictures", class: titles.length > 1 ? "two" : null }, this.live?.above, pictures, this.live?.element, legend(this.recordings)), border, this.panel.element),
      h("footer", {}, this.strip.element, steps(this)));
  }

  /** Lay out and fit again when there is more room, or less. */
  followSize() {
    const follow = () => {
      if (matchMedia("print").matches) return;
      if (this.pictures.some((picture) => Math.abs(picture.looking.room() / this.lesson.scale - picture.room) > 1)) this.layOut();
      this.pictures.forEach((picture) => picture.fit(this.lesson.scale));
    };
    let sizes = "";
    const observer = new ResizeObserver(() => {
      const now = this.pictures.map(({ looking }) => Object.values(looking.size()).join()).join();
      if (sizes && sizes !== now) follow();
      sizes = now;
    });
    this.pictures.forEach((picture) => observer.observe(picture.svg));
  }

  /** Place all anew, for a room of its own or as much as there is. @param {number} [room] */
  layOut(room) {
    this.pictures.forEach((picture) => picture.draw(room ?? picture.looking.room() / this.lesson.scale));
    this.goStep(this.step, false);
    this.chooseAgain();
  }

  /** A rule to begin with: one that differs between two recordings, else the first, or the last if that alone is in sight. */
  chooseFirst() {
    const [picture] = this.pictures;
    const work = picture.nodes.filter((n) => n.kind === "op" || n.kind === "box");
    const differs = work.find((n) => n.kind === "op" && this.page.differences?.[n.id]);
    const first = differs ?? (picture.isSeen(work[0].id) ? work[0] : work.reduce((a, b) => (a.last > b.last ? a : b)));
    this.choose(this.recordings[0], first, false);
    this.pictures.forEach((each, i) => each.reach(this.partner(this.recordings[0], first.id, i)));
  }

  /** The same computation at another time of the training, at the same step. @param {number} position */
  goPosition(position) {
    const [before] = this.recordings;
    this.position = position;
    const now = new Recording(this.page, this.page.graphs[position]);
    now.boxes.forEach((box, i) => (box.open = before.boxes[i].open));
    now.example = before.example;
    this.recordings[0] = this.pictures[0].recording = now;
    if (this.chosen) this.chosen = { recording: now, node: this.chosen.node };
    this.redraw();
  }

  /** To what the address asks for. @param {any} wanted */
  goAsked(wanted, isNew = false) {
    if (isNew && wanted.open !== null) {
      openNamed(this, wanted.open);
      this.redraw();
    }
    if (wanted.hides) this.lesson.turnAnswers(true);
    if (wanted.step !== null) this.goStep(wanted.step);
    if (wanted.isLesson) this.lesson.turn(true, false);
  }

  // Steps.

  steps() {
    return this.pictures[0].steps;
  }

  now() {
    return this.steps()[this.step];
  }

  goEnd() {
    this.goStep(this.steps().length - 1, false);
  }

  goStep(step, follow = true) {
    const steps = this.steps();
    this.step = Math.min(Math.max(step, 0), steps.length - 1);
    Object.assign(this.slider, { max: steps.length - 1, value: this.step });
    const now = this.now();
    this.pictures.forEach((picture, i) => this.showMoment(picture, i, now));
    this.caption.replaceChildren(...this.captionOf(now));
    this.sentence.textContent = this.sentenceOf(now);
    this.slider.setAttribute("aria-valuetext", this.caption.textContent);
    this.strip.show();
    this.lesson.step();
    if (follow) this.pictures.forEach((picture, i) => i || move(picture, now, now.node));
    if (!follow || !now.node) return this.chosen && this.panel.show(this.chosen.recording, this.chosen.node);
    this.pictures.forEach((picture, i) => picture.reach(this.partner(this.recordings[0], now.node.id, i)));
    this.choose(this.recordings[0], now.node, false);
  }

  // The same moment in another recording: after the rule that is the partner of the one at work.
  showMoment(picture, i, now) {
    const id = now.node && this.partner(this.recordings[0], now.node.id, i);
    const partner = i === 0 ? now.node : picture.nodes.find((n) => n.id === id);
    const at = i === 0 || !partner ? now.at : now.phase === "forward" ? partner.last : partner.first;
    picture.showMoment({ phase: now.phase, at }, partner);
  }

  // What a node of one recording is called in recording i; null where it has no partner there.
  partner(recording, id, i) {
    if (this.recordings[i] === recording) return id;
    const key = recording.keyOf(id);
    return i === 0 ? key : this.page.matched[key] ?? null;
  }

  pictureOf(recording) {
    return this.pictures[this.recordings.indexOf(recording)];
  }

  /** @param {any} step */
  captionOf({ phase, node }) {
    const count = this.steps().filter((step) => step.phase === "forward").length - 1;
    if (!node) return [h("b", {}, word("start")), ` ${word("only inputs and parameters are there")}`];
    const back = phase === "backward";
    const [at_, all] = back ? [this.step - count, this.steps().length - 1 - count] : [this.step, count];
    const at = `${word(phase)} ${at_} ${word("of")} ${all}`;
    return [h("b", { class: back ? "grad" : "value" }, at), ` ${this.recordings[0].nameOf(node)}: `, h("span", { class: "numbers" }, this.sayStep(node, back))];
  }

  /** The plain sentence of a step. @param {any} step */
  sentenceOf({ phase, node }) {
    if (!node) return "";
    const languages = this.recordings[0].sentences[node.of.sentence];
    return languages[spoken() === "zh" ? 1 : 0][phase === "backward" ? 1 : 0];
  }

  sayStep(node, back) {
    const recording = this.recordings[0];
    if (node.kind === "box") return [node.of.size, ...recording.comesOf(node.of, back)].join(": ");
    if (!back) return recording.says(node.of);
    return node.of.inputs.filter((use) => use.dx >= 0).map((use) => {
      const product = recording.productOf(use);
      const name = recording.gradOf(use);
      return product ? equationOf(name, product) : `${name}: ${told(recording.words(recording.summary(use.dx)))}`;
    }).join(";  ");
  }

  // The step of an op, given which boxes are open.
  stepOf(op, phase) {
    return this.steps().findIndex((step) => step.phase === phase && step.node && step.node.first <= op && op <= step.node.last);
  }

  // Choosing.

  choose(recording, node, focus = true) {
    if (!node) return;
    this.chosen = { recording, node };
    this.live?.choose(node);
    this.panel.show(recording, node);
    this.pictures.forEach((picture, i) => picture.showChosen(this.partner(recording, node.id, i)));
    if (focus) this.pictureOf(recording).elements.get(node.id)?.[0].focus({ preventScroll: true });
  }

  chooseArray(recording, edge) {
    this.choose(recording, { id: edge.id, kind: "sink", of: edge.array }, false);
  }

  // What was chosen, as it is drawn now; what a closed box hides gives way to that box.
  chooseAgain() {
    if (!this.chosen) return;
    const { recording, node } = this.chosen;
    const { nodes } = this.pictureOf(recording);
    const around = node.kind === "op" || node.kind === "box" ? nodes.find((n) => n.kind === "box" && n.first <= node.first && node.last <= n.last) : null;
    this.choose(recording, nodes.find((n) => n.id === node.id) ?? around ?? node, false);
  }

  letGo() {
    this.chosen = null;
    this.pictures.forEach((picture) => picture.showChosen(""));
    this.panel.overview(this.recordings[0]);
  }

  goto(recording, op) {
    const { box } = recording.ops[op];
    this.reveal(recording, box);
    this.gotoNode(recording, `o${op}`);
  }

  gotoArray(recording, array) {
    if (array.maker >= 0) return this.goto(recording, array.maker);
    this.reveal(recording, array.box);
    this.gotoNode(recording, `l${array.id}`);
  }

  gotoNode(recording, id) {
    const picture = this.pictureOf(recording);
    picture.find(id);
    this.choose(recording, picture.nodes.find((n) => n.id === id));
  }

  // A box may be open, and is then no node.
  gotoBox(recording, box) {
    this.reveal(recording, box.parent);
    const picture = this.pictureOf(recording);
    const id = `b${box.id}`;
    const node = picture.nodes.find((n) => n.id === id);
    picture.find(node ? id : `g${box.id}`);
    this.choose(recording, node ?? { id, kind: "box", of: box, first: box.ops[0], last: box.ops.at(-1) });
  }

  // Opening and closing.

  toggle(box, recording = this.chosen.recording) {
    const open = !box.open;
    this.setOpen([box], open);
    const picture = this.pictureOf(recording);
    const first = picture.nodes.find((n) => n.first <= box.ops[0] && box.ops[0] <= n.last && n.kind !== "sink");
    picture.reach(first.id);
    this.choose(recording, open ? first : picture.nodes.find((n) => n.id === `b${box.id}`) ?? first);
  }

  // Open or close boxes, by name, in all recordings.
  setOpen(boxes, open) {
    const names = new Set(boxes.map((box) => box.name));
    this.recordings.forEach((r) => r.boxes.filter((b) => names.has(b.name)).forEach((b) => (b.open = open)));
    this.redraw();
  }

  // Open every box around something, so that it is drawn.
  reveal(recording, box) {
    if (recording.closedAround(box)) this.setOpen(recording.above(box), true);
  }

  openAll(open) {
    const [recording] = this.recordings;
    if (open && recording.ops.length > MOST_OPEN) return this.say(`${recording.ops.length.toLocaleString("en")} rules are too many to be drawn at once: open the boxes that matter`);
    this.recordings.forEach((r) => r.boxes.forEach((box) => (box.open = open)));
    this.redraw();
    this.pictures.forEach((picture) => picture.fit(this.lesson.scale));
  }

  say(words) {
    this.caption.replaceChildren(h("b", {}, words));
  }

  // Draw again what is open, at the same moment.
  redraw() {
    const { phase, at } = this.now();
    this.pictures.forEach((picture) => picture.draw(picture.looking.room() / this.lesson.scale));
    this.strip.draw();
    const steps = this.steps();
    const isDone = (step) => (phase === "forward" ? step.phase === "forward" && step.at <= at : step.phase === "forward" || step.at >= at);
    this.step = steps.findLastIndex(isDone);
    this.goStep(this.step, false);
    this.chooseAgain();
  }

  /** Tell numbers anew that have changed, and where they have changed for good, lay out anew. @param {boolean} isWhole */
  renew(isWhole) {
    if (isWhole || !this.pictures.every((picture) => picture.renumber())) return this.redraw();
    this.strip.draw();
    this.goStep(this.step, false);
  }

  zoom(factor) {
    this.pictures.forEach((picture) => picture.looking.zoom(factor));
  }

  fit() {
    this.pictures.forEach((picture) => picture.fit());
  }

  // Keys.

  key(event) {
    if (event.target.matches("input:not([type=range]), select, textarea") || document.querySelector("dialog[open]")) return;
    if (event.target.matches("#checkpoint") && /^(Arrow|Home|End|Page)/.test(event.key)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const pan = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (event.shiftKey && pan) {
      for (const { looking } of this.pictures) looking.look({ ...looking.view, x: looking.view.x + pan[0], y: looking.view.y + pan[1] });
      return event.preventDefault();
    }
    const act = {
      ArrowRight: () => this.goStep(this.step + 1), ArrowLeft: () => this.goStep(this.step - 1), Home: () => this.goStep(0), End: () => this.goStep(Infinity),
      "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8), 0: () => this.fit(), o: () => this.openAll(true), c: () => this.openAll(false),
      PageDown: () => this.goStep(this.step + 1), PageUp: () => this.goStep(this.step - 1), b: () => document.documentElement.classList.toggle("blank"),
      p: () => this.playing.turn(), f: () => this.lesson.turn(), a: () => this.lesson.tell(), d: () => this.side.turn(), "/": () => /** @type {any} */ (document.querySelector("#search")).select(), "?": () => this.help.showModal(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}
