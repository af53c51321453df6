"""``show``: from a computation to its picture, in one call."""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from os import PathLike, environ
from pathlib import Path
from typing import Any

from handgrad.files import write_atomically
from handgrad.view.checking import Checks
from handgrad.view.graph import Graph
from handgrad.view.pages import LIMIT, framed, page
from handgrad.view.recording import record
from handgrad.view.sentences import LANGUAGES, check_said
from handgrad.view.still.drawing import svg
from handgrad.view.summary import as_numpy
from handgrad.view.tree import tree

CHECKED = 2.0  # seconds for the checker, by default


class Picture:
    """A recorded computation, with every value and gradient, to be looked at.

    In a notebook it is a page to step through; ``print`` shows it as a tree; ``save`` writes the page and
    ``svg`` a still picture of it.

    Examples:
        >>> picture = hg.show(lambda x1, x2, x3: x1 * x2 + x3, 100, 2, 300)
        >>> print(picture)
        <lambda>                        value  gradient
        ├ x1: input          number     100    2
        ├ x2: input          number     2      100
        ├ multiply(x1, x2)   -> number  200    1         proven to ... digits
        ├ x3: input          number     300    1
        └ add(multiply, x3)  -> number  500    1         proven to ... digits
        <BLANKLINE>
    """

    def __init__(self, graph: Graph):
        self.graph = graph

    def __str__(self) -> str:
        return tree(self.graph, colour=has_colour())

    __repr__ = __str__

    def html(self, limit: int = LIMIT) -> str:
        """The page, an HTML document that needs nothing else.

        Raises:
            TooLarge: it would be larger than ``limit`` bytes.
        """
        return page(self.graph, limit=limit)

    def save(self, path: str | PathLike[str], limit: int = LIMIT) -> Path:
        """Write the page to a name in .html, or the still picture to one in .svg.

        Raises:
            ValueError: the name ends in neither.
            TooLarge: the page would be larger than ``limit`` bytes.
        """
        path = Path(path)
        if path.suffix not in (".html", ".svg"):
            raise ValueError(f"{path}: the name ends in .html for the page or in .svg for the still picture")
        return written(path, self.svg() if path.suffix == ".svg" else self.html(limit))

    def svg(
        self, path: str | PathLike[str] | None = None, *, of: str | None = None, depth: int | None = None
    ) -> str:
        """A still picture for papers and slides, written to ``path`` if there is one.

        Args:
            path: a file to write.
            of: the name of a layer to draw alone.
            depth: how many levels of boxes are open; by default as many as are clear.

        Raises:
            ValueError: no layer has that name, or there is more to draw than a picture holds.
        """
        drawn = svg(self.graph, depth, of)
        if path is not None:
            written(Path(path), drawn)
        return drawn

    def beside(self, other: Picture, title: str | None = None) -> Pair:
        """This one and another on one page, nodes matched by name and differences marked."""
        return Pair(self, other, title)

    def open(self) -> Path:
        """Write the page to a temporary file, and show it in the browser."""
        path = self.save(Path(tempfile.mkdtemp(prefix="handgrad-")) / "page.html")
        webbrowser.open(path.as_uri())
        return path

    def _repr_html_(self) -> str:
        return framed(self.html(), tree(self.graph, colour=False), still=self.still())

    def still(self) -> str:
        """The still picture, for where a page does not run; nothing where it would hold too much."""
        try:
            return svg(self.graph)
        except ValueError:
            return ""


class LivePicture(Picture):
    """A picture whose page computes: each of its inputs, parameters and targets can be changed there."""

    def __init__(self, graph: Graph, followed: Any, training: Any = None):
        super().__init__(graph)
        self.followed, self.training = followed, training

    def html(self, limit: int = LIMIT) -> str:
        """The page, an HTML document that needs nothing else.

        Raises:
            NotLive: an operation has no code in WebAssembly.
            TooLarge: it would be larger than ``limit`` bytes.
        """
        from handgrad.view.live.pages import live_page

        return live_page(self.graph, self.followed, self.training, limit)


