// Where a page that computes begins.

import { App } from "./app.js";
import { loaded } from "./data.js";
import { h } from "./dom.js";
import { Live } from "./live.js";
import { Editor } from "./liveedit.js";
import { followSystem } from "./theme.js";

followSystem();
loaded().then(async (page) => {
  const live = await Live.of(page);
  return new App(page, (/** @type {any} */ app) => {
    live.follow(app.recordings[0]);
    return new Editor(app, live);
  });
}).catch((error) => {
  document.body.append(h("p", { class: "failed" }, `This page cannot be shown: ${error.message}`));
  throw error;
});
