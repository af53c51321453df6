"""NumPy code of many kinds under ``hg.grad``, right or refused: ``python -m tests.tape.snippets`` counts.

``snippets.txt`` has the code, each after a line ``## name input`` and, if refused, ``! what is said``.
"""

import copy
import functools
import math
import operator
import textwrap
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.special

import handgrad as hg
from handgrad.tree import leaves, unflatten

_draw = np.random.default_rng(3).normal
_square = _draw(size=(4, 4))

INPUTS = {
    "vector": np.array([0.72, -0.4, 1.2, -1.5, 0.3]),
    "matrix": np.array([[0.6, 1.3, -0.8], [1.1, 0.4, 0.9], [-0.5, 1.7, 0.2], [0.8, -1.2, 1.4]]),
    "square": np.array([[1.2, 0.4, -0.3], [0.5, 0.9, 0.7], [-0.6, 0.2, 1.5]]),
    "stack": _draw(size=(2, 3, 3)),
    "spd": _square @ _square.T + 4 * np.eye(4),
    "even": np.array([0.7, -0.4, 1.2, -1.5]),
    "eighths": np.array([0.75, -0.375, 1.25, -1.5, 0.25]),  # whose differences are exact in float32
    "positive": np.array([0.7, 0.4, 1.2, 1.5, 0.3]),
    "twelve": np.linspace(-1.1, 1.3, 12),
    "params": {"W": _draw(size=(3, 2)), "b": _draw(size=2)},
    "layers": [(_draw(size=(3, 4)), _draw(size=4)), (_draw(size=(4, 2)), _draw(size=2))],
}
NAMES = {
    "np": np, "onp": np, "math": math, "copy": copy, "functools": functools, "operator": operator,
    "sp": scipy.special, "W": _draw(size=(3, 2)), "A": INPUTS["matrix"], "SPD": INPUTS["spd"],
}  # fmt: skip


@dataclass(frozen=True)
class Snippet:
    name: str
    x: object
    code: str
    refusal: str  # "" where it is right

    def function(self):
        body = f"def f(x):\n{textwrap.indent(self.code, '    ')}"
        found = dict(NAMES)
        exec(compile(body, self.name, "exec"), found)
        return found["f"]

    def gradients(self):
        """What handgrad says, and differences, each as a list of arrays."""
        f, x = self.function(), copy.deepcopy(self.x)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", hg.NoGradientWarning)
            got = hg.grad(f)(x)
        return [np.asarray(dx) for dx in leaves(got)], differences(f, x)


def differences(f, x, h=2.0**-20):
    parts = leaves(x)
    found = []
    for k, part in enumerate(parts):
        slope = np.zeros(np.shape(part))
        for i in np.ndindex(np.shape(part)):
            step = np.zeros(np.shape(part))
            step[i] = h
            ends = [f(unflatten(x, [*parts[:k], part + s * step, *parts[k + 1 :]])) for s in (1, -1)]
            slope[i] = (ends[0] - ends[1]) / (2 * h)
        found.append(slope)
    return found


def is_right(got, wanted):
    return all(np.allclose(a, b, rtol=2e-6, atol=2e-7) for a, b in zip(got, wanted, strict=True))


def load():
    blocks = Path(__file__).with_name("snippets.txt").read_text().split("## ")[1:]
    for block in blocks:
        head, _, body = block.partition("\n")
        name, kind = head.split()
        lines = body.rstrip("\n").split("\n")
        refusal = lines.pop(0)[2:] if lines[0].startswith("! ") else ""
        yield Snippet(name, INPUTS[kind], "\n".join(lines), refusal)


SNIPPETS = list(load())


def main():
    count = Counter()
    for snippet in SNIPPETS:
        try:
            got, wanted = snippet.gradients()
        except Exception as error:
            outcome = "refused" if snippet.refusal and snippet.refusal in str(error) else "UNCLEAR"
            print(f"{snippet.name}: {type(error).__name__}: {error}")
        else:
            outcome = "right" if is_right(got, wanted) else "WRONG"
            if outcome == "WRONG":
                print(f"{snippet.name}: {outcome}, {got} and not {wanted}")
        count[outcome] += 1
    print(", ".join(f"{n} {outcome}" for outcome, n in count.items()))


if __name__ == "__main__":
    main()
