// Where a page that computes begins.

import { speakAsAsked } from "./address.js";
import { App } from "./app.js";
import { loaded } from "./data.js";
import { h } from "./dom.js";
import { Live } from "./live.js";
import { Editor } from "./liveedit.js";
import { Trainer } from "./livetrain.js";
import { followSystem } from "./theme.js";

followSystem();
loaded().then(async (page) => {
  speakAsAsked(page);
  const live = await Live.of(page);
  const trainer = page.training && await Trainer.of(live, page);
  const app = new App(page, (/** @type {any} */ app) => {
    live.follow(app.recordings[0]);
    const editor = new Editor(app, live);
    return trainer ? Object.assign(editor, { above: trainer.attached(app), trainer }) : editor;
  });
  if (trainer) {
    document.documentElement.classList.add("trains");
    app.side.fold(true);
    trainer.draw(true);
  }
  return app;
}).catch((error) => {
  document.body.append(h("p", { class: "failed" }, `This page cannot be shown: ${error.message}`));
  throw error;
});
