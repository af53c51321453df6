"""Pictures: recorded computations with every value and gradient, and what a training gave."""

from handgrad.view.html import html_of
from handgrad.view.pages import TooLarge
from handgrad.view.showing import Pair, Picture, show, show_training
from handgrad.view.training.charts import curves, scatter
from handgrad.view.training.matrix import confusion
from handgrad.view.training.rates import rates

__all__ = [
    "Pair",
    "Picture",
    "TooLarge",
    "confusion",
    "curves",
    "html_of",
    "rates",
    "scatter",
    "show",
    "show_training",
]
