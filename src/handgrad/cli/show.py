"""``handgrad show``: every value, gradient, formula and line of a network, as a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.cli.check import inputs_of, loss_of
from handgrad.cli.naming import module_of, named, placed
from handgrad.cli.options import natural, naturals, not_negative

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.train import Run
    from handgrad.view import Picture
    from handgrad.view.checking import Checks

HELP = "show every value and gradient of a network"
DESCRIPTION = """Run a network, or any function of rules, forward and backward once, and write a page to step
through it: values and gradients on every edge, formulas, source and numbers of every rule. With --live the
page computes: numbers can be changed in it, and of a run it trains, from the beginning. TARGET is the folder
of a training, or module:name or path/to/file.py:name as for handgrad check. Without --out the graph is
printed as a tree."""
EPILOG = """examples:
  handgrad show runs/first --input 7 --out page.html
  handgrad show runs/first --input 7,8,9 --before --out page.html
  handgrad show runs/first --live --out training.html
  handgrad show layers.py:f --inputs "(2, 3), (3, 4)" --out picture.svg"""
OF_RUNS, OF_FILES = ("input", "part", "before"), ("inputs", "loss", "seed")  # options, None if not given


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(
        "show",
        help=HELP,
        usage="handgrad show TARGET [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = made.add_argument
    option("target", metavar="TARGET", help="a run, as handgrad train makes it, or file.py:name")
    option("--out", "-o", type=Path, metavar="FILE", help=".html for the page, .svg for a still picture")
    option("--of", metavar="LAYER", help="the layer that an .svg shows")
    option("--check", type=not_negative, default=2.0, metavar="SECONDS", help="for checks (default 2)")
    option("--live", action="store_true", help="a page that computes, and of a run trains")
    run = made.add_argument_group("a run").add_argument
    run("--input", type=naturals, metavar="N,N", help="which examples, from 0 (default 0)")
    run("--part", choices=["test", "train"], metavar="PART", help="test, train (default test)")
    run("--before", action="store_true", help="the network before training beside it")
    file = made.add_argument_group("a file").add_argument
    file("--inputs", metavar="SPEC", help='shapes like "(3, 4), (4, 5)", as for handgrad check; or :name')
    file("--loss", metavar="NAME", help="a network's loss, of the same file or handgrad's")
    file("--seed", type=natural, metavar="N", help="of random inputs (default 0)")
    return made


def run(args: argparse.Namespace) -> int:
    if args.out is not None and args.out.suffix not in (".html", ".svg"):
        raise ValueError(f"--out {args.out}: the name ends in .html for a page or in .svg for a picture")
    if args.out is not None and not args.out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {args.out.parent}")
    is_run = Path(args.target).is_dir()
    check_options(args, is_run)
    args.check = checks_of(args.check)
    picture, before = of_run(args) if is_run else (of_file(args), None)
    shown: Any = (
        picture if before is None else before.beside(picture, f"{picture.graph.title}, before and after")
    )
    if is_run and before is None and not args.live and ending_of(args) == ".html":
        shown = through_training(args, picture) or picture
    if args.out is None:
        print(shown)
    elif args.out.suffix == ".svg":
        picture.svg(args.out, of=args.of)
        print(args.out)
    else:
        print(shown.save(args.out))
    return 0


def checks_of(seconds: float) -> Checks | float:
    """Those that all pictures of a page share: a network's rules are the same through its training."""
    from handgrad.view.checking import Checks

    return Checks(seconds) if seconds else 0.0


def ending_of(args: argparse.Namespace) -> str:
    return "" if args.out is None else args.out.suffix


def through_training(args: argparse.Namespace, last: Picture) -> Any:
    """The page with a slider through the networks that a training has kept; None where it kept none."""
    from handgrad.train import load_run
    from handgrad.train.folder import kept_files
    from handgrad.view.showing import Series

    kept = kept_files(Path(args.target))
    if not kept:
        return None
    runs = [("before training", load_run(args.target, with_model=False))]
    runs += [(f"epoch {epoch:,}", load_run(args.target, model=file.name)) for epoch, file in kept.items()]
    pictures = [of_network(args, trained, trained.net)[0] for _, trained in runs]
    return Series([*pictures, last], [*(name for name, _ in runs), "trained"], last.graph.title)