class Pair:
    """Two pictures on one page: before and after a training, a right rule and a wrong one.

    Examples:
        >>> first, second = hg.show(hg.square, 3.0), hg.show(hg.square, 4.0)
        >>> hg.view.Pair(first, second).save("pair.html")
        PosixPath('pair.html')
    """

    def __init__(self, first: Picture, second: Picture, title: str | None = None):
        self.first, self.second, self.title = first, second, title

    def __str__(self) -> str:
        return f"{self.first}\n\n{self.second}"

    __repr__ = __str__

    def html(self, limit: int = LIMIT) -> str:
        """The page with both, the first above the second."""
        return page(self.first.graph, self.second.graph, title=self.title, limit=limit)

    def save(self, path: str | PathLike[str], limit: int = LIMIT) -> Path:
        """Write the page."""
        return written(Path(path), self.html(limit))

    def _repr_html_(self) -> str:
        texts = (tree(picture.graph, colour=False) for picture in (self.first, self.second))
        return framed(self.html(), "\n".join(texts), height=820)


class Series:
    """The same computation at several times of a training, on one page with a slider."""

    def __init__(self, pictures: Sequence[Picture], names: Sequence[str], title: str | None = None):
        self.pictures, self.names, self.title = list(pictures), list(names), title

    def __str__(self) -> str:
        return str(self.pictures[-1])

    __repr__ = __str__

    def html(self, limit: int = LIMIT) -> str:
        """The page, which begins with the last."""
        graphs = (picture.graph for picture in self.pictures)
        return page(*graphs, title=self.title, limit=limit, positions=self.names)

    def save(self, path: str | PathLike[str], limit: int = LIMIT) -> Path:
        """Write the page."""
        return written(Path(path), self.html(limit))

    def _repr_html_(self) -> str:
        return framed(
            self.html(), tree(self.pictures[-1].graph, colour=False), still=self.pictures[-1].still()
        )


def show(
    target: Any,
    *inputs: Any,
    loss: Callable | None = None,
    t: Any = None,
    dout: Any = None,
    title: str | None = None,
    examples: Sequence[str] = (),
    check: float | Checks = CHECKED,
    live: bool = False,
    language: str = "en",
    says: Mapping[str, str | tuple[str, str]] = {},
    out: str | PathLike[str] | None = None,
) -> Picture:
    """Run a computation forward and backward, and show every value, gradient, formula and line of it.

    ``show(net, x, loss=softmax_cross_entropy, t=t)``, ``show(f, 100, 2, 300)``, or ``show(y)`` of a variable
    that was computed from others. In a notebook the result shows itself; elsewhere ``print`` it, ``save`` it,
    or ``open`` it in the browser.

    Args:
        target: a layer or network; a rule; a function of rules; an object with ``forward``; or a Variable
            (or several) that was recorded already, and then there are no inputs.
        inputs: numbers, arrays, or nested lists of them.
        loss: ``loss(out, t)``, whose gradient is wanted.
        t: what the loss compares with.
        dout: the gradient of the output. Without it, 1: the gradients are those of the output, or where it
            is no number, of the sum of its elements.
        title: of the picture; by default what the target is called.
        examples: names of the batch's rows, the first axis of the first input.
        check: seconds to spend on checking each rule's backward, once for each kind of input, on the first
            values that it saw; 0 for none; or ``Checks``, which several pictures share.
        live: whether the page computes: every input, parameter and target can be changed in it, and
            forward, backward and all that is told follow, by the same rules in WebAssembly. Whole numbers of
            a function become floating ones.
        language: of the page's words, "en" or "zh"; the page has a button for the other.
        says: your own sentences for steps, in place of those that the page has: by a rule's number (as text)
            or name, or a layer's name; one sentence, or one forward and one back.
        out: a file to write, .html or .svg.

    Raises:
        TypeError: the target is none of these, or nothing in it was computed by rules.
        ValueError: another language; says names what is not there.
        NotLive: live, and it branches on a value, computes outside of rules, is PyTorch's, or needs an
            operation that WebAssembly has not.

    Examples:
        >>> print(hg.show(lambda x1, x2, x3: x1 * x2 + x3, 100, 2, 300))
        <lambda>                        value  gradient
        ├ x1: input          number     100    2
        ├ x2: input          number     2      100
        ├ multiply(x1, x2)   -> number  200    1         proven to ... digits
        ├ x3: input          number     300    1
        └ add(multiply, x3)  -> number  500    1         proven to ... digits
        <BLANKLINE>
    """
    if language not in LANGUAGES:
        raise ValueError(f"language is one of {', '.join(LANGUAGES)}, not {language!r}")
    options: dict[str, Any] = {"title": title, "examples": examples, "check": check}
    if live:
        picture = recorded_live(target, inputs, loss, t, dout, options)
    else:
        picture = Picture(record(target, *inputs, loss=loss, t=t, dout=dout, **options))
    check_said(says, [*picture.graph.ops, *picture.graph.boxes])
    picture.graph.language, picture.graph.says = language, says
    if out is not None:
        picture.save(out)
    return picture


