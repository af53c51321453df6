"""Pictures: recorded computations with every value and gradient, and what a training gave."""

from handgrad.view.charts import curves, scatter
from handgrad.view.html import html_of
from handgrad.view.matrix import confusion
from handgrad.view.pages import TooLarge
from handgrad.view.showing import Pair, Picture, show

__all__ = ["Pair", "Picture", "TooLarge", "confusion", "curves", "html_of", "scatter", "show"]
