"""``np.linalg`` with recorded arrays: the call, the shapes of its inputs, and where they are drawn."""

import numpy as np

from ..rules.cases.linalg import near
from ..rules.draws import normal

LINALG_CALLS = {
    "linalg.cholesky": (lambda x: np.linalg.cholesky(x), [(2, 3, 3)], near),
    "linalg.cholesky-upper": (lambda x: np.linalg.cholesky(x, upper=True), [(3, 3)], near),
    "linalg.cond": (lambda x: np.linalg.cond(x), [(2, 3, 3)], near),
    "linalg.cond-of-order": (
        lambda x: np.linalg.cond(x, 1) + np.linalg.cond(x, "fro") * np.linalg.cond(x, -2), [(3, 3)], near,
    ),
    "linalg.det": (lambda x: np.linalg.det(x), [(2, 3, 3)], near),
    "linalg.eigh": (lambda x: np.linalg.eigh(x).eigenvectors, [(3, 3)], near),
    "linalg.eigh-upper": (lambda x: np.linalg.eigh(x, "U")[1], [(2, 3, 3)], near),
    "linalg.eigvalsh": (lambda x: np.linalg.eigvalsh(x), [(3, 3)], near),
    "linalg.eigvalsh-upper": (lambda x: np.linalg.eigvalsh(x, UPLO="U"), [(3, 3)], near),
    "linalg.inv": (lambda x: np.linalg.inv(x), [(2, 3, 3)], near),
    "linalg.lstsq": (lambda x, y: np.linalg.lstsq(x, y)[0], [(4, 2), (4, 3)], near),
    "linalg.lstsq-rest": (lambda x, y: np.linalg.lstsq(x, y)[1], [(4, 2), (4, 3)], near),
    "linalg.lstsq-values": (lambda x, y: np.linalg.lstsq(x, y[:, 0])[3], [(2, 3), (2, 1)], near),
    "linalg.matrix_power-negative": (lambda x: np.linalg.matrix_power(x, -2), [(2, 2)], near),
    "linalg.matrix_power-zero": (lambda x: np.linalg.matrix_power(x, 0) + x, [(2, 2, 2)], near),
    "linalg.matrix_rank": (lambda x: x * np.linalg.matrix_rank(x), [(3, 2)], near),
    "linalg.pinv": (lambda x: np.linalg.pinv(x), [(2, 3, 2)], near),
    "linalg.pinv-rtol": (lambda x: np.linalg.pinv(x, rtol=1e-10), [(2, 3)], near),
    "linalg.qr": (lambda x: np.linalg.qr(x).Q, [(4, 3)], near),
    "linalg.qr-r": (lambda x: np.linalg.qr(x, "r"), [(2, 3, 3)], near),
    "linalg.qr-complete": (lambda x: np.linalg.qr(x, mode="complete")[1], [(2, 3)], near),
    "linalg.slogdet": (lambda x: np.linalg.slogdet(x).logabsdet * np.linalg.slogdet(x)[0], [(3, 3)], near),
    "linalg.solve": (lambda x, y: np.linalg.solve(x, y), [(2, 3, 3), (3, 2)], near),
    "linalg.svd": (lambda x: np.linalg.svd(x, full_matrices=False).U, [(4, 3)], near),
    "linalg.svd-square": (lambda x: np.linalg.svd(x)[2], [(3, 3)], near),
    "linalg.svd-values": (lambda x: np.linalg.svd(x, compute_uv=False), [(2, 3)], near),
    "linalg.svdvals": (lambda x: np.linalg.svdvals(x), [(3, 2)], near),
    "linalg.tensorinv": (
        lambda x: np.linalg.tensorinv(np.reshape(x, (2, 2, 4))), [(4, 4)], near,
    ),
    "linalg.tensorsolve": (
        lambda x, y: np.linalg.tensorsolve(np.reshape(x, (2, 2, 4)), y), [(4, 4), (2, 2)], near,
    ),
    "linalg.tensorsolve-axes": (
        lambda x, y: np.linalg.tensorsolve(np.reshape(x, (2, 4, 2)), y, axes=(1,)), [(4, 4), (2, 2)], normal,
    ),
    "norm-two-of-matrix": (lambda x: np.linalg.norm(x, 2), [(3, 2)], near),
    "norm-least": (lambda x: np.linalg.norm(x, -2, axis=(0, 2), keepdims=True), [(3, 2, 2)], near),
    "norm-nuclear": (lambda x: np.linalg.norm(x, "nuc", axis=(2, 0)), [(3, 2, 2)], near),
    "norm-zero": (lambda x: np.linalg.norm(x, 0) * x, [(3,)], normal),
    "norm-negative": (lambda x: np.linalg.norm(x + 9.0, -2.5, axis=0), [(3, 2)], normal),
    "vector_norm-three": (lambda x: np.linalg.vector_norm(x, ord=3), [(3, 2)], near),
}  # fmt: skip
