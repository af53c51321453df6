"""The command ``handgrad``: one file a subcommand, each with ``add`` (its options) and ``run``."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from handgrad.cli import check, evaluate, explain, predict, show, train

USAGE_ERROR = 2

EXPECTED = (ValueError, TypeError, OSError, ImportError, ArithmeticError, AttributeError, MemoryError)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    top = Parser(
        prog="handgrad",
        description="Train small networks, use them, look into them, and check backward passes.",
        epilog="Begin with: handgrad train digits --epochs 20",
    )
    top.add_argument("--version", action=_Version)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for command in (train, predict, evaluate, check, show, explain):
        made = command.add(commands)
        made.add_argument("--debug", action="store_true", help="show the traceback of an error")
        made.set_defaults(run=command.run)
    return top


class _Version(argparse.Action):
    def __init__(self, option_strings: list[str], dest: str):
        super().__init__(option_strings, dest, nargs=0, help="show the version")

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> None:
        import handgrad

        print(f"handgrad {handgrad.__version__}")
        parser.exit()


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; the exit code: 0 done, 1 a check failed, 2 an error, 130 interrupted."""
    args = parser().parse_args(arguments)
    try:
        return args.run(args)
    except KeyboardInterrupt as stop:
        print(f"\n{stop or 'interrupted'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output went away; so do we, quietly
        return USAGE_ERROR
    except EXPECTED as error:
        if args.debug:
            raise
        print(f"handgrad: {sentence(error)}", file=sys.stderr)
        return USAGE_ERROR


def sentence(error: BaseException) -> str:
    """An error on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    notes = ", ".join(getattr(error, "__notes__", [])[:2])
    return f"{text} ({notes})" if notes else text
