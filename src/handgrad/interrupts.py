"""Ctrl-C while the command ``handgrad`` is being loaded ends it without a word."""

import os
import signal
import sys
import threading


def is_command() -> bool:
    """Whether this process is ``handgrad ...`` or ``python -m handgrad ...``."""
    return os.path.basename(sys.argv[0]) in ("handgrad", "handgrad.exe") or (
        sys.argv[0] == "-m" and "handgrad" in sys.orig_argv
    )


def quiet_while_loading() -> None:
    """Until ``loaded``, Ctrl-C ends the command; a program that imports handgrad is left as it is."""
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual and is_command() and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _end)


def loaded() -> None:
    """From here on, Ctrl-C is a KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os._exit(130)


quiet_while_loading()
