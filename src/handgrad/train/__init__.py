"""Training: the trainer, its checkpoints, and runs as folders."""

from handgrad.train.diagnosis import NonFiniteError
from handgrad.train.folder import FolderError
from handgrad.train.history import History
from handgrad.train.measuring import predict
from handgrad.train.metrics import TopK, confusion_counts, correct
from handgrad.train.norms import gradient_norms
from handgrad.train.penalties import l1, l2
from handgrad.train.progress import CheckpointError, Progress
from handgrad.train.rate_finder import find_rate
from handgrad.train.run import Run, RunError, load_run
from handgrad.train.scores import AUC, F1, R2, CalibrationError, Score
from handgrad.train.trainer import Interrupted, Trainer

__all__ = [
    "AUC", "F1", "R2", "CalibrationError", "CheckpointError", "FolderError", "History", "Interrupted",
    "NonFiniteError", "Progress", "Run", "RunError", "Score", "TopK", "Trainer", "confusion_counts",
    "correct", "find_rate", "gradient_norms", "l1", "l2", "load_run", "predict",
]  # fmt: skip
