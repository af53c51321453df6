"""What a page has to show of a graph, worked out again from the recording."""

from __future__ import annotations

import functools
import operator

from handgrad.view.equations import forward, local_derivatives, product
from handgrad.view.rounding import told
from handgrad.view.summary import cells, summary


class Expected:
    """A graph with some boxes closed: its steps, and the texts and states of what is drawn."""

    def __init__(self, graph, nodes):
        self.graph = graph
        self.ops = {node: self.behind(node) for node in nodes if node[0] in "ob"}
        self.work = sorted(self.ops, key=lambda node: self.ops[node][0])

    def behind(self, node):
        """The numbers of the rules behind a node, in order."""
        if node[0] == "o":
            return [int(node[1:])]
        return [op.number for op in self.graph.boxes[int(node[1:])].all_ops()]

    @functools.cached_property
    def steps(self):
        """Phase and node of each step; the first has none."""
        back = [n for n in self.work if any(self.graph.ops[i].has_gradient for i in self.ops[n])]
        return [("start", None), *(("forward", n) for n in self.work), *(("backward", n) for n in back[::-1])]

    def last_in(self, ops, phase):
        """The node that is at work last among those of some rules."""
        inside = [node for node in self.work if set(self.ops[node]) <= set(ops)]
        return inside[-1] if phase == "forward" else inside[0]

    def caption(self, step):
        """What is said at a step: the place, the name, the numbers."""
        phase, node = self.steps[step]
        if node is None:
            return "start only inputs and parameters are there"
        count = len(self.work)
        place = (
            f"{step} of {count}" if phase == "forward" else f"{step - count} of {len(self.steps) - 1 - count}"
        )
        return f"{phase} {place} {self.name(node)}: {self.says(phase, node)}"

    def name(self, node):
        if node[0] == "b":
            box = self.graph.boxes[int(node[1:])]
            return box.label if box.is_run and box.label else f"{box.name} {box.label}".strip()
        op = self.graph.ops[int(node[1:])]
        has_box = op.box.number >= 0 and not op.box.is_run
        return f"{op.box.name} · {op.label}" if has_box else op.label

    def says(self, phase, node):
        if node[0] == "b":
            count, turns = len(self.ops[node]), self.graph.boxes[int(node[1:])].turns
            rules = f"{count:,} rule{'' if count == 1 else 's'}"
            size = f"× {turns:,}, {rules}" if turns else rules
            out = self.graph.ops[self.ops[node][-1]].outputs[0]
            found = out.told if phase == "forward" else out.told_grad if out.grad is not None else None
            return f"{size}: {', '.join(found.lines[:2])}" if found else size
        op = self.graph.ops[int(node[1:])]
        if phase == "forward":
            return forward(op)
        answers = enumerate(zip(op.inputs, local_derivatives(op), strict=True))
        found = [(use, product(op, i, local)) for i, (use, local) in answers if use.dx is not None]
        return ";  ".join(
            made.told(f"d{use.name}")
            if made
            else f"d{use.name}: {', '.join(told(use.dx, use.noise).lines[:2])}"
            for use, made in found
        )

    def done(self, step):
        """The rules that have run, and those whose gradients are there."""
        steps = self.steps[1 : step + 1]
        went = {i for phase, n in steps if phase == "forward" for i in self.ops[n]}
        came = {i for phase, n in steps if phase == "backward" for i in self.ops[n]}
        return went, came

    def state(self, step, nodes, edges):
        """What must be grey or hidden at a step."""
        went, came = self.done(step)
        last = len(self.graph.ops) - 1
        later = {n for n in nodes if n[0] in "ob" and self.ops[n][-1] not in went}
        later |= {n for n in nodes if n[0] == "s" and last not in went}
        later |= {n for n in nodes if n[0] == "r" and self.maker(n) not in {None, *went}}
        arrays = {edge: self.array(edge) for edge in edges}
        later_edges = {e for e, a in arrays.items() if a.maker is not None and a.maker.number not in went}
        is_back = self.steps[step][0] == "backward"
        unanswered = {e for e in edges if not self.answered(e, came, is_back)}
        return {"later": later, "laterEdges": later_edges, "unanswered": unanswered}

    def maker(self, reference):
        """The rule that made what is named again: r3_b2 is array 3 beside box 2."""
        maker = self.graph.arrays[int(reference[1:].partition("_")[0])].maker
        return None if maker is None else maker.number

    def answered(self, edge, came, is_back):
        uses = self.uses(edge)
        return all(use.op.number in came for use in uses) if uses else is_back

    # Edges.

    def array(self, edge):
        return self.graph.arrays[int(edge.rsplit("-", 1)[1])]

    def uses(self, edge):
        """The uses of the array behind an edge, told by what it leads to: o3.1 is a rule's second input."""
        to = edge.split(":", 1)[1].split("-")[1]
        uses = self.array(edge).uses
        if to[0] == "o":
            op, slot = to[1:].split(".")
            return [self.graph.ops[int(op)].inputs[int(slot)]]
        if to[0] == "b":
            return [use for use in uses if int(to[1:]) in [box.number for box in use.op.box.above()]]
        return []

    def words(self, edge):
        """What is written above an edge, and below it."""
        return {"value": self.value_lines(edge), "grad": self.grad_lines(edge)}

    def value_lines(self, edge):
        array = self.array(edge)
        found = summary(array.value, is_labels=array.is_labels)
        return self.texts(array.value, found) or list(found.lines)

    def texts(self, x, told):
        """The numbers of a small matrix; nothing of others."""
        found = cells(x, told, self.graph.most_cells)
        return found[2] if found else []

    def grad_lines(self, edge):
        """Of the gradient that comes back along an edge; None where none does."""
        array, uses = self.array(edge), self.uses(edge)
        if not uses:
            given = summary(array.dout)
            return self.texts(array.dout, given) or without_shape(given)
        dxs = [use.dx for use in uses if use.dx is not None]
        if not dxs:
            return None
        whole = functools.reduce(operator.add, dxs)
        found = told(whole, sum(use.noise for use in uses))
        return self.texts(whole, found) or without_shape(found)


def without_shape(told):
    """What is written of a gradient, whose shape is that of the value above it."""
    return list(told.lines[1:] or told.lines)
