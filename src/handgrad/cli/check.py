"""``handgrad check``: is a backward right, and if not, what is wrong with it?"""

from __future__ import annotations

import argparse
import html
import sys
import time
from pathlib import Path
from typing import Any

from handgrad.cli.naming import Place, made, module_of, named, placed
from handgrad.cli.options import natural, positive_number

HELP = "check a backward pass, and say what is wrong with it"
DESCRIPTION = """Check a backward pass against derivatives of its forward's values: of a rule, a function
(x, ...) -> (out, backward), a layer with forward and backward, a torch.autograd.Function, an nn.Module or a
jax.custom_vjp function. Exit code 0: right, wherever there is a derivative; 1: wrong; 2: there is none
at these inputs, or it cannot be checked, or told. With --reference, a kernel in float32, bfloat16 or float16
against a readable forward in float64."""
EPILOG = """Examples: handgrad check rules.py:cube; handgrad check "layers.py:Affine(4, 5)"; handgrad check
mypackage.nets:make_net() --inputs "(N, 4), (N,) < 3" --loss cross_entropy"""
RESULTS = {True: 0, False: 1, None: 2}


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser("check", help=HELP, description=DESCRIPTION, epilog=EPILOG)
    made.add_argument(
        "target", help="module:name or path/to/file.py:name; the name may be a call that makes a layer"
    )
    made.add_argument(
        "--inputs",
        metavar="SPEC",
        help='shapes like "(3, 4), (4, 5)"; with named axes, "(N, D), (D, M)", edge shapes too; "(N,) < 10" '
        "for labels and indices; or :name, what the same file holds or makes",
    )
    made.add_argument(
        "--loss",
        metavar="NAME",
        help="check a network with this loss, of the same file, handgrad's or PyTorch's",
    )
    made.add_argument(
        "--methods",
        metavar="FORWARD,BACKWARD",
        type=two_names,
        help="the names of an object's forward and backward, where they are not known: ahead,astern",
    )
    made.add_argument(
        "--budget", type=positive_number, metavar="SECONDS", help="say by then what is known by then"
    )
    made.add_argument(
        "--seed", type=natural, default=0, metavar="N", help="of the random inputs and dout (default 0)"
    )
    made.add_argument(
        "--reference",
        metavar="NAME",
        help="check a kernel: the forward that it is to compute, of the same file or as file.py:name",
    )
    made.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float16"), help="of a kernel's inputs (default float32)"
    )
    made.add_argument(
        "--inside", metavar="ARITHMETIC", help="what a kernel is to compute in: float32, tf32, bfloat16, ..."
    )
    made.add_argument(
        "--arrays",
        metavar="LIBRARY",
        help="what a kernel takes: numpy, torch, torch:cuda or jax, if it is not seen; jax also of a rule, "
        "which is then checked on the device that JAX has",
    )
    made.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page too")
    return made


def two_names(text: str) -> tuple[str, str]:
    """``forward,backward`` taken apart."""
    forward, _, backward = (part.strip() for part in text.partition(","))
    if not (forward.isidentifier() and backward.isidentifier()):
        raise argparse.ArgumentTypeError(f"write two names, forward,backward, not {text!r}")
    return forward, backward


def run(args: argparse.Namespace) -> int:
    if args.html is not None and not args.html.parent.is_dir():
        raise ValueError(f"--html: there is no folder {args.html.parent}")
    place = placed(args.target)
    module = module_of(place)
    if args.reference is not None:
        return run_kernel(args, module, place)
    if args.dtype or args.inside or args.arrays not in (None, "jax"):
        raise ValueError("--dtype, --inside and --arrays but jax are of a kernel, which needs --reference")
    target = made(named(module, place))
    if args.methods is not None:
        from handgrad.checking.targets import Asked, form_of

        target = form_of(target, Asked(methods=args.methods))
    loss = None if args.loss is None else made(loss_of(module, place, args.loss, target))
    with Progress() as progress:
        from handgrad.checking.several import check_all

        sets = inputs_of(args.inputs, args.seed, module, place, target, loss)
        if args.arrays is not None:
            from handgrad.checking.on_jax import on_jax

            target = on_jax(target)
        found = check_all(target, sets, args.budget, progress, seed=args.seed, loss=loss)
    print(found)
    if found.ok is False and args.inputs is None:
        print("  these inputs were made up; if it is meant for others, give their shapes as --inputs")
    if args.html is not None:
        from handgrad.files import write_atomically

        write_atomically(args.html, page(args.target, found))
    return RESULTS[found.ok]


