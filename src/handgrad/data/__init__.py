"""Data: built-in sets, users' files, splits, preparation, batches."""

from handgrad.data.batches import batches, permutation
from handgrad.data.builtin import BUILT_IN
from handgrad.data.dataset import Dataset, Table
from handgrad.data.errors import DataError, DataWarning
from handgrad.data.fingerprints import Fingerprints
from handgrad.data.frames import from_frame, of_frame
from handgrad.data.prepare import Preparation, TargetScale
from handgrad.data.rows import Rows
from handgrad.data.sources import load
from handgrad.data.splits import folds, split_rows

__all__ = [
    "BUILT_IN",
    "DataError",
    "DataWarning",
    "Dataset",
    "Fingerprints",
    "Preparation",
    "Rows",
    "Table",
    "TargetScale",
    "batches",
    "folds",
    "from_frame",
    "load",
    "of_frame",
    "permutation",
    "split_rows",
]
