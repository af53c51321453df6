"""A live page as one HTML file: the page of its graph, with the module that computes it."""

from __future__ import annotations

from typing import Any

from handgrad.view.graph import Graph
from handgrad.view.live.describing import WHOLE, described
from handgrad.view.live.following import Followed
from handgrad.view.live.training import Training, told
from handgrad.view.pages import COLOURS, LIMIT, TooLarge, compressed, document
from handgrad.view.store import Store


def live_page(graph: Graph, followed: Followed, training: Training | None = None, limit: int = LIMIT) -> str:
    """A recording as an HTML document that computes it again whenever one of its numbers changes.

    Args:
        training: what the network is trained by, in the page.

    Raises:
        NotLive: it cannot be computed in a page.
        TooLarge: the page would be larger than ``limit``.
    """
    store = Store(WHOLE)
    said, module = described(graph, followed, store)
    content: dict[str, Any] = {
        "title": graph.title,
        "colours": COLOURS,
        "language": graph.language,
        "graphs": [said],
        "live": module,
    }
    if training is not None:
        content["training"] = told(training, store)
    packed = compressed(content, store)
    if len(packed) > limit:
        raise TooLarge(
            f"the page would be {len(packed) / 1e6:,.1f} MB, and its limit is {limit / 1e6:,.1f} MB: "
            f"show a part of the computation, fewer examples, or allow a larger limit"
        )
    return document(graph.title, packed, is_live=True)
