"""What notebooks show of a variable, a layer, a network: small, and without scripts."""

from __future__ import annotations

from html import escape
from typing import Any

from handgrad.arrays import shape, size, stripped
from handgrad.layers import Layer
from handgrad.tape import Variable
from handgrad.view.recording import OPEN, nodes_below, record
from handgrad.view.still.drawing import svg
from handgrad.view.summary import short, spelled_shape, summary
from handgrad.view.svg import COLOURS
from handgrad.view.thumbnails import data_uri

FONT = "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5"
CELL = "padding:2px 12px 2px 0;text-align:left;vertical-align:middle"
PICTURE = "image-rendering:pixelated;vertical-align:middle;border:1px solid #8886"
ROWS = 60  # of a table of layers; what is more is counted


def html_of(thing: Variable | Layer) -> str:
    """A variable with its gradient and the graph behind it; a layer with its parameters.

    Examples:
        >>> hg.view.html_of(hg.variable(np.ones(3), name="x"))[:5]
        '<div '
    """
    return _layer(thing) if isinstance(thing, Layer) else _variable(thing)


def _variable(x: Variable) -> str:
    rows = [_row("value", stripped(x.value), "forward")]
    if x.grad is not None:
        rows.append(_row("gradient", stripped(x.grad), "backward"))
    head = f"<b>{escape(x.name)}</b> " if x.name else ""
    told = f"{head}<span style='opacity:.7'>Variable {escape(str(shape(x)))} {escape(str(x.dtype))}</span>"
    table = _table(rows)
    if x.node.rule is None:
        return f'<div style="{FONT}">{told}{table}</div>'
    count = len(nodes_below([x], x.level))
    drawn = _graph(x) if count <= OPEN else f"<i>{count:,} rules: handgrad.show(...)</i>"
    return f'<div style="{FONT}">{told}{table}{drawn}</div>'


def _graph(x: Variable) -> str:
    """The graph behind a variable, or why there is none: its value is shown whatever its backward does."""
    try:
        return svg(record(x))
    except (ValueError, TypeError) as error:
        return f"<i>{escape(str(error))}</i>"


def _layer(net: Layer) -> str:
    """A row for each parameter and state, by layer; layers without any have a row of their own."""
    rows: list[str] = []
    for path, layer in net.walk():
        name = escape(f"{path} {layer.describe()}".strip())
        arrays = [(key, x) for key, x in layer.params.items()]
        arrays += [(f"{key} (state)", x) for key, x in layer.state.items()]
        rows += [_row(f"{name} {escape(key)}", x, "forward") for key, x in arrays]
        if not arrays and path:
            rows.append(f'<tr><td style="{CELL}" colspan="4">{name}</td></tr>')
    more = f"<p>and {len(rows) - ROWS:,} rows more</p>" if len(rows) > ROWS else ""
    count = sum(size(x) for x in net.parameters().values())
    head = f"<b>{escape(net.describe())}</b>, {count:,} parameters"
    return f'<div style="{FONT}">{head}{_table(rows[:ROWS])}{more}</div>'


def _row(name: str, x: Any, look: str) -> str:
    told = summary(x)
    picture = ""
    if told.thumb is not None:
        height, width = told.thumb.levels.shape
        scale = max(1, min(64 // width, 42 // height))
        picture = (
            f'<img alt="" src="{data_uri(told.thumb)}" width="{max(width * scale, 8)}" '
            f'height="{max(height * scale, 8)}" style="{PICTURE}">'
        )
    is_more = told.size > 1 and not told.not_finite
    mean = f"mean {short(told.mean)}, norm {short(told.norm)}" if is_more else ""
    cells = (name, picture, spelled_shape(told.shape), escape(told.text), mean)
    colour = COLOURS[look][1]
    return f'<tr style="color:{colour}">{"".join(f"<td style={CELL!r}>{cell}</td>" for cell in cells)}</tr>'


def _table(rows: list[str]) -> str:
    return f'<table style="border-collapse:collapse">{"".join(rows)}</table>'
