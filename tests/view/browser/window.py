"""A page in the browser, as its reader sees it: what is drawn and written, and what can be pressed."""

from __future__ import annotations

import re

READY = "html[data-ready=yes]"
MOMENT = """() => {
  const caption = document.getElementById("caption").textContent;
  return [...document.querySelectorAll("svg.picture")].map((picture) => {
    const found = (selector, name) => [...picture.querySelectorAll(selector)].map((e) => e.dataset[name]);
    return {
      caption,
      later: found(".node.later", "node"),
      now: found(".node.now", "node"),
      chosen: found(".node.chosen", "node"),
      laterEdges: found(".edge.later", "edge"), unanswered: found(".edge.unanswered", "edge"),
    };
  });
}"""
DRAWN = """() => [...document.querySelectorAll("svg.picture")].map((picture) => {
  const texts = (element, of = "text") => [...element.querySelectorAll(of)].map((text) => text.textContent);
  const edges = {};
  for (const element of picture.querySelectorAll(".edge")) {
    const edge = (edges[element.dataset.edge] ??= { value: null, grad: null });
    for (const kind of ["value", "grad"])
      for (const block of element.querySelectorAll(`.${kind}`)) edge[kind] = texts(block);
  }
  const nodes = [...picture.querySelectorAll(".node")].map((element) =>
    ({ id: element.dataset.node, texts: texts(element), marks: texts(element, ".mark") }));
  const frames = [...picture.querySelectorAll(".frame")].map((element) => Number(element.dataset.box));
  return { nodes, frames, edges };
})"""
VIEWS = """() => [...document.querySelectorAll("svg.picture > g")].map((scene) => {
  const { e, f, a } = scene.transform.baseVal.consolidate().matrix;
  return { x: e, y: f, scale: a };
})"""
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
TABLE = """() => {
  const rows = [...document.querySelectorAll("dialog[open] .cells tbody tr")];
  return rows.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent));
}"""
MATRIX = f"""() => {{
  const cells = {TABLE};
  const moved = (to) => {{
    const button = document.querySelector(`dialog[open] button[aria-label="${{to}}"]`);
    const isIdle = button.disabled;
    button.click();
    return !isIdle;
  }};
  const found = [];
  do {{
    const band = cells();
    while (moved("columns after")) cells().forEach((row, i) => band[i].push(...row));
    while (moved("columns before"));
    found.push(...band);
  }} while (moved("rows after"));
  while (moved("rows before"));
  return found;
}}"""

PATIENCE = 60_000  # milliseconds: for what would never come, not for what comes late


class Window:
    """One page, opened."""

    def __init__(self, page, path):
        self.page, self.url = page, path.as_uri()
        self.complaints, self.requests = [], []
        page.set_default_timeout(PATIENCE)
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", self.refuse)
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(self.url)
        page.wait_for_selector(READY, state="attached", timeout=PATIENCE)

    def hear(self, message):
        self.complaints.append(f"{message.type}: {message.text}")

    def refuse(self, dialog):
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    # What is to be seen.

    def moments(self):
        """Of each picture: what is grey, what is at work, what is chosen; and the caption."""
        return self.page.evaluate(MOMENT)

    def drawn(self):
        """Of each picture: its nodes, open boxes and edges, with what is written at them."""
        return self.page.evaluate(DRAWN)

    def node_ids(self, picture=0):
        return [node["id"] for node in self.drawn()[picture]["nodes"]]

    def caption(self):
        return self.page.locator("#caption").text_content()

    def panel(self):
        return self.page.locator("#panel").inner_text()

    def heading(self):
        return self.page.locator("#panel h2").text_content()

    def views(self):
        """Where each picture is, and how large, once it has moved."""
        self.page.evaluate(SETTLED)
        return self.page.evaluate(VIEWS)

    # What can be done.

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def button(self, label):
        """Press the button that is explained so."""
        self.page.get_by_title(label, exact=True).click()

    def node(self, node, picture=0):
        return self.page.locator("svg.picture").nth(picture).locator(f'[data-node="{node}"]')

    def act(self, node, key="Enter", picture=0):
        """A key on a node, wherever it is: what it does may draw the node anew."""
        self.node(node, picture).press(key)

    def close_box(self, box, picture=0):
        self.page.locator("svg.picture").nth(picture).locator(f'[data-box="{box}"] [role=button]').press(
            "Enter"
        )

    def search(self, words):
        self.page.fill("#search", words)
        self.press("Enter")

    def find(self, what):
        self.page.locator("#find summary").click()
        self.page.locator("#find").get_by_role("button", name=what).click()

    # The table of numbers.

    def open_table(self, name, place=0):
        self.page.locator(f'#panel button[aria-label="numbers of {name}"]').nth(place).click()

    def close_table(self):
        self.page.locator("dialog[open] button[aria-label=close]").click()

    def cells(self):
        """The slice that is shown, as texts."""
        return self.page.evaluate(TABLE)

    def matrix(self):
        """All of the matrix of the table, moving right and down through it."""
        return self.page.evaluate(MATRIX)

    def lead(self, at):
        """Choose which matrix of an array of more axes is shown."""
        for axis, i in enumerate(at):
            chooser = self.page.locator("dialog[open] .tools input").nth(axis)
            chooser.fill(str(i))
            chooser.blur()

    def bins(self):
        self.page.locator("dialog[open]").get_by_role("button", name="histogram").click()
        return [
            int(re.sub(r"\D", "", text))
            for text in self.page.locator("dialog[open] rect title").all_text_contents()
        ]
