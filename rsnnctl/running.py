"""How every command runs: its files are checked first, its result is printed, its errors told."""

import errno
import functools
import io
import logging
import os
import signal
import sys
import threading
from typing import Any

import click

from base.errors import RsnnError, shown
from rsnnctl.options import as_options, check_inputs
from rsnnctl.results.kind import Result
from rsnnctl.results.output import ERROR, add_formats, as_json, asks_for_json, print_result


def complete(command: click.Command) -> click.Command:
    """Give a command, or each of a group, what all have: checked files and formats of results."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            complete(each)
        return command
    add_formats(command)
    body = command.callback
    assert body is not None

    @functools.wraps(body)
    def checked(*arguments: Any, **values: Any) -> Result:
        check_inputs(command, values)
        result = body(*arguments, **values)
        assert isinstance(result, Result), f"{command.name} returns no result"
        return result

    command.callback = checked
    return command


def finish(result: Result, **_: Any) -> None:
    """Print what a command returned, and exit with its status."""
    print_result(result)
    sys.stdout.flush()
    sys.exit(result.exit_code)


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which ends a command as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


def run(root: click.Group) -> None:
    """Run the command line: one line and exit 1 for every error that a user can fix."""
    _take_streams()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # else it is ignored, as under nohup
                signal.signal(number, _stop)
    try:
        _run(root)
    except OSError as error:
        reason = (error.strerror or "").lower()
        if error.filename is not None:  # of Python's installation: all others are ours to refuse
            logging.getLogger("rsnnctl").debug("raised here", exc_info=error)
            _tell(f"Error: {error.filename}: cannot be used: {reason}; is the disk in order?")
            sys.exit(1)
        if error.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        _abandon_stdout()
        if not isinstance(error, BrokenPipeError):  # else the reader of the output has closed it
            _tell(f"Error: stdout: cannot be written: {reason}")
        sys.exit(1)


def _take_streams() -> None:
    """Have all three standard streams, so that no file is opened in the place of a closed one."""
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:  # closed; what is opened next gets the lowest free number
            os.open(os.devnull, mode)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        _tell("Error: stdout is closed; redirect it to a file, or to /dev/null")
        sys.exit(1)
    if isinstance(sys.stdout, io.TextIOWrapper):  # else a test reads along
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: no letter is an error


def _run(root: click.Group) -> None:
    try:
        root(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        told = io.StringIO()
        error.show(told)
        for line in told.getvalue().expandtabs(4).rstrip("\n").split("\n"):
            _tell(line)
        _leave(type(error).__name__, error.format_message(), error.exit_code)
    except RsnnError as error:
        logging.getLogger("rsnnctl").debug("raised here", exc_info=error)
        ran = next(word for word in sys.argv if word in root.commands)
        text = as_options(str(error), root.commands[ran], root)
        _tell(f"Error: {text}")
        _leave(type(error).__name__, text, 1)
    except (KeyboardInterrupt, click.Abort) as stop:
        text = f"Interrupted; {kept_after(stop)}."
        _tell(text)
        cause = stop.__cause__ or stop
        _leave("Interrupted", text, 128 + getattr(cause, "signal", signal.SIGINT))


def kept_after(stop: BaseException) -> str:
    """What is kept of the work that was interrupted: the notes of the interrupt."""
    notes = getattr(stop.__cause__ or stop, "__notes__", [])
    return "; ".join(notes) or "nothing was kept"


def _leave(error: str, message: str, exit_code: int) -> None:
    if asks_for_json(sys.argv):
        value = {"error": error, "message": message, "exit_code": exit_code}
        print(as_json(Result(ERROR, value)), flush=True)
    sys.exit(exit_code)


def _tell(text: str) -> None:
    print(shown(text), file=sys.stderr, flush=True)


def _stop(number: int, _: object) -> None:
    raise Stopped(number)


def _abandon_stdout() -> None:
    """Let what is still buffered go nowhere, or Python would fail on it once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
