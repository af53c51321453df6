"""Groups, heads and channels that have nothing to do with one another, mixed by the backward.

Where the Jacobian is made of blocks along an axis, each group of outputs comes from one group of the input
alone. A backward that mixes them takes the blocks, or the parts of dout, of other groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from handgrad.checking.causes.evidence import Evidence
from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kinds import Kind

LARGEST = 1_000_000  # elements of a Jacobian that is looked at


@dataclass
class Groups:
    """The places of each group along one axis of the input, (groups, size), and along one of the output."""

    axis: int
    columns: np.ndarray
    rows: np.ndarray
    width: int  # along the axis, of one group

    def blocks(self, J: np.ndarray) -> np.ndarray:
        """(groups, outputs of one, inputs of one)"""
        return np.stack([J[np.ix_(r, c)] for r, c in zip(self.rows, self.columns, strict=True)])


def groups(e: Evidence) -> Iterator[Cause]:
    """The blocks of the first group for all, dout of another, one group's gradient in another's place."""
    if not e.is_whole or e.J is None or e.out_shape is None or e.is_diagonal or e.J.size > LARGEST:
        return
    for found in independent(e.J, e.shape, e.out_shape):
        blocks = found.blocks(e.J)
        if np.allclose(blocks, blocks[0]):
            continue  # examples, which all have the same Jacobian
        for said, mix in MIXTURES.items():
            is_narrow = found.width == 1 and mix in OF_WIDE
            if not is_narrow and e.fits(partial(_gradient, e, found, mix, blocks)):
                yield _mixed(e, found, said, Explains.NUMBERS)
                return
        if found.width > 1 and _leaks(e, found):
            yield _mixed(e, found, "depends on the dout of other groups", Explains.SOME)
            return


def _mixed(e: Evidence, found: Groups, said: str, explains: Explains) -> Cause:
    many = f"the {len(found.rows)} groups along axis {found.axis} of {e.name} are independent"
    return e.cause(Kind.GROUP, f"{many}; in {e.d} each {said}", explains)


def independent(J: np.ndarray, inner: tuple[int, ...], outer: tuple[int, ...]) -> Iterator[Groups]:
    """Every way in which the Jacobian falls apart into groups along an axis, into as many as there are."""
    rows, columns = np.nonzero(J)
    for axis, n in enumerate(inner):
        for other, m in enumerate(outer):
            for count in range(np.gcd(n, m), 1, -1):
                if n % count or m % count:
                    continue
                of_column, of_row = _numbers(inner, axis, count), _numbers(outer, other, count)
                if np.array_equal(of_row[rows], of_column[columns]):
                    yield Groups(axis, _places(of_column, count), _places(of_row, count), n // count)
                    break


def _numbers(shape: tuple[int, ...], axis: int, count: int) -> np.ndarray:
    """The number of the group of each element."""
    along = np.arange(shape[axis]) // (shape[axis] // count)
    return np.broadcast_to(along.reshape((-1,) + (1,) * (len(shape) - 1 - axis)), shape).ravel()


def _places(numbers: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(numbers, kind="stable").reshape(count, -1)


Mixture = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of dout and the blocks, each by group


def _product(u: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    return np.einsum("gi,gij->gj", u, np.broadcast_to(blocks, (len(u), *blocks.shape[1:])))


def _gradient(e: Evidence, found: Groups, mix: Mixture, blocks: np.ndarray, u: np.ndarray) -> np.ndarray:
    made = np.zeros(e.x.size)
    made[found.columns] = mix(u[found.rows], blocks)
    return made.reshape(e.shape)


def _first_for_all(u: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    return _product(u, blocks[:1])


def _all_blocks(u: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    return _product(u, blocks.sum(0, keepdims=True))


def _all_douts(u: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    return _product(np.broadcast_to(u.sum(0), u.shape), blocks)


def _first_only(u: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    made = _product(u, blocks)
    made[1:] = 0
    return made


def _exchanged(u: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    return _product(u, blocks)[::-1]


def _douts_exchanged(u: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    return _product(u[::-1], blocks)


def _blocks_exchanged(u: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    return _product(u, blocks[::-1])


MIXTURES: dict[str, Mixture] = {
    "takes the derivative of the first": _first_for_all,
    "takes the derivatives of all together": _all_blocks,
    "takes the dout of all together": _all_douts,
    "but the first gets nothing": _first_only,
    "stands in the place of another": _exchanged,
    "takes the dout of another": _douts_exchanged,
    "takes the derivative of another": _blocks_exchanged,
}
OF_WIDE = (_first_only, _exchanged, _douts_exchanged, _blocks_exchanged)  # of one row, these say other things


def _leaks(e: Evidence, found: Groups) -> bool:
    """Whether a dout that is zero but in one group has a gradient in the others."""
    u = np.zeros_like(e.douts[0])
    u[found.rows[0]] = e.douts[0][found.rows[0]]
    others = e.backward(u).ravel()[found.columns[1:]]
    return bool(np.max(np.abs(others), initial=0.0) > 1e-6 * np.max(np.abs(e.got[0])))
