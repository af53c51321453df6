// <hand-grad src="page.html" step="7" open="att,blocks.0" language="zh"></hand-grad>
//
// A page of handgrad inside another, as an element: `picture.save("page.html")` writes the page, this file is loaded once
// by <script defer src="hand-grad.js"></script>, and the element shows the page without its bar and panel.
// step: a number from 0, or "end"; open: names of boxes; language: en or zh; ask: answers are hidden; height: in pixels.
// Attributes may be changed at any time.

const ASKED = ["step", "open", "language", "ask"];

class HandGrad extends HTMLElement {
  static observedAttributes = ["src", "height", ...ASKED];

  connectedCallback() {
    this.frame ??= Object.assign(document.createElement("iframe"), { title: "handgrad" });
    this.frame.style.cssText = "width:100%;border:1px solid #8886;border-radius:8px";
    this.replaceChildren(this.frame);
    this.attributeChangedCallback();
  }

  attributeChangedCallback() {
    if (!this.frame) return;
    const asked = ASKED.filter((name) => this.hasAttribute(name)).map((name) => `${name}=${encodeURIComponent(this.getAttribute(name))}`);
    this.frame.height = this.getAttribute("height") ?? "480";
    this.frame.src = `${this.getAttribute("src")}?embed#${asked.join("&")}`;
  }
}

customElements.define("hand-grad", HandGrad);
