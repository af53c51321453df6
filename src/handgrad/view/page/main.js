// Where a page begins.

import { App } from "./app.js";
import { loaded } from "./data.js";
import { h } from "./dom.js";
import { followSystem } from "./theme.js";

followSystem();
loaded().then((page) => new App(page)).catch((error) => {
  document.body.append(h("p", { class: "failed" }, `This page cannot be shown: ${error.message}`));
  throw error;
});
