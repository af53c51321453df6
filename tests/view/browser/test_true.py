"""Every number of twenty pages is read in the browser, and compared with what has to be there.

What that is comes from forwards in float64 and their differences (``truths``), and is read by code that
shares nothing with what wrote it (``tests.view.spoken``). No number of a panel is left unread.
"""

import functools
import operator
import re

import numpy as np
import pytest

from handgrad.view.summary import as_numpy
from tests.view import spoken

from .truths import TRUE, Truth, graphs, picture
from .window import Window

MORE = ("twice", "smoothed", "each", "probabilities", "absolute", "filtered", "recurrent", "transformer")
NOISE = 1e-3  # of the largest gradient of a page in float32: what is below may be said to be rounding

READ = """() => {
  const panel = document.getElementById("panel");
  const texts = (root, of) => [...root.querySelectorAll(of)].map((e) => e.textContent);
  const serializer = new XMLSerializer();
  const maths = (root, of) => [...root.querySelectorAll(of)].map((e) => serializer.serializeToString(e));
  const text = (e, of) => e.querySelector(of).textContent;
  const facts = (root) => [...root.querySelectorAll(".facts")].map((e) =>
    ({ kind: e.classList[1], said: text(e, ".numbers"), type: text(e, ".muted") }));
  const sections = {};
  for (const section of panel.querySelectorAll("section")) {
    const rows = [...section.querySelectorAll("tbody tr")].map((row) => texts(row, "th, td"));
    sections[text(section, "h3")] = { rows, facts: facts(section), plugged: maths(section, ".plugged math"),
      heads: texts(section, ".array > p:first-child"), numbers: texts(section, ":scope > .numbers"),
      paragraphs: texts(section, ":scope > p:not(.numbers, .formula)") };
  }
  const left = panel.cloneNode(true);
  left.querySelectorAll("section, .facts, h2, .muted, .verdict, ul, button").forEach((e) => e.remove());
  return { heading: text(panel, "h2"), place: text(panel, "p.muted"), sections, left: left.textContent,
    facts: facts(panel).slice(0, 2), notes: texts(panel, ":scope > ul li") };
}"""
VISIT = f"""(ids) => ids.map((id) => {{
  const element = document.querySelector(`[data-node="${{id}}"]`);
  element.dispatchEvent(new KeyboardEvent("keydown", {{ key: " ", bubbles: true }}));
  return ({READ})();
}})"""
WALK = f"""() => {{
  const slider = document.getElementById("slider");
  return [...Array(Number(slider.max) + 1).keys()].map((step) => {{
    slider.value = step;
    slider.dispatchEvent(new Event("input"));
    const isShown = (e) => getComputedStyle(e).visibility !== "hidden";
    const texts = (root, of) => [...root.querySelectorAll(of)].filter(isShown).map((e) => e.textContent);
    const caption = document.getElementById("caption").textContent;
    return {{ caption, panel: ({READ})(), grads: texts(document, "#panel .grad"),
      products: texts(document.querySelector(".picture"), ".chained text"),
      sums: texts(document, ".mark.gradient"),
      bars: [...document.querySelectorAll(".bar")].map((e) => e.title) }};
  }});
}}"""


