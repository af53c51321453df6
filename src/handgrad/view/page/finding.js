// What can be searched by its name, and found by what is known of it.

import { h } from "./dom.js";
import { word } from "./words.js";

const OFFERED = 30;

/** Whether something was picked from the list, not typed: browsers tell so, or tell nothing of how it came. */
const isPicked = (/** @type {InputEvent} */ { inputType }) => !inputType || inputType === "insertReplacementText";

/** @param {any} app */
export function searchBox(app) {
  const names = new Map();
  const [recording] = app.recordings;
  for (const op of recording.ops) names.set(`${op.id + 1} ${recording.opName(op)}`, () => app.goto(recording, op.id));
  for (const array of recording.arrays) if (array.maker < 0) names.set(array.name, () => app.gotoArray(recording, array));
  for (const box of recording.boxes) names.set(`${box.name} ${box.label}`.trim(), () => app.gotoBox(recording, box));
  const list = h("datalist", { id: "names" });
  const offer = () => {
    const sought = input.value.toLowerCase();
    const found = [...names.keys()].filter((name) => name.toLowerCase().includes(sought)).slice(0, OFFERED);
    list.replaceChildren(...found.map((name) => h("option", { value: name })));
    return found;
  };
  const go = () => {
    const found = offer();
    const name = names.has(input.value) ? input.value : found[0];
    if (name === undefined) return app.say(`nothing is called ${input.value}`);
    names.get(name)();
  };
  const input = h("input", { id: "search", type: "search", list: "names", placeholder: word("search"), "aria-label": word("search by name"),
    oninput: (event) => (isPicked(event) && names.has(input.value) ? go() : offer()), onkeydown: (event) => event.key === "Enter" && go() });
  return h("span", {}, input, list);
}

/** @param {any} app */
export function findMenu(app) {
  const close = () => {
    menu.open = false;
    summary.focus();
  };
  const find = (/** @type {string} */ name) => {
    close();
    FINDINGS[name](app, app.recordings[0]);
  };
  const summary = h("summary", {}, word("find …"));
  const buttons = Object.keys(FINDINGS).map((name) => h("button", { onclick: () => find(name) }, word(name)));
  const leave = ({ target }) => menu.contains(target) || (menu.open = false);
  const menu = h("details", { id: "find", onkeydown: ({ key }) => key === "Escape" && close() }, summary, h("div", {}, buttons));
  document.addEventListener("pointerdown", leave);
  document.addEventListener("focusin", leave);
  return menu;
}

/** Gradients by their largest elements; not that of the loss, which was given. @param {any} recording */
function bySize({ arrays, summaries }) {
  const known = arrays.filter((a) => summaries[a.grad]?.largest && (a.uses.length || !a.isOutput));
  const found = known.map((array) => ({ array, size: summaries[array.grad].largest[0] ?? Infinity, words: summaries[array.grad].largest[1] }));
  return found.sort((a, b) => a.size - b.size);
}

/** @type {Record<string, (app: any, recording: any) => void>} */
const FINDINGS = {
  "largest gradient": (app, recording) => found(app, recording, bySize(recording).at(-1), "the largest element of a gradient, "),
  "smallest gradient": (app, recording) => found(app, recording, bySize(recording)[0], "the gradient whose largest element is smallest, "),
  "first not finite": (app, recording) => {
    const value = recording.arrays.filter((a) => a.maker >= 0).find((a) => !recording.summaries[a.value].isFinite);
    const grad = recording.arrays.filter((a) => a.maker >= 0 && recording.summary(a.grad)?.isFinite === false).at(-1);
    if (!value && !grad) return app.say("all values and gradients are finite");
    app.gotoArray(recording, value ?? grad);
    app.say(`the first ${value ? "value" : "gradient"} that is not finite comes from ${recording.opName(recording.ops[(value ?? grad).maker])}`);
  },
  "dead ReLUs": (app, recording) => {
    const rectifiers = recording.ops.filter((op) => recording.rules[op.rule].name === "relu");
    if (!rectifiers.length) return app.say("there is no relu");
    const worst = rectifiers.reduce((a, b) => (zeros(recording, b) > zeros(recording, a) ? b : a));
    app.goto(recording, worst.id);
    app.say(`the most zeros: ${recording.opName(worst)}, ${+(100 * zeros(recording, worst)).toPrecision(3)} %; ${worst.notes[0]?.[1] ?? ""}`);
  },
  "wrong backward": (app, recording) => {
    const wrong = recording.ops.find((op) => recording.verdicts[op.verdict][0] === "wrong");
    if (!wrong) return app.say("the checker found no wrong backward");
    app.goto(recording, wrong.id);
  },
};

/** @param {any} recording @param {any} op */
const zeros = (recording, op) => recording.summaries[recording.arrays[op.outputs[0]].value].zeros;

/** @param {any} app @param {any} recording @param {any} best @param {string} words */
function found(app, recording, best, words) {
  if (!best) return app.say("there is no gradient");
  app.gotoArray(recording, best.array);
  app.say(`${words}${best.words}, of ${best.array.name}`);
}
