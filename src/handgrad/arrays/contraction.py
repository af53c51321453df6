"""Sums of products, said by letters: each letter an axis, ``"ij,jk->ik"`` a product of matrices."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

from handgrad.arrays.dispatch import xp
from handgrad.arrays.questions import shape

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
Shape = tuple[int, ...]


def spelled(subscripts: str, shapes: list[Shape]) -> tuple[list[str], str]:
    """The letters of each array and of the result, an ellipsis spelled out in letters that are free.

    Raises:
        ValueError: there are not as many arrays, an array has not as many axes, or the result names an axis
            that no array has.
    """
    left, arrow, target = subscripts.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(shapes):
        raise ValueError(f"{subscripts!r} names {len(inputs)} arrays, and {len(shapes)} came")
    free = [letter for letter in LETTERS if letter not in subscripts]
    longest = 0
    for k, (letters, own) in enumerate(zip(inputs, shapes, strict=True)):
        if "..." in letters:
            count = len(own) - len(letters) + 3
            longest = max(longest, count)
            inputs[k] = letters.replace("...", "".join(reversed(free[: max(count, 0)])))
        if len(inputs[k]) != len(own):
            raise ValueError(f"{letters!r}, of {subscripts!r}, does not fit an array of shape {own}")
    ellipsis = "".join(reversed(free[:longest]))
    if not arrow:
        target = "..." + "".join(sorted(i for i in set(left) - set(".,") if left.count(i) == 1))
    target = target.replace("...", ellipsis)
    unknown = set(target) - set("".join(inputs))
    if unknown or len(set(target)) < len(target):
        raise ValueError(f"the result of {subscripts!r} has each letter of the arrays once, or not at all")
    return inputs, target


def sizes_of(inputs: list[str], shapes: list[Shape]) -> dict[str, int]:
    """How long the axis of each letter is.

    Raises:
        ValueError: a letter stands for axes of two sizes.
    """
    sizes: dict[str, int] = {}
    for letters, own in zip(inputs, shapes, strict=True):
        for letter, n in zip(letters, own, strict=True):
            if sizes.setdefault(letter, n) != n:
                raise ValueError(f"{letter!r} stands for axes of {sizes[letter]} and of {n}")
    return sizes


def are_distinct(inputs: list[str]) -> bool:
    """Whether no array has a letter twice, which would be its diagonal."""
    return all(len(set(letters)) == len(letters) for letters in inputs)


def in_pairs(subscripts: str, arrays: list[Any], contract: Callable[[str, Any, Any], Any]) -> Any:
    """Arrays contracted two at a time, those first that make the smallest."""
    shapes = [shape(x) for x in arrays]
    inputs, target = spelled(subscripts, shapes)
    sizes = sizes_of(inputs, shapes)
    if not are_distinct(inputs):
        raise ValueError(
            f"{subscripts!r} has a letter twice in one array, which is its diagonal: take it first"
        )
    terms = list(zip(inputs, arrays, strict=True))

    def made_of(pair: tuple[int, int]) -> str:
        rest = {i for k, (letters, _) in enumerate(terms) if k not in pair for i in letters}
        both = dict.fromkeys(terms[pair[0]][0] + terms[pair[1]][0])
        return "".join(i for i in both if i in rest or i in target)

    while len(terms) > 2:
        pairs = itertools.combinations(range(len(terms)), 2)
        first, second = min(pairs, key=lambda pair: math.prod(sizes[i] for i in made_of(pair)))
        letters = made_of((first, second))
        (a, x), (b, y) = terms[first], terms[second]
        made = letters, contract(f"{a},{b}->{letters}", x, y)
        terms = [made, *(term for k, term in enumerate(terms) if k not in (first, second))]
    if len(terms) == 2:
        (a, x), (b, y) = terms
        return contract(f"{a},{b}->{target}", x, y)
    letters, x = terms[0]
    gone = tuple(k for k, i in enumerate(letters) if i not in target)
    left = [i for i in letters if i in target]
    return ordered(_call, xp.sum(x, axis=gone) if gone else x, left, target)


def _call(name: str, *args: Any, **options: Any) -> Any:
    return getattr(xp, name)(*args, **options)


def ordered(call: Callable, x: Any, letters: Any, target: Any) -> Any:
    """An array's axes in another order, each named by a letter."""
    axes = tuple(letters.index(i) for i in target)
    return x if axes == tuple(range(len(axes))) else call("permute_dims", x, axes)


def by_product(subscripts: str, x: Any, y: Any, call: Callable = _call) -> Any:
    """Two arrays contracted by one product of matrices: batch, rows of x, columns of y.

    What only one array has and the result has not is summed first; where nothing is summed over both, it is
    an elementwise product. ``call(name, *args)`` makes each operation.
    """
    (a, b), target = spelled(subscripts, [shape(x), shape(y)])
    sizes = sizes_of([a, b], [shape(x), shape(y)])
    a, x = _alone(call, a, x, b + target)
    b, y = _alone(call, b, y, a + target)
    both = [i for i in a if i in b]
    batch, summed = [i for i in both if i in target], [i for i in both if i not in target]
    rows, columns = [i for i in a if i not in b], [i for i in b if i not in a]

    if not summed:
        return call("multiply", _spread(call, x, a, target, sizes), _spread(call, y, b, target, sizes))

    def folded(x: Any, letters: str, *groups: list[str]) -> Any:
        x = ordered(call, x, letters, [i for group in groups for i in group])
        return _reshaped(call, x, tuple(math.prod(sizes[i] for i in group) for group in groups))

    lead = [batch] if batch else []
    made = call("matmul", folded(x, a, *lead, rows, summed), folded(y, b, *lead, summed, columns))
    letters = [*batch, *rows, *columns]
    return ordered(call, _reshaped(call, made, tuple(sizes[i] for i in letters)), letters, target)


def _spread(call: Callable, x: Any, letters: str, target: str, sizes: dict[str, int]) -> Any:
    """An array with an axis for each letter of the result, of size one where it has none."""
    x = ordered(call, x, letters, [i for i in target if i in letters])
    return _reshaped(call, x, tuple(sizes[i] if i in letters else 1 for i in target))


def _alone(call: Callable, letters: str, x: Any, needed: str) -> tuple[str, Any]:
    """An array summed over the axes that nothing else has."""
    gone = tuple(k for k, i in enumerate(letters) if i not in needed)
    return "".join(i for i in letters if i in needed), call("sum", x, axis=gone) if gone else x


def _reshaped(call: Callable, x: Any, target: Shape) -> Any:
    return x if shape(x) == target else call("reshape", x, target)


def letters_of_tensordot(nx: int, ny: int, axes: Any = 2) -> tuple[str, str, str]:
    """The letters of x, y and the result, for a sum over as many of the last axes of x and the first of y as
    ``axes`` says, or over those that it names.

    Raises:
        ValueError: it does not name as many axes of x as of y.
    """
    if hasattr(axes, "__index__"):
        axes = (range(nx - int(axes), nx), range(int(axes)))
    of_x, of_y = ([a] if hasattr(a, "__index__") else list(a) for a in axes)
    if len(of_x) != len(of_y):
        raise ValueError(f"axes name {len(of_x)} axes of x and {len(of_y)} of y")
    letters = iter(LETTERS)
    a = [next(letters) for _ in range(nx)]
    b = [next(letters) for _ in range(ny)]
    for i, j in zip(of_x, of_y, strict=True):
        b[j] = a[i]
    target = [i for i in a if i not in b] + [i for i in b if i not in a]
    return "".join(a), "".join(b), "".join(target)
