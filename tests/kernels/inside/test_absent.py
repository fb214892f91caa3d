"""Parts that ipykernel expects and our kernels do without are present as far as it checks."""

import sys
import threading

from kernels.inside.absent import NoSubshells, SysWithoutModules


def test_there_are_no_subshells() -> None:
    """ipykernel asks whether there are any, and for the thread that runs all cells."""
    subshells = NoSubshells()
    assert not subshells
    assert subshells.parent_thread is threading.main_thread()


def test_sys_has_all_but_its_modules() -> None:
    """So none of them is searched for a debugger."""
    stand_in = SysWithoutModules()
    assert stand_in.modules == {}
    assert stand_in.path is sys.path
    assert stand_in.version_info == sys.version_info
