"""The command ``handgrad``: one file a subcommand, each with ``add`` (its options) and ``run``."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import warnings
from typing import NoReturn

from handgrad import interrupts
from handgrad.cli import (
    check,
    evaluate,
    explain,
    explain_nan,
    export,
    hosts,
    predict,
    sample,
    show,
    train,
    tune,
)
from handgrad.cli.faults import is_ours, sentence, told

DONE, CHECK_FAILED, USAGE_ERROR, FAULT, INTERRUPTED = 0, 1, 2, 3, 130
__all__ = ["main", "parser", "sentence"]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, with what was perhaps meant."""

    def error(self, message: str) -> NoReturn:
        option = re.match(r"unrecognized arguments: (-\S+)", message)
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        near: list[str] = []
        if option:
            near = difflib.get_close_matches(option[1].partition("=")[0], self._option_string_actions, 1)
        elif choice:
            near = difflib.get_close_matches(choice[1], re.findall(r"[\w-]+", choice[2]), 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        self.exit(USAGE_ERROR, f"{self.prog}: {message}{meant} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    top = Parser(
        prog="handgrad",
        description="Train small networks, use them, look into them, and check backward passes.",
        epilog="Begin with: handgrad train digits --epochs 20",
    )
    top.add_argument("--version", action=_Version)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for command in (train, tune, predict, evaluate, sample, check, show, explain, explain_nan, export, hosts):
        made = command.add(commands)
        made.add_argument("--debug", action="store_true", help="show the traceback of an error")
        made.set_defaults(run=command.run, parser=made)
    return top


class _Version(argparse.Action):
    def __init__(self, option_strings: list[str], dest: str):
        super().__init__(option_strings, dest, nargs=0, help="show the version")

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> None:
        import handgrad

        print(f"handgrad {handgrad.__version__}")
        parser.exit()


def main(arguments: list[str] | None = None) -> int:
    """Run a command line.

    The exit code: 0 done, 1 a check failed, 2 an error that the user can mend, 3 a fault of handgrad's, 130
    interrupted.
    """
    interrupts.loaded()
    args: argparse.Namespace | None = None
    try:
        args = parsed(arguments)
        with warnings.catch_warnings():
            say_warnings()
            return args.run(args)
    except KeyboardInterrupt as stop:
        print(f"\n{str(stop) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output went away; so do we, quietly
        return USAGE_ERROR
    except Exception as error:
        if args is not None and args.debug:
            raise
        print(told(error), file=sys.stderr)
        return FAULT if is_ours(error) else USAGE_ERROR


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The options of a command line; what a command does not know is an error of that command."""
    top = parser()
    args, unknown = top.parse_known_args(arguments)
    args.given = list(sys.argv[1:] if arguments is None else arguments)[1:]  # after the command
    if getattr(args, "takes_rest", False):
        args.rest = unknown
    elif unknown:
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return args


def say_warnings() -> None:
    """Warnings of handgrad's as a line each, as errors are."""
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: object, **more: object) -> None:
        if category.__module__.startswith("handgrad."):
            print(f"handgrad: note: {sentence(message)}", file=sys.stderr)  # type: ignore[arg-type]
        else:
            shown(message, category, *rest, **more)  # type: ignore[arg-type]

    warnings.showwarning = show
    warnings.simplefilter("always", UserWarning)  # also when main is called again
