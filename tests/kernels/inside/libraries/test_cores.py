"""joblib is told the number of cores where it cannot find out."""

import builtins
import io
import os
from types import ModuleType
from typing import Any

import pytest

from kernels.inside.libraries import cores, on_import

CPUINFO = "".join(
    f"processor: {n}\nphysical id: {n // 4}\ncore id: {n // 2 % 2}\nflags: x\n\n" for n in range(8)
)


@pytest.fixture
def cpuinfo(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The content of /proc/cpuinfo, on a machine all of whose 8 processors may be used."""
    told = {"text": CPUINFO}

    def opened(*_: Any, **__: Any) -> io.StringIO:
        return io.StringIO(told["text"])

    monkeypatch.setattr(builtins, "open", opened)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return told


def test_threads_of_one_core_count_once(cpuinfo: dict[str, str]) -> None:
    """Two packages with two cores each, and two threads per core."""
    assert cores._cores() == 4
    cpuinfo["text"] = "processor: 0\n\nprocessor: 1\n\n"  # a machine that does not say
    assert cores._cores() == 8


def test_no_more_than_may_be_used_count(cpuinfo: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may have less than the machine."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert cores._cores() == 1


def test_joblib_is_told_only_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only where there is no /sys."""
    monkeypatch.setattr(cores, "_cores", lambda: 3)
    module: Any = ModuleType("context")
    module.physical_cores_cache = None
    cores._complete(module)
    assert module.physical_cores_cache == 3
    module.physical_cores_cache = 16
    cores._complete(module)
    assert module.physical_cores_cache == 16
    other = ModuleType("another version")
    cores._complete(other)
    assert not hasattr(other, "physical_cores_cache")
    changed: list[str] = []
    monkeypatch.setattr(on_import, "change", lambda name, _: changed.append(name))
    cores.install("/")
    assert changed == []
    cores.install("/no such folder")
    assert changed == [cores.CONTEXT]