def show_training(
    trainer: Any,
    x: Any,
    t: Any,
    *,
    batch_size: int = 100,
    held_out: tuple[Any, Any] | None = None,
    classes: Sequence[str] | None = None,
    examples: int = 1,
    title: str | None = None,
    check: float = 0.0,
    out: str | PathLike[str] | None = None,
) -> Picture:
    """A page that trains: play, pause and step, with the network's graph beside its curves.

    The page makes the steps that ``trainer.fit(x, t, batch_size=batch_size)`` makes, from where the trainer
    stands: the same programs in WebAssembly, of the same examples in the same order. It holds its data; of
    more than fit into 4 MB it holds as many as do, and says so.

    Args:
        trainer: a ``handgrad.train.Trainer``; it is not changed.
        x, t: what it is trained on, (N, ...) and N targets.
        batch_size: examples in a mini-batch; what is left over at the end of an epoch is left out.
        held_out: (x, t) to measure on; without it, the training examples.
        classes: their names; or the symbols, where x and t are sequences of their numbers.
        examples: how many are drawn in the graph.
        title: of the page; by default what the network is called.
        check: seconds to spend on checking each rule's backward.
        out: a file to write, .html.

    Raises:
        ValueError: x and t, or batch_size, do not fit.
        NotLive: the steps cannot be computed in a page.

    Examples:
        >>> x, t = np.random.default_rng(0).random((20, 4), np.float32), np.arange(20) % 2
        >>> net = hg.layers.mlp([4, 3, 2], seed=0)
        >>> trainer = hg.Trainer(net, hg.softmax_cross_entropy, hg.optim.SGD(0.1))
        >>> type(hg.show_training(trainer, x, t, batch_size=10)).__name__
        'LivePicture'
    """
    from handgrad.view.live.following import followed
    from handgrad.view.live.training import Training

    training = Training(trainer, as_numpy(x), as_numpy(t), batch_size, held_out, classes)
    called = training.called(examples)
    names = [str(i) for i in range(examples)]
    graph = record(
        called.target, *called.inputs, loss=called.loss, t=called.t, title=title, examples=names, check=check
    )
    picture = LivePicture(graph, followed(called, graph), training)
    if out is not None:
        picture.save(out)
    return picture


def recorded_live(
    target: Any, inputs: tuple, loss: Callable | None, t: Any, dout: Any, options: dict[str, Any]
) -> Picture:
    from handgrad.view.live.following import Called, followed

    called = Called(target, inputs, loss, t, dout).floating()
    graph = record(target, *called.inputs, loss=loss, t=t, dout=dout, **options)
    return LivePicture(graph, followed(called, graph))


def written(path: Path, content: str) -> Path:
    write_atomically(path, content)
    return path


def has_colour() -> bool:
    """Whether what is printed goes to a terminal that shows colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in environ and environ.get("TERM") != "dumb"