def run_kernel(args: argparse.Namespace, module: Any, place: Place) -> int:
    """A kernel with its reference, for each set of inputs until one is wrong."""
    from handgrad.checking.kernels.several import check_sets

    where = placed(args.reference) if ":" in args.reference else Place(place.where, args.reference)
    reference = named(module if where.where == place.where else module_of(where), where)
    kernel = named(module, place)
    with Progress() as progress:
        sets = inputs_of(args.inputs, args.seed, module, place, reference, None)
        found = check_sets(
            kernel, reference, sets, progress,
            dtype=args.dtype or "float32", inside=args.inside, arrays=args.arrays, seed=args.seed,
        )  # fmt: skip
    print(found)
    if args.html is not None:
        from handgrad.files import write_atomically

        write_atomically(args.html, page(args.target, found))
    return RESULTS[found.ok]


def inputs_of(spec: str | None, seed: int, module: Any, place: Place, target: Any, loss: Any) -> list:
    """Sets of inputs: made, or those that ``--inputs :name`` names."""
    from handgrad.checking.inputs import made_for

    if spec is None or not spec.startswith(":"):
        return made_for(target, spec, seed, loss)
    given = named(module, Place(place.where, spec[1:]))
    if callable(given):
        given = given()
    return [(spec, tuple(given) if isinstance(given, (tuple, list)) else (given,))]


def loss_of(module: Any, place: Place, name: str, target: Any) -> Any:
    """The loss by this name: of the target's own file, else PyTorch's for its modules, else handgrad's."""
    try:
        return named(module, Place(place.where, name))
    except ValueError as error:
        import handgrad
        from handgrad.checking.targets import is_torch

        nn = sys.modules.get("torch.nn")
        holders = [getattr(nn, "functional", None), nn] if is_torch(target) else [handgrad]
        found = next((getattr(holder, name) for holder in holders if hasattr(holder, name)), None)
        if found is None:
            whose = "PyTorch" if is_torch(target) else "handgrad"
            raise ValueError(f"--loss: {error}, and neither has {whose}") from None
        return found


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
</head>
<body style="margin:2rem auto;max-width:60rem;padding:0 1rem">
{report}
<p>{others}</p>
</body>
</html>
"""


def page(target: str, found: Any) -> str:
    """A report as a page of its own."""
    title, others = html.escape(f"handgrad check {target}"), html.escape(found.others())
    return PAGE.format(title=title, report=found.report._repr_html_(), others=others)


class Progress:
    """What is being looked at, once a check takes longer than a moment: on a terminal, else as lines."""

    PATIENCE, BETWEEN_LINES = 1.0, 5.0

    def __init__(self) -> None:
        self.began = self.told = time.perf_counter()
        self.status: Any = None

    def __enter__(self) -> Progress:
        return self

    def __call__(self, doing: str) -> None:
        now = time.perf_counter()
        if not sys.stderr.isatty():
            if now - self.told >= self.BETWEEN_LINES:
                self.told = now
                print(f"... {doing} ({now - self.began:.0f} s)", file=sys.stderr, flush=True)
            return
        if now - self.began < self.PATIENCE:
            return
        if self.status is None:
            from rich.console import Console

            self.status = Console(stderr=True).status("")
            self.status.start()
        from rich.markup import escape

        self.status.update(escape(doing))

    def __exit__(self, *exc: Any) -> None:
        if self.status is not None:
            self.status.stop()
