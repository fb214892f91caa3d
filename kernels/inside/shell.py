"""The shell in which the person's cells run.

Before each cell ipykernel asks for the cell's code without magics, and the shell asks for it once more;
ipykernel also asks for the signature of a method. Here both are remembered.
"""

import functools
import inspect
import linecache
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from types import FrameType, TracebackType
from typing import Any

import ipykernel
from ipykernel import zmqshell
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core import interactiveshell, ultratb
from IPython.core.tbtools import get_line_number_of_frame

from . import paths
from .characters import escaped
from .children import forked
from .confinement import reserve
from .files import elsewhere
from .input import standard_input
from .interrupts import Interrupts
from .libraries import advice, figures
from .output import formats, streams

__all__ = ["Shell", "interrupts"]

OURS = tuple(os.path.dirname(file) + os.sep for file in (__file__, ipykernel.__file__))
LIBRARIES = (*OURS, sys.prefix + os.sep, sys.base_prefix + os.sep)

interrupts = Interrupts()
# asyncio, for one, asks whether the handler is this one.
signal.default_int_handler = interrupts.interrupt  # type: ignore[assignment]  # which does not always raise
sys.unraisablehook = interrupts.not_raised
warnings.formatwarning = paths.warning
GOES = "The kernel ends with this cell, and its variables are lost unless they are saved. Files stay."
STANDARD = (0, 1, 2)  # descriptors
KNOWN = ("size", "time", "lines", "name")  # the fields that `linecache` has for a source that it has read
NO_EXIT = "To exit: use"  # the beginning of IPython's advice after `sys.exit()`, which does not apply here


