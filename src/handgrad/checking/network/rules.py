"""The parts of a function of rules: the nodes of its graph."""

from __future__ import annotations

from typing import Any

from handgrad.checking.forms.function import of_rule
from handgrad.checking.network.part import Part, only
from handgrad.checking.subject import Subject, copied
from handgrad.tape import Node, Variable, vjp
from handgrad.tape.variable import lowered
from handgrad.tree import leaves, unflatten

Sources = dict[int, frozenset[int]]  # by a node's order
NONE: frozenset[int] = frozenset()


def parts(subject: Subject) -> list[Part]:
    """One part for each use of a rule that the outputs were computed by, in the order of the forward."""
    inputs, outputs = recorded(subject)
    level = max((x.level for x in inputs.values()), default=0)
    nodes = nodes_below([x for x in outputs if is_of(x, level)], level)
    sources: Sources = {x.node.order: frozenset([k]) for k, x in inputs.items()}
    found = []
    for place, node in enumerate(nodes, 1):
        flows = [sources.get(x.node.order, NONE) if is_of(x, level) else NONE for x in given(node)]
        sources[node.order] = NONE.union(*flows)
        found.append(part_of(node, level, flows, place, len(nodes)))
    return found


def recorded(subject: Subject) -> tuple[dict[int, Variable], list[Any]]:
    """The network run on recorded inputs: these by number, and its outputs."""
    values = copied(subject.values)
    numbers = [k for k, is_checked in enumerate(subject.checked) if is_checked]
    kept: list[Any] = []

    def function(*floats: Any) -> Any:
        kept.append(dict(zip(numbers, floats, strict=True)))
        kept.append(subject.inner([kept[0].get(k, x) for k, x in enumerate(values)]))
        return kept[1]

    vjp(function, *(values[k] for k in numbers))
    inputs, out = kept
    return inputs, leaves(out)


def is_of(x: Any, level: int) -> bool:
    return isinstance(x, Variable) and x.level == level


def given(node: Node) -> list[Any]:
    """A node's inputs, nested ones taken apart."""
    return leaves(list(node.inputs))


def nodes_below(outputs: list[Variable], level: int) -> list[Node]:
    """Every use of a rule that the outputs were computed by, the first one first."""
    met = {x.node.order: x.node for x in outputs}
    waiting = list(met.values())
    while waiting:
        for x in given(waiting.pop()):
            if is_of(x, level) and x.node.order not in met:
                met[x.node.order] = x.node
                waiting.append(x.node)
    return [met[order] for order in sorted(met) if met[order].rule is not None]


def part_of(node: Node, level: int, flows: list[frozenset[int]], place: int, count: int) -> Part:
    """A use of a rule on what it saw. Only what was recorded is checked: the rest are constants."""
    assert node.rule is not None
    flat = [lowered(x, level) for x in given(node)]
    inputs = tuple(unflatten(list(node.inputs), flat))
    subject = of_rule(node.rule, inputs, node.options)
    subject = only(subject, [is_of(x, level) for x in given(node)])
    name = f"{node.rule.name}{_where(node.scope)} (step {place} of {count})"
    return Part(name, place, subject, flows, node.rule, node.options)


def _where(scope: str) -> str:
    if not scope:
        return ""
    return f" in layer {scope}" if scope.isdigit() else f" in {scope}"
