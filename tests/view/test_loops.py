"""Boxes of turns are called as the author's loop stands in the code."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.view.loops import loop_around, loops_in
from handgrad.view.recording import record

CODE = """
for t in range(20):
    h = tanh(x[t])
    while h < 2:
        h = (
            sin(h)
        )
    h = h * 2
else:
    h = cos(h)
ys = [f(a, b) for a in h
      for b in ys if b]
for x in xs: y = [g(z) for z in x]
"""


@pytest.fixture
def code(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(CODE)
    return str(path)


@pytest.mark.parametrize(
    ("lines", "loop"),
    [
        ([3], "for t in range(20)"),
        ([3, 8], "for t in range(20)"),
        ([6], "while h < 2"),
        ([3, 6, 8], "for t in range(20)"),
        ([10], ""),
        ([3, 10], ""),
        ([11], "for a in h for b in ys if b"),
        ([12, 11], "for a in h for b in ys if b"),
        ([13], ""),  # in both, or beside one of them
        ([1], ""),
    ],
)
def test_the_innermost_loop_around_all(code, lines, loop):
    assert loop_around([[(code, line)] for line in lines]) == loop


def test_what_is_called_in_a_loop_is_in_it(code):
    """By a function of another file, from two lines of the loop."""
    assert loop_around([[("other.py", 1), (code, 3)], [("other.py", 1), (code, 8)]]) == "for t in range(20)"


def test_a_loop_inside_is_known_already(code):
    assert loop_around([[(code, 6)]], frozenset(["while h < 2"])) == "for t in range(20)"


def test_of_what_is_no_python_nothing_is_said():
    assert loops_in("%timeit f(x)\nfor x in") == ()
    assert loop_around([[("<stdin>", 1)]]) == ""


def test_loops_of_a_recording():
    def f(x):
        for _ in range(5):
            for _k in range(6):
                x = hg.sin(x)
            x = x * 2.0
        return x

    (outer,) = record(f, np.float64(0.5)).root.boxes
    assert outer.title == "for _ in range(5)"
    assert outer.boxes[0].title == "turn 1 of 5"
    assert [box.title for turn in outer.boxes for box in turn.boxes] == ["for _k in range(6)"] * 5