class Shell(ZMQInteractiveShell):  # type: ignore[misc]
    """IPython's shell, which does less for each cell and keeps nothing of what a cell showed."""

    coming: str | None = None  # the cell that the kernel is about to run
    _transformed: tuple[str, str] | None = None
    _depth = 0  # how many cells are running within each other

    def init_user_ns(self) -> None:
        """Let `open(0)` ask as `input()` does, and `open(1, "w")` write; IPython refuses both."""
        super().init_user_ns()

        @functools.wraps(open)
        def standard_or_file(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if isinstance(file, int) and file in STANDARD:
                if file == 0 and "r" in mode:
                    asking = standard_input.StandardInput(self.kernel.raw_input)
                    return asking.buffer if "b" in mode else asking
                file = os.dup(file)  # it may be closed
            return open(file, mode, *args, **kwargs)

        self.user_ns["open"] = self.user_ns_hidden["open"] = standard_or_file

    def init_display_formatter(self) -> None:
        """Make what decides in which formats a value is shown."""
        self.display_formatter = formats.DisplayFormatter(parent=self)
        self.configurables.append(self.display_formatter)

    def forget(self) -> None:
        """Forget what the cell has shown: IPython keeps it for its own `%notebook`."""
        self.history_manager.outputs.clear()
        figures.end_cell()

    def enable_matplotlib(self, gui: str | None = None) -> Any:  # noqa: ARG002  IPython's magics pass it
        """Show figures as pictures, whatever `%matplotlib` or `%pylab` asks for: there is no window here."""
        return super().enable_matplotlib("inline")

    def _tee(self, channel: str) -> AbstractContextManager[None]:  # noqa: ARG002  IPython passes it
        return nullcontext()  # IPython would keep all that is printed in memory, for ever

    def _get_exc_info(self, exc_tuple: Any = None) -> Any:
        kind, value, trace = super()._get_exc_info(exc_tuple)
        _leave_out_ours(trace)
        with suppress(BaseException):  # the person's own error class can raise anything when it is looked at
            advice.add(value)
            elsewhere.advise(value)
        told = _with_text(value)
        return kind if told is value else type(told), told, trace

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        """Show the error of a cell; in a forked child `sys.exit` just ends the child."""
        error = sys.exception()
        if isinstance(error, SystemExit) and forked.is_child():
            forked.leave(error)
        if _is_no_failure(error):
            return
        with reserve.used():
            super().showtraceback(*args, **kwargs)

    def set_next_input(self, s: str, replace: bool = False) -> None:
        """Print the text of `%load` or `%recall` where the client has no next cell to put it into."""
        if self.kernel.is_ours():
            print(s)
        else:
            super().set_next_input(s, replace)

    def ask_exit(self) -> None:
        """End the kernel with this cell, for `exit()`, and say so while the cell can still save something."""
        super().ask_exit()
        if self.exit_now:
            print(GOES)

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        stb = [paths.shortened(line) for line in stb]
        evalue = paths.shortened(str(evalue))
        streams.usable(self.kernel.own_streams)
        if forked.is_child():  # which has no channel of its own
            print(self.InteractiveTB.stb2text(stb), file=sys.stderr)
        else:
            super()._showtraceback(etype, evalue, stb)

    async def run_ast_nodes(self, *args: Any, **kwargs: Any) -> Any:
        """Run a cell's lines; a child that they have forked ends afterwards."""
        self._depth += 1
        try:
            failed = await super().run_ast_nodes(*args, **kwargs)
        except BaseException as error:  # whatever ended the lines, a child goes no further
            if forked.is_child():
                forked.leave(error)
            raise
        finally:
            self._depth -= 1
        if self._depth == 0 and forked.is_child():
            forked.leave(RuntimeError("the cell failed") if failed else None)
        return failed

    async def run_code(self, code_obj: Any, result: Any = None, *, async_: bool = False) -> Any:
        """Run one part of a cell, during which an interrupt is raised."""
        with nullcontext() if async_ else interrupts.raised():  # ipykernel cancels what is awaited
            failed = await super().run_code(code_obj, result, async_=async_)
        if result is not None and result.error_in_exec is not None:
            error = result.error_in_exec
            result.error_in_exec = None if _is_no_failure(error) else _with_text(error)
        return failed  # also after `sys.exit()`, which is no failure: no further line is run

    async def run_cell_async(self, *args: Any, **kwargs: Any) -> Any:
        """Run a cell with `await` at its top level."""
        self._transformed = None
        return await super().run_cell_async(*args, **kwargs)

    run_cell_async.__signature__ = inspect.signature(ZMQInteractiveShell.run_cell_async)  # type: ignore[attr-defined]

    def transform_cell(self, raw_cell: str) -> str:
        """The cell as Python, without magics; the second call for a cell gets the first one's result."""
        before, self._transformed = self._transformed, None
        if before is not None and before[0] == raw_cell:
            return before[1]
        transformed: str = super().transform_cell(raw_cell)
        if raw_cell == self.coming:  # when the person calls this, there may be other transformers
            self._transformed = raw_cell, transformed
        self.coming = None
        return transformed


# By these names plotly, rich and pandas find out whether they are in Jupyter; otherwise they show less.
for name in ("__module__", "__name__", "__qualname__"):
    setattr(Shell, name, getattr(ZMQInteractiveShell, name))


def _is_no_failure(error: BaseException | None) -> bool:
    """Whether it is `sys.exit()` or `sys.exit(0)`, by which a script ends successfully."""
    return isinstance(error, SystemExit) and error.code in (None, 0)


def _warn(message: Any, category: Any = None, stacklevel: int = 1, **more: Any) -> None:
    """`warnings.warn` for IPython's shell, without its advice after `sys.exit()` on other ways to leave."""
    if not str(message).startswith(NO_EXIT):
        warnings.warn(message, category, stacklevel + 1, **more)


def _lines_of(frame: FrameType) -> int:
    """How many lines a frame's source has, for cells too, so that IPython abridges recursion in them.

    IPython looks for a file, and a cell's source is in none.
    """
    cell: tuple[Any, ...] = linecache.cache.get(frame.f_code.co_filename, ())
    return len(cell[2]) if len(cell) == len(KNOWN) else get_line_number_of_frame(frame)


def _system(command: str) -> int | None:
    """Run `!command`, in a terminal of its own where one can be had. Returns its exit code."""
    try:
        for end in os.openpty():
            os.close(end)
    except OSError:
        return subprocess.call(command, shell=True, stdin=subprocess.DEVNULL)  # noqa: S602  it is the person's
    return _in_terminal(command)


_in_terminal: Callable[[str], int | None] = zmqshell.system
zmqshell.system = _system
interactiveshell.warn = _warn
ultratb.get_line_number_of_frame = _lines_of


def _leave_out_ours(trace: TracebackType | None) -> None:
    """End a traceback where the kernel's own code begins, unless the person's code comes again after it.

    Our own wrappers around a library's functions are left out too.
    """
    last = before = None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if before is not None and trace.tb_next is not None and file.startswith(OURS[0]):
            before.tb_next = trace = trace.tb_next
            continue
        if not (file.startswith(LIBRARIES) or file[0] not in "/<"):  # compiled code has no absolute path
            last = None
        elif last is None and file.startswith(OURS):
            last = before
        before, trace = trace, trace.tb_next
    if last is not None:
        last.tb_next = None


def _with_text(error: BaseException) -> BaseException:
    """The error; where its `__str__` fails, one of the same name that says so, for IPython."""
    try:
        str(error)
    except BaseException as failure:  # noqa: BLE001  whatever the person's own code raises there
        named: type[Exception] = type(type(error).__name__, (Exception,), {})
        stand_in = named(f"[no text: its __str__ raised {escaped(type(failure).__name__)}]")
        stand_in.__cause__, stand_in.__context__ = error.__cause__, error.__context__
        stand_in.__suppress_context__ = error.__suppress_context__
        return stand_in.with_traceback(error.__traceback__)
    return error
