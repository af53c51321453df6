"""Networks as estimators of scikit-learn, which is needed: ``NetworkClassifier`` and ``NetworkRegressor``."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("sklearn") is None:
    raise ImportError('handgrad.sklearn needs scikit-learn: pip install "handgrad[sklearn]"')

from handgrad.sklearn.classifier import NetworkClassifier
from handgrad.sklearn.regressor import NetworkRegressor

__all__ = ["NetworkClassifier", "NetworkRegressor"]
