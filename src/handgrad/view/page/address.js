// What an address says of a page: #step=7&open=att,blocks.0&language=zh, and ?embed for slides.

import { speak } from "./words.js";

/** What is asked for. */
export function asked() {
  const found = new URLSearchParams(location.hash.slice(1));
  const step = found.get("step");
  return {
    step: step === null ? null : step === "end" ? Infinity : Number(step) || 0, open: found.get("open"), language: found.get("language"),
    isEmbedded: new URLSearchParams(location.search).has("embed"), isLesson: found.has("lesson"), hides: found.has("ask"),
  };
}

/** In the language that is asked for, else the author's. @param {any} page */
export const speakAsAsked = (page) => speak(asked().language ?? page.language);

/** The address of what is seen now. @param {any} app @param {Record<string, string>} more */
export function hashOf(app, more = {}) {
  const [{ boxes }] = app.recordings;
  const open = boxes.filter((/** @type {any} */ box) => box.open).map((/** @type {any} */ box) => box.name);
  const parts = new URLSearchParams({ step: String(app.step), open: open.join(","), ...more });
  return `#${parts}`;
}

/** Open the boxes that are asked for, and no others. @param {any} app @param {string} names */
export function openNamed(app, names) {
  const wanted = new Set(names.split(",").filter(Boolean));
  for (const { boxes } of app.recordings) for (const box of boxes) box.open = wanted.has(box.name);
}

/** Keep in the address what is seen, and copy it where that is allowed. @param {any} app */
export async function link(app) {
  location.hash = hashOf(app);
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    return false;
  }
  return true;
}
