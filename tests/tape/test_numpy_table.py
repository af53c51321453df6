"""docs/numpy.md: every public function of NumPy's, and what it is for recorded arrays. True, and complete.

python -m tests.tape.test_numpy_table    writes it anew
"""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.tape.functions import TABLE, values
from handgrad.tape.interception import numpy_takes_recorded
from handgrad.tape.numpy_functions import WITHOUT_DERIVATIVE
from handgrad.tape.unrecorded import NO_ARRAYS, REASONS, reason
from handgrad.tree import leaves

DOCUMENT = Path(__file__).parents[2] / "docs" / "numpy.md"
HOMES = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft}
RECORDED, PLAIN = "recorded", "no derivative: a plain result"
NOTHING = "takes no arrays of real numbers"

HEAD = """# NumPy's functions on recorded arrays

Every public function of `np`, `np.linalg` and `np.fft`, as `python -m tests.tape.test_numpy_table` finds
them in NumPy {version}: {recorded} are recorded, with NumPy's own arguments; {plain} have no derivative,
and give plain results; {refused} are refused, with the reason that the error says; {nothing} take no arrays
of real numbers. Recorded are also `np.r_`, `np.c_`, `reduce` and `accumulate` of add, multiply, maximum and
minimum, `logaddexp.reduce`, and `outer` of any ufunc that is recorded. A test holds the table to what is
there.

`np.linalg.cholesky`, `eigh` and `eigvalsh` read one triangle, and so the gradient lies in it, twice what
it is where it is divided among both, as `hg.cholesky` and `hg.eigh` have it, which take the symmetric part.

| function | |
|---|---|
"""


def functions():
    """Names as people write them, ``np.linalg.inv``, with NumPy's own function."""
    found = {}
    for home, module in HOMES.items():
        for name in module.__all__:
            function = getattr(module, name)
            if module is np:  # where others may stand, while something is recorded
                function = numpy_takes_recorded.before.get(name, function)
            if callable(function) and not isinstance(function, type):
                found[f"{home}.{name}"] = function
    return dict(sorted(found.items()))


FUNCTIONS = functions()


def status(name):
    function = FUNCTIONS[name]
    if name in NO_ARRAYS:
        return NOTHING
    if function in values.TABLE or function in WITHOUT_DERIVATIVE:
        return PLAIN
    if function in TABLE:
        return RECORDED
    why = reason(name)
    return "?" if why is None else f"refused: {why}"


def rows():
    return {name: status(name) for name in FUNCTIONS}


def kinds(found):
    return Counter(row.partition(":")[0] for row in found.values())


def document():
    found = rows()
    count = kinds(found)
    head = HEAD.format(
        recorded=count[RECORDED],
        plain=count["no derivative"],
        refused=count["refused"],
        nothing=count[NOTHING],
        version=".".join(np.__version__.split(".")[:2]),
    )
    return head + "".join(f"| `{name}` | {row} |\n" for name, row in found.items())


@pytest.mark.skipif(not np.__version__.startswith("2.4"), reason="other NumPys have other functions")
def test_the_document_says_what_is_there():
    assert DOCUMENT.read_text(encoding="utf-8") == document()


def test_every_function_has_its_place():
    assert [name for name, row in rows().items() if row == "?"] == []
    known = {name for names in REASONS.values() for name in names.split()} | set(NO_ARRAYS)
    assert sorted(known - FUNCTIONS.keys()) == []
    assert kinds(rows())[RECORDED] > 230


V, W = hg.variable(np.array([1.5, 2.5, 0.5])), hg.variable(np.eye(2) + 0.1)
WAYS = [
    (V,),
    (W,),
    (V, 1),
    (V, V),
    ([V, V],),
    (W, W),
    (V, [0], V),
    (V[0],),
    (V[0], 2),
    (np.abs, V),
    ([[W, W]],),
]
WRITES = {
    "np.copyto": (np.ones(3), V),
    "np.fill_diagonal": (np.ones((3, 3)), V),
    "np.put": (np.ones(3), [0, 1, 2], V),
    "np.place": (np.ones(3), [True, False, True], V),
    "np.putmask": (np.ones(3), [True, False, True], V),
    "np.put_along_axis": (np.ones(3), np.arange(3), V, 0),
}


def attempts(name):
    """What a function gives for recorded arrays, called in the ways that functions are."""
    for args in [WRITES[name]] if name in WRITES else WAYS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield FUNCTIONS[name](*args)
        except Exception as error:
            yield error


REFUSED = [name for name, row in rows().items() if row.startswith("refused")]
WRITING = {"np.save", "np.savetxt", "np.savez", "np.savez_compressed"}


@pytest.mark.parametrize("name", sorted(set(REFUSED) - WRITING))
def test_what_is_refused_gives_no_numbers(name):
    """It raises a TypeError where it is called as it should be, and never gives numbers."""
    found = list(attempts(name))
    assert any(isinstance(made, TypeError) for made in found)
    for made in found:
        assert [x for x in leaves(made) if getattr(x, "dtype", np.dtype(int)).kind in "fc"] == []


@pytest.mark.parametrize("name", [name for name, row in rows().items() if row == PLAIN])
def test_what_has_no_derivative_gives_plain_results(name):
    found = list(attempts(name))
    assert not any(isinstance(x, hg.Variable) for made in found for x in leaves(made))
    is_of_integers = any(part in name for part in ("bitwise", "shift", "invert", "gcd", "lcm"))
    assert is_of_integers or not all(isinstance(made, TypeError) for made in found)


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