def check_options(args: argparse.Namespace, is_run: bool) -> None:
    """Refuse what would be ignored."""
    ending = None if args.out is None else args.out.suffix
    if args.before and ending == ".svg":
        raise ValueError("--before is for pages: let the name of --out end in .html")
    if args.live and ending != ".html":
        raise ValueError("--live is for pages: write it with --out to a name in .html")
    for name in given(args, OF_RUNS) if args.live and is_run else []:
        raise ValueError(f"--{name} is not for --live, whose page begins before training, with all examples")
    if args.of is not None and ending != ".svg":
        raise ValueError("--of is for still pictures: let the name of --out end in .svg")
    for name in given(args, OF_FILES if is_run else OF_RUNS):
        kind, other = ("files", "a run") if is_run else ("runs", "no folder of a run")
        raise ValueError(f"--{name} is for {kind}, and {args.target} is {other}")


def given(args: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    """Those of the options that were given, whatever their value."""
    values = {name: getattr(args, name) for name in names}
    return [name for name, value in values.items() if value is not None and value is not False]


def of_run(args: argparse.Namespace) -> tuple[Picture, Picture | None]:
    """Examples of a training's own data through its network, and if asked for, through what it began as."""
    from handgrad.train import load_run
    from handgrad.train.run import build

    if args.live:
        return live_run(Path(args.target), args.check), None
    trained = load_run(args.target)
    after, part = of_network(args, trained, trained.net)
    if not args.before:
        return after, None
    fresh = build(trained.network, trained.training["seed"]).evaluate()
    return after, picture_of(trained, fresh, part, args, f"{part.name}, before training")


def live_run(folder: Path, check: float = 0.0) -> Picture:
    """A training from its beginning, in the page.

    Raises:
        NotLive: it cannot be computed there.
    """
    from handgrad.cli.explain import trained_on
    from handgrad.cli.train import data_parts, trainer_of
    from handgrad.view import show_training

    made, x, t = trained_on(folder)
    trainer = trainer_of(made, len(x))
    held, classes, source = None, getattr(made, "classes", None), made.training["source"]
    if hasattr(made, "preparation"):
        part = data_parts(made.training)["test"]
        held = (made.prepared(part.x, "zeros"), made.targets(part))
    size = min(made.training["batch_size"], len(x))
    options: dict[str, Any] = {
        "held_out": held,
        "classes": classes,
        "title": Path(source).name,
        "check": check,
    }
    return show_training(trainer, x, t, batch_size=size, **options)


def of_network(args: argparse.Namespace, trained: Run, net: Any) -> tuple[Picture, Dataset]:
    """Examples through one network of a run, and the part of the data that they are of."""
    from handgrad.cli.train import data_parts, training_of

    part = data_parts(training_of(Path(args.target)).training)[args.part or "test"]
    return picture_of(trained, net, part, args, part.name), part


def picture_of(trained: Run, net: Any, part: Dataset, args: argparse.Namespace, title: str) -> Picture:
    """A network of a run on some examples of its data."""
    from handgrad.view import show

    wanted = [0] if args.input is None else args.input
    chosen = part.take(examples_of(part, wanted))
    x, t = trained.prepared(chosen.x, "zeros"), trained.targets(chosen)
    names = [str(i) for i in wanted]
    return show(net, x, loss=trained.loss, t=t, title=title, examples=names, check=args.check)


def examples_of(part: Dataset, wanted: list[int]) -> np.ndarray:
    beyond = [i for i in wanted if i >= len(part)]
    if beyond:
        raise ValueError(f"--input {beyond[0]}: there are {len(part):,} examples, 0 to {len(part) - 1:,}")
    return np.array(wanted)


def of_file(args: argparse.Namespace) -> Picture:
    """What a file holds or makes, on inputs of given shapes; or a Variable that it has computed."""
    from handgrad.view import show
    from handgrad.view.running import function_of, is_recorded

    place = placed(args.target)
    module = module_of(place)
    target = named(module, place)
    target = target() if isinstance(target, type) else target
    if is_recorded(target):
        for name in given(args, OF_FILES):
            raise ValueError(f"--{name} is for what is to be run, and {place.name} is computed already")
        return show(target, title=place.name, check=args.check, live=args.live)
    function_of(target)
    loss = None if args.loss is None else loss_of(module, place, args.loss, target)
    [(_, inputs), *_] = inputs_of(args.inputs, args.seed or 0, module, place, target, loss)
    *xs, t = inputs if loss is not None else (*inputs, None)
    return show(target, *xs, loss=loss, t=t, title=place.name, check=args.check, live=args.live)
