"""``handgrad check``: is a backward right?"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handgrad.cli.options import natural

HELP = "check a rule's backward against numerical gradients"
DESCRIPTION = """Check the backward of a rule, or of a function (x, ...) -> (out, backward), against central
differences in float64, with a random dout. Exit code 0: right; 1: wrong; 2: could not be checked."""


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser("check", help=HELP, description=DESCRIPTION)
    made.add_argument("target", help="module:name or path/to/file.py:name")
    made.add_argument("--inputs", metavar="SHAPES", help='shapes of the inputs, like "(3, 4), (4, 5), (5,)"')
    made.add_argument(
        "--seed", type=natural, default=0, metavar="N", help="of the random inputs and dout (default 0)"
    )
    return made


def run(args: argparse.Namespace) -> int:
    from handgrad.check import check, found_by_trying, from_shapes

    target = imported(args.target)
    if args.inputs is not None:
        inputs = from_shapes(args.inputs, args.seed)
    else:
        inputs = found_by_trying(target, input_count(target), args.seed)
    report = check(target, *inputs, seed=args.seed)
    print(report)
    return 0 if report.ok else 1


def imported(spec: str) -> Callable:
    """The object that ``module:name`` or ``file.py:name`` names.

    Raises:
        ValueError: the text is not of that form, or what it names is not there or cannot be called.
    """
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise ValueError(f"write module:name or file.py:name, not {spec!r}")
    module = _module(where)
    try:
        found = getattr(module, name)
    except AttributeError:
        raise ValueError(f"{where} has no {name}") from None
    if not callable(found):
        raise ValueError(f"{spec} is a {type(found).__name__}, not a rule or a function")
    return found


def _module(where: str) -> Any:
    try:
        if not where.endswith(".py"):
            sys.path.insert(0, str(Path.cwd()))
            return importlib.import_module(where)
        if not Path(where).is_file():
            raise ValueError(f"there is no file {where}")
        spec = importlib.util.spec_from_file_location(Path(where).stem, where)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error


def input_count(target: Any) -> int:
    from handgrad.rules import Rule

    if isinstance(target, Rule):
        return len(target.inputs)
    parameters = inspect.signature(target).parameters.values()
    return sum(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)
