"""What is true of each report: how its author would call the check, the verdict, and the cause."""

from __future__ import annotations

from dataclasses import dataclass

RIGHT, WRONG = "right", "wrong"


@dataclass(frozen=True)
class Report:
    """One call. ``target`` and what follows are expressions in the names of the file."""

    file: str
    target: str
    verdict: str
    cause: str = ""  # a pattern that the first cause's kind, sentence, line or fix has if it is the true one
    inputs: str = "inputs"
    named: str = ""  # further named arguments of check

    @property
    def name(self) -> str:
        return f"{self.file} {self.target}{'' if self.inputs == 'inputs' else f' {self.inputs}'}"


def wrong(file: str, target: str, cause: str, inputs: str = "inputs", named: str = "") -> Report:
    return Report(file, target, WRONG, cause, inputs, named)


def right(file: str, target: str, inputs: str = "inputs", named: str = "") -> Report:
    return Report(file, target, RIGHT, "", inputs, named)


SEQUENCE = "(xs, h0, c0, params, ts)"
BY_CLASSES = "loss=lambda logits, y: -(y * torch.log_softmax(logits, 1)).sum()"
SLOPE_TWICE = r"sigmoid\(f_s|df = "
PATHS = "[(lambda a, b: (lambda u: u + u * u)(a * b))][0]"

REPORTS = [
    wrong("case01", "MaxPool(2)", r"return dimage|loop is left|returns? inside"),
    wrong("case02", "MaxPool1d()", r"^mutates|writes into self\.indices"),
    wrong("case03", "make()", r"mask"),
    wrong("case04", "LSTMCell()", r"\bb[fuo]\b"),
    wrong("case05", "(forward, backward)", SLOPE_TWICE + r"|dh_next|dC_next", SEQUENCE),
    wrong("case05_slip", "(forward, backward)", SLOPE_TWICE, SEQUENCE),
    wrong("case06", "make()", r"deltas\[.[io].\]"),
    right("case07", "DWT1D"),
    wrong("case07", "DWT1D", r"^shape", "odd"),
    wrong("case08", "layer", r"^flipped|\[::-1\]"),
    wrong("case11", "norm", r"M = |mean\.shape"),
    wrong("case11", "layer_norm_forward", r"M = |mean\.shape"),
    right("case11", "norm", "inputs_2d"),
    wrong("case12", PATHS, r"^double-path|twice|more than once", "(Value(1.5), Value(-0.7))"),
    right("case13", "Pow"),
    wrong("case14", "row_norm", r"nan"),
    right("case14", "row_norm", "away"),
    right("case14", "safe_norm"),
    right("case14", "safe_sqrt", "sqrt_inputs"),
    wrong("case14", "plain", r"nan"),
    wrong("case15", "net()", r"torch\.sum\(y - probas|summed|dim=", "(x, y)", BY_CLASSES),
    wrong("case18", "embed", r"^assigned|index_add|add_?at|repeated"),
    wrong("case19", "Dropout()", r"mask"),
    wrong("case20", "Softmax()", r"^diagonal"),
    wrong("case20", "Activation()", r"^diagonal"),
    wrong("case22", "net", r"y0 \* \(1 - y0\)|power|y0"),
    wrong("case23", "Net()", r"sigmoid_prime|a \* \(1"),
    wrong("case27", "Summation(axes=0)", r"^upstream-ignored|ones_like|^shape"),
    right("case29", "layer"),
    right("case29", "[Scale(4), Scale(4)]", "(N(size=(5, 4)),)"),
    right("case30", "net", named="loss=__import__('handgrad').softmax_cross_entropy"),
    right("case30", "net", "inputs[:1]"),
    wrong("case32", "wrong", r"^factor|2 \* x", "tensors"),
    wrong("case32", "wrong", r"^factor|2 \* x"),
    wrong("case32", "F", r"^factor|2 \* x", "tensors"),
    wrong("case32", "through_apply", r"^factor|2 \* x"),
    wrong("case32", "through_apply", r"^factor|2 \* x", "tensors"),
    wrong("case32", "listed", r"^factor|2 \* x"),
    wrong("case32", "three", r"^factor|2 \* x"),
    wrong("case32", "Module()", r"^factor|2 \* x", "tensors"),
    wrong("helper", "with_slope", r"1 - t \* t|1 - t\*\*2|tanh_slope", "(N(3, 4), N(4, 2))"),
    wrong("helper", "with_helper", r"1 - t \* t|1 - t\*\*2|dz = ", "(N(3, 4), N(4, 2))"),
    wrong("helper", "with_closure_helper", r"1 - t \* t|1 - t\*\*2|dz = ", "(N(3, 4), N(4, 2))"),
]