class Reader:
    """One recording of a page, as it is shown: what is read must be what is true."""

    def __init__(self, window, graph, place=0, example=None):
        self.window, self.graph, self.place, self.example = window, graph, place, example
        grads = [
            np.max(np.abs(dx), initial=0.0) for a in graph.arrays for dx in [gradient(a)] if dx is not None
        ]
        finite = [g for g in grads if np.isfinite(g)]
        self.noise = max(finite, default=0.0) * (NOISE if is_single(graph) else 1e-12)

    def row(self, array, x):
        """Of an array's value or gradient: that of the example that is looked at."""
        x = as_numpy(x)
        return x[self.example] if self.example is not None and array.per_example else x

    # Edges and nodes.

    def edges(self):
        drawn = self.window.drawn()[self.place]
        assert drawn["edges"]
        met = set()
        for edge, words in drawn["edges"].items():
            array, uses = self.behind(edge)
            is_told = words["value"] is not None or edge.startswith("e:r")  # whose value is told elsewhere
            met |= {id(use) for use in uses} if is_told else set()
            if words["value"]:
                self.value(words["value"], array)
            dx = added([use.dx for use in uses]) if uses else array.dout
            assert (words["grad"] is None) == (dx is None or not is_told), edge
            if words["grad"]:
                spoken.assert_gradient(words["grad"], self.row(array, dx), noise=self.noise)
        for node in drawn["nodes"]:
            self.node(node)
        return met

    def behind(self, edge):
        """The array of an edge, and the uses that it leads to."""
        ends, number = edge.split(":", 1)[1].rsplit("-", 1)
        array, to = self.graph.arrays[int(number)], ends.split("-")[1]
        if to[0] == "o":
            op, slot = to[1:].split(".")
            return array, [self.graph.ops[int(op)].inputs[int(slot)]]
        boxes = [int(to[1:])] if to[0] == "b" else []
        return array, [use for use in array.uses if {box.number for box in use.op.box.above()} & set(boxes)]

    def value(self, lines, array):
        if self.is_own(array):
            assert len(lines) == 2
            spoken.assert_number(lines[0], self.own(array))
            spoken.assert_number(lines[1].removeprefix("of all "), as_numpy(array.value))
            return
        spoken.assert_lines(lines, self.row(array, array.value), is_labels=array.is_labels)

    def is_own(self, array):
        """Whether one number was made of a batch, of which one example is looked at."""
        made = array.maker is not None and any(
            use.array is not None and use.array.per_example for use in array.maker.inputs
        )
        return self.example is not None and made and as_numpy(array.value).size == 1 and not array.per_example

    def own(self, array):
        return own_loss(array.maker, self.example)

    def node(self, node):
        kind, number = kind_and_number(node["id"])
        words = [text for text in node["texts"] if text not in [*node["marks"], "▸"]]
        if kind == "o":
            op = self.graph.ops[number]
            literals = [use.literal[:16] for use in op.inputs if use.array is None and use.literal != "None"]
            symbols = [word for word in words[0].split() if re.match(r"[-\d.]", word)]
            assert symbols == [literal for literal in literals if re.match(r"[-\d.]", literal)]
            arrays = op.outputs
        else:
            arrays = [self.graph.arrays[number]] if kind == "l" else []
        if kind == "b":
            assert words[-1] == size_of(self.graph.boxes[number])
        self.marks(node["marks"], arrays)

    def marks(self, marks, arrays):
        marks = [m for m in marks if m not in ("not finite", "gradient not finite", "✗ wrong backward")]
        marks = [m for m in marks if not m.startswith("Δ")]
        for array in arrays:
            terms = ways(array)
            if len(terms) < 2 or array.grad is None:
                continue
            self.sum(marks.pop(0), marks, array, terms)
        assert not marks

    def sum(self, first, rest, array, terms):
        total = as_numpy(array.grad)
        if first.startswith("sum of"):
            assert first == f"sum of {len(terms):,} gradients:"
            told = rest.pop(0)
            if told == spoken.ROUNDING:
                assert np.max(np.abs(total)) <= self.noise
            elif spoken.is_few(total):
                spoken.assert_elements(told, total)
            elif np.all(np.isfinite(total)):
                spoken.assert_range(told, total)
            else:
                spoken.assert_counted(told, total)
            return
        spoken.assert_equation(first)
        left, result = first.rsplit(" = ", 1)
        written = left.split(" + ")
        shown = [dx for dx, word in zip(terms, written, strict=False) if word != "…"]
        if "…" in written:
            shown = [*terms[: written.index("…")], terms[-1]]
        for word, dx in zip([w for w in written if w != "…"], shown, strict=True):
            spoken.assert_number(word, as_numpy(dx))
        if result != spoken.ROUNDING:
            spoken.assert_number(result, total)

    # The panel.

    def panels(self):
        """Of each node that is drawn."""
        ids = self.window.node_ids(self.place)
        read = {"o": self.op, "b": self.box, "l": self.leaf, "s": self.leaf, "r": self.leaf}
        for node, panel in zip(ids, self.window.page.evaluate(VISIT, ids), strict=True):
            assert not re.search(r"\d", panel["left"]), panel["left"]
            kind, number = kind_and_number(node)
            of = {"o": self.graph.ops, "b": self.graph.boxes}.get(kind, self.graph.arrays)
            read[kind](panel, of[number])

    def op(self, panel, op):
        assert panel["heading"] == op.name
        assert panel["place"].startswith(f"rule {op.number + 1} of {len(self.graph.ops)}")
        sections = panel["sections"]
        self.forward(sections["Forward"], op)
        self.backward(sections["Backward"], op)
        self.inputs(sections["Inputs"], op)
        self.outputs(sections["Outputs"], op.outputs, ["dout"] * len(op.outputs))
        self.notes(panel["notes"], [op])
        for key in ("This example", "Examples"):
            if key in sections:
                self.answers(sections[key], op, key == "Examples")

    def forward(self, section, op):
        for markup in section["plugged"]:
            spoken.assert_formula(markup)
        letters = [p for p in section["paragraphs"] if " = " in p and "=" not in p.replace(" = ", "")]
        for part in (part for p in letters for part in p.split(", ")):
            name, _, count = part.partition(" = ")
            if name in ("N", "n"):
                x = as_numpy(op.inputs[0].array.value)
                out = as_numpy(op.outputs[0].value)
                spoken.assert_number(
                    count, x.size // max(out.size, 1) if name == "n" else x.size // x.shape[-1]
                )
            elif name == "m":
                spoken.assert_number(count, weight_of(op))
        for says in section["numbers"]:
            self.says(says, op)

    def says(self, says, op):
        """multiply(2, 3) = 6, 100 × 2 = 200, relu(affine) = 4 × 32, 0 … 1.2."""
        left, _, right = says.partition(" = ")
        if (
            re.fullmatch(spoken.NUMBER, right)
            and re.search(r" [×+−÷] ", left)
            and not re.search(r"[a-z\[]", left)
        ):
            spoken.assert_equation(says)
        told = right.split(" · ")
        assert len(told) == len(op.outputs)
        for words, out in zip(told, op.outputs, strict=True):
            if self.is_own(out):
                spoken.assert_number(words, self.own(out))
                continue
            x = self.row(out, out.value)
            if spoken.is_few(x):
                spoken.assert_elements(words, x)
            else:
                shape, _, rest = words.partition(", ")
                spoken.assert_shape(shape, x)
                finite = x[np.isfinite(x)]
                spoken.assert_range(rest, x) if finite.size == x.size else spoken.assert_counted(rest, x)
        given = left[left.find("(") + 1 : -1] if left.endswith(")") and left.startswith(op.name) else ""
        for number in re.findall(
            rf"(?<![\w\[.])({spoken.NUMBER})(?=, |$)", given if "[" not in given else ""
        ):
            values = [self.row(u.array, u.array.value) for u in op.inputs if u.array is not None]
            literals = [use.literal for use in op.inputs if use.array is None]
            scalars = [float(v.reshape(())) for v in values if v.size == 1]
            near = any(abs(spoken.number(number)[0] - v) <= 1.01 * spoken.number(number)[1] for v in scalars)
            assert near or any(number in literal.replace("-", "−") for literal in literals), (says, number)

    def backward(self, section, op):
        for markup in section["plugged"]:
            spoken.assert_formula(markup)
        if op.outputs[0].grad is None:
            return
        uses = [use for use in op.inputs if use.dx is not None]
        assert len(section["rows"]) == len(uses)
        for (name, words), use in zip(section["rows"], uses, strict=True):
            self.product(name, words, op, use)

    def product(self, name, words, op, use):
        """dx[1, 2] = 0.5 × 3 = 1.5: of the element of that place, and of the largest one."""
        assert name.startswith(f"d{use.name}")
        place = tuple(int(i) for i in re.findall(r"\d+", name.removeprefix(f"d{use.name}")))
        dout, dx = as_numpy(op.outputs[0].grad), as_numpy(use.dx)
        if " → " in words:
            for said, array, x in zip(
                words.split(" → "), (op.outputs[0], use.array), (dout, dx), strict=True
            ):
                x = self.row(array, x) if use.array.per_example else x
                if spoken.ROUNDING in said:
                    assert np.max(np.abs(x)) <= self.noise
                elif spoken.is_few(x):
                    spoken.assert_elements(said, x)
                else:
                    shape, _, rest = said.partition(", ")
                    spoken.assert_shape(shape, x)
                    spoken.assert_range(rest, x) if np.all(np.isfinite(x)) else spoken.assert_counted(rest, x)
            return
        spoken.assert_equation(words)
        factors, result = words.rsplit(" = ", 1)
        upstream, _, _ = factors.partition(" × ")
        if not place:
            place = (0,) * dout.ndim
        spoken.assert_number(upstream, dout[place])
        spoken.assert_number(result, dx[place])
        rows = dx[self.example] if self.example is not None and use.array.per_example else dx
        assert np.abs(dx[place]) == np.max(np.abs(rows[np.isfinite(rows)]))

    def inputs(self, section, op):
        uses = [use for use in op.inputs if use.array is not None]
        facts = iter(section["facts"])
        for use in uses:
            self.fact(next(facts), use.array, use.array.value, "")
            if use.dx is not None:
                self.fact(next(facts), use.array, use.dx, f"d{use.name}: ")
        assert next(facts, None) is None
        for head, use in zip(section["heads"], uses, strict=True):
            self.head(head, use.array, {use.name, f"{use.name} = {use.array.name}"})
        literals = [f"{use.name} = {use.literal[:60]}" for use in op.inputs if use.array is None]
        assert section["paragraphs"] == literals

    def head(self, head, array, names):
        """A name, and the sum that its gradient is."""
        name = max((n for n in names if head.startswith(n)), key=len)
        rest = head[len(name) :].strip()
        terms = ways(array)
        if len(terms) > 1 and array.grad is not None:
            first, _, second = rest.partition(": ")
            self.sum(f"{first}:" if second else first, [second], array, terms)
        else:
            assert not rest, head

    def outputs(self, section, arrays, names):
        facts = iter(section["facts"])
        for array, name in zip(arrays, names, strict=True):
            self.fact(next(facts), array, array.value, "")
            if array.grad is not None:
                self.fact(next(facts), array, array.grad, f"{name}: ")
        assert next(facts, None) is None
        for head, array in zip(section["heads"], arrays, strict=True):
            self.head(head, array, {array.name})

    def fact(self, fact, array, x, name):
        assert fact["said"].startswith(name), fact
        said = fact["said"].removeprefix(name)
        whole, row = as_numpy(x), self.row(array, x)
        is_value = x is array.value
        if is_value and self.is_own(array):
            self.value(said.split(", "), array)
        elif row is not whole:
            lines = said.split(", ") if not spoken.is_few(row) else [said]
            labels = array.is_labels and is_value
            lines = [lines[0], ", ".join(lines[1:])] if labels and len(lines) > 1 else lines
            spoken.assert_lines(lines, row, is_labels=labels, noise=self.noise)
        else:
            spoken.assert_words(said, whole, is_labels=array.is_labels and is_value, noise=self.noise)
        share = re.search(rf"({spoken.NUMBER}) % zeros", fact["type"])
        zeros = np.mean(whole == 0) if whole.size > 1 else 0.0
        assert bool(share) == (zeros > 0)
        if share:
            assert abs(float(share[1]) - 100 * zeros) <= 0.006 * 100 * zeros + 0.01
        assert fact["type"].startswith(str(getattr(x, "dtype", type(x).__name__)))

    def notes(self, notes, ops):
        """2 of 8 units are 0 …, of 6 values 1 is nan."""
        for note in notes:
            found = re.fullmatch(r"of ([\d,]+) (value|gradient)s (.*)", note)
            if found:
                arrays = [out for op in ops for out in op.outputs]
                xs = [as_numpy(a.value if found[2] == "value" else a.grad) for a in arrays]
                bad = [
                    x for x in xs if not np.all(np.isfinite(x)) and x.size == int(found[1].replace(",", ""))
                ]
                assert bad
                spoken.assert_counted(found[3], bad[0])
                continue
            (out,) = [out for op in ops for out in op.outputs if op.name == "relu"][:1]
            x = as_numpy(out.value)
            zeros, *others = (int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", note))
            units = x.reshape(len(x), -1)
            if "for all" in note:
                assert [zeros, *others] == [np.sum(np.all(units == 0, axis=0)), units.shape[1], 0, len(x)]
            else:
                assert [zeros, *others] == [np.sum(x == 0), x.size, 0]

    def box(self, panel, box):
        ops = list(box.all_ops())
        assert panel["place"].removeprefix(f"{box.name}, ") == size_of(box)
        self.outputs(panel["sections"]["Output"], ops[-1].outputs, ["dout"] * len(ops[-1].outputs))
        if "Parameters" in panel["sections"]:
            inside = [a for a in self.graph.arrays if a.role == "parameter" and box in a.box.above()]
            names = [f"d{a.name.rpartition('.')[2]}" for a in inside]
            self.outputs(panel["sections"]["Parameters"], inside, names)
        if len({op.name for op in ops}) == len(ops):
            self.notes(panel["notes"], ops)

    def leaf(self, panel, array):
        facts = iter(panel["facts"])
        self.fact(next(facts), array, array.value, "")
        if array.grad is not None:
            grad = next(facts)
            self.fact(grad, array, array.grad, grad["said"].partition(": ")[0] + ": ")
            assert grad["said"].startswith("d")

    def answers(self, section, op, is_table):
        """Own losses; of classes the probabilities by a softmax of float64."""
        x = as_numpy(op.inputs[0].array.value).astype(float)
        if is_table:
            for i, (_, own, *classes) in enumerate(section["rows"]):
                spoken.assert_number(own, own_loss(op, i))
                if classes:
                    label, predicted, chance = classes
                    shares = probabilities(op, x[i])
                    assert int(label) == label_of(op, i)
                    assert int(predicted) == predicted_of(shares)
                    spoken.assert_number(chance, shares[int(predicted)])
            return
        i = self.example or 0
        said = dict(paragraph.split(": ") for paragraph in section["paragraphs"])
        spoken.assert_number(said["its own loss"], own_loss(op, i))
        if not section["rows"]:
            return
        shares = probabilities(op, x[i])
        assert int(said["label"]) == label_of(op, i)
        assert int(said["predicted"]) == predicted_of(shares)
        for k, chance, _ in section["rows"]:
            spoken.assert_number(chance, shares[int(k)])

    # Steps.

    def steps(self):
        """Forward, no gradient is told; backward, each product is one."""
        for moment in self.window.page.evaluate(WALK):
            caption = moment["caption"]
            if caption.startswith("start") or caption.startswith("forward"):
                assert not moment["grads"], caption
                assert not moment["products"]
                assert not moment["sums"]
                assert not any("norm of the gradient" in title for title in moment["bars"])
                facts = [fact for s in moment["panel"]["sections"].values() for fact in s["facts"]]
                assert not [fact for fact in facts if fact["kind"] == "grad"]
            for words in moment["products"]:
                spoken.assert_equation(words.partition(" = ")[2])
            found = re.fullmatch(r"(forward|backward) (\d+) of (\d+) (.*)", caption)
            if found and int(found[2]) <= len(self.graph.ops) == int(found[3]):
                step = int(found[2])
                op = self.graph.ops[step - 1 if found[1] == "forward" else len(self.graph.ops) - step]
                said = found[4].partition(f"{op.label}: ")[2]
                self.says(said, op) if found[1] == "forward" else self.answered(said, op, moment["products"])
        for title in moment["bars"]:
            assert ": norm of the gradient " in title
        return moment["bars"]

    def answered(self, words, op, products):
        """dx = 1 × 2 = 2   dy: 3 × 4, −1 … 1."""
        uses = [use for use in op.inputs if use.dx is not None]
        parts = words.split(";  ") if words else []
        assert len(parts) == len(uses)
        said = [part for part in parts if " × " in part and " = " in part]
        assert products in (said, [])  # at the node they stand where there is room
        for part, use in zip(parts, uses, strict=True):
            if part in said:
                name, _, words = part.partition(" = ")
                self.product(name, words, op, use)
                continue
            x = self.row(use.array, use.dx)
            words = part.removeprefix(f"d{use.name}: ")
            if spoken.ROUNDING in words:
                assert np.max(np.abs(x)) <= self.noise
            elif spoken.is_few(x):
                spoken.assert_elements(words, x)
            else:
                shape, _, rest = words.partition(", ")
                spoken.assert_shape(shape, x)
                spoken.assert_range(rest, x) if np.all(np.isfinite(x)) else spoken.assert_counted(rest, x)

    def bars(self, titles):
        """The norm of the gradient of what each layer, or without layers each rule, gives last."""
        boxes = [box for box in self.graph.boxes if any(op.box is box for op in self.graph.ops)]
        lasts = [max(box.all_ops(), key=lambda op: op.number) for box in boxes] or self.graph.ops
        assert len(titles) == len(lasts)
        for title, op in zip(titles, lasts, strict=True):
            grad = gradient(op.outputs[0])
            norm = 0.0 if grad is None else np.linalg.norm(grad.ravel())
            spoken.assert_number(title.rpartition(" ")[2], norm)

    def findings(self):
        sizes = {}
        for array in self.graph.arrays:
            grad = gradient(array)
            if grad is not None and grad.size and (array.uses or not array.is_output):
                sizes[array.name, array.number] = np.max(np.abs(grad[~np.isnan(grad)]), initial=0.0)
        for what, best in (("largest", max), ("smallest", min)):
            self.window.find(f"{what} gradient")
            value, name = re.fullmatch(r".*, (\S+), of (.*)", self.window.caption()).groups()
            wanted = best(sizes.values())
            spoken.assert_number(value.removeprefix("−"), wanted)
            tolerance = 1e-5 * wanted if np.isfinite(wanted) else 0
            assert any(
                n == name and (s == wanted or abs(s - wanted) <= tolerance) for (n, _), s in sizes.items()
            )


def size_of(box):
    count = sum(1 for _ in box.all_ops())
    return f"× {box.turns:,}, " * (box.turns > 0) + f"{count:,} rule{'s' * (count > 1)}"


def kind_and_number(node):
    """Of l3 its letter and number; r3_b2 is array 3, named again beside box 2."""
    return node[0], int(node[1:].partition("_")[0])


# What has to be there.


def gradient(array):
    return None if array.grad is None else as_numpy(array.grad).astype(float)


def added(dxs):
    dxs = [dx for dx in dxs if dx is not None]
    return functools.reduce(operator.add, dxs) if dxs else None


def ways(array):
    """The gradients that come back to an array, one for each use, and what an output was given."""
    return [dx for dx in (array.dout, *(use.dx for use in array.uses)) if dx is not None]


def is_single(graph):
    return any(as_numpy(array.value).dtype == np.float32 for array in graph.arrays)


def log_softmax(x):
    return x - np.max(x) - np.log(np.sum(np.exp(x - np.max(x))))


def labels(op, i):
    """One weight for each class, of example i."""
    t, x = as_numpy(op.inputs[1].array.value)[i], as_numpy(op.inputs[0].array.value)
    return t.astype(float) if t.ndim else np.eye(x.shape[-1])[t]


def label_of(op, i):
    t = labels(op, i)
    return int(t[0] > 0.5) if t.size == 1 else int(np.argmax(t))


def probabilities(op, x):
    if op.name == "cross_entropy":
        return x
    if op.name == "binary_cross_entropy_with_logits":
        return np.array([1 / (1 + np.exp(x[0])), 1 / (1 + np.exp(-x[0]))])
    return np.exp(log_softmax(x))


def predicted_of(shares):
    return int(np.argmax(shares))


def own_loss(op, i):
    """The loss of one example, in the formulas of the book."""
    x = as_numpy(op.inputs[0].array.value)[i].astype(float)
    if op.name == "softmax_cross_entropy":
        q = labels(op, i)
        given = op.options
        smoothing, weight = given.get("label_smoothing", 0.0), given.get("weight")
        weight = np.ones(len(x)) if weight is None else as_numpy(weight).astype(float)
        share = np.sum(q * weight)
        q = weight * ((1 - smoothing) * q + smoothing / len(x))
        return -np.sum(q * log_softmax(x)) / share
    if op.name == "cross_entropy":
        return -np.sum(labels(op, i) * np.log(x))
    t = as_numpy(op.inputs[1].array.value)[i].astype(float) if len(op.inputs) > 1 else None
    if op.name == "mean_squared_error":
        return np.mean((x - t) ** 2)
    if op.name == "mean_absolute_error":
        return np.sum(np.abs(x - t))  # with reduction="sum"
    if op.name == "binary_cross_entropy_with_logits":
        return np.mean(np.log(1 + np.exp(x)) - x * t)
    return {"sum": np.sum, "mean": np.mean}[op.name](x)


def weight_of(op):
    """What a weighted mean divides by."""
    t = as_numpy(op.inputs[1].array.value)
    return float(np.sum(as_numpy(op.options["weight"]).astype(float)[t]))


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """Pages in one window after another of one context."""
    folder = tmp_path_factory.mktemp("true")
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    windows = []

    def opened(name):
        path = folder / f"{name}.html"
        if not path.exists():
            picture(name).save(path)
        windows.append(Window(context.new_page(), path))
        return windows[-1]

    yield opened
    context.close()
    for window in windows:
        assert window.complaints == []


@pytest.mark.parametrize("name", TRUE)
def test_what_is_recorded_is_true(name):
    for graph in graphs(name):
        truth = Truth(graph)
        truth.assert_values()
        truth.assert_gradients()


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in MORE else n for n in TRUE])
def test_every_number_of_a_page(page, name):
    window = page(name)
    window.press("o")
    found = graphs(name)
    for place, graph in enumerate(found):
        reader = Reader(window, graph, place)
        met = reader.edges()
        assert len(met) == sum(use.array is not None for op in graph.ops for use in op.inputs)
        if place == 0:
            reader.panels()
            reader.bars(reader.steps())
            reader.findings()
    if len(found) == 1:
        closed(window, found[0])
        examples(window, found[0])
    window.page.close()


def closed(window, graph):
    """With all boxes closed: sums of gradients at their borders, parameters in their panels."""
    if not graph.boxes:
        return
    window.press("c")
    reader = Reader(window, graph)
    reader.edges()
    reader.panels()
    window.press("o")


def examples(window, graph):
    select = window.page.locator("#example")
    for i in range(select.locator("option").count() - 1 if select.count() else 0):
        window.page.select_option("#example", index=i + 1)
        reader = Reader(window, graph, example=i)
        reader.edges()
        reader.panels()
        reader.steps()
