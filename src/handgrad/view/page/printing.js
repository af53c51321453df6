// On paper: light, laid out for the width of a sheet, all of it.

import { handout } from "./handout.js";

const SHEET = 720; // pixels across a sheet

/** @param {any} app */
export function followPrinting(app) {
  const paper = matchMedia("print");
  let before = "";
  const turn = () => {
    const root = document.documentElement;
    document.getElementById("handout")?.remove();
    if (paper.matches) {
      before = root.dataset.theme;
      document.body.append(handout(app));
    }
    root.dataset.theme = paper.matches ? "light" : before;
    app.layOut(paper.matches ? SHEET : undefined);
    for (const { svg, looking } of app.pictures) {
      const { width, height } = looking.whole;
      if (paper.matches) svg.setAttribute("viewBox", `-2 -2 ${width + 4} ${height + 4}`);
      else svg.removeAttribute("viewBox");
      looking.isPrinted = paper.matches;
      looking.show();
    }
  };
  paper.addEventListener("change", turn);
}
