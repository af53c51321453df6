"""Training: the trainer, its checkpoints, and runs as folders."""

from handgrad.train.diagnosis import NonFiniteError
from handgrad.train.folder import FolderError
from handgrad.train.measuring import predict
from handgrad.train.metrics import confusion_counts, correct
from handgrad.train.norms import gradient_norms
from handgrad.train.penalties import l1, l2
from handgrad.train.progress import CheckpointError, Progress
from handgrad.train.run import Run, RunError, load_run
from handgrad.train.trainer import Interrupted, Trainer

__all__ = [
    "CheckpointError", "FolderError", "Interrupted", "NonFiniteError", "Progress", "Run", "RunError",
    "Trainer", "confusion_counts", "correct", "gradient_norms", "l1", "l2", "load_run", "predict",
]  # fmt: skip
