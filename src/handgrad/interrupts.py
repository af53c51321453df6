"""Ctrl-C while the command ``handgrad`` is being loaded ends it without a word."""

import os
import signal
import sys


def is_command() -> bool:
    """Whether this process is ``handgrad ...`` or ``python -m handgrad ...``."""
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    return name in ("handgrad", "handgrad.exe") or (name == "-m" and "handgrad" in sys.orig_argv)


def quiet_while_loading() -> None:
    """Until ``loaded``, Ctrl-C ends the command; a program that imports handgrad is left as it is."""
    if is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def loaded() -> None:
    """From here on, Ctrl-C is a KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os._exit(130)


quiet_while_loading()
