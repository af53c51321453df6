"""Networks as estimators of scikit-learn, which is needed: ``NetworkClassifier`` and ``NetworkRegressor``."""

from __future__ import annotations

try:
    import sklearn as _  # noqa: F401
except ImportError:
    raise ImportError('handgrad.sklearn needs scikit-learn: pip install "handgrad[sklearn]"') from None

from handgrad.sklearn.classifier import NetworkClassifier
from handgrad.sklearn.regressor import NetworkRegressor

__all__ = ["NetworkClassifier", "NetworkRegressor"]
