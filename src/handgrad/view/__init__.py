"""Pictures of a training: standalone SVG documents, light and dark, on NumPy alone."""

from handgrad.view.charts import curves, scatter
from handgrad.view.matrix import confusion

__all__ = ["confusion", "curves", "scatter"]
