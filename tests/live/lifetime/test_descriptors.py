"""A process that has no descriptors left; this module has no pool, so nothing else here opens any."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from kernels.errors import KernelStartFailed
from kernels.sandbox.forkserver import Forkserver
from tests.conftest import KERNEL_PYTHON
from tests.live.cells import children, until


@pytest.mark.parametrize("free", range(3))
async def test_a_lack_of_descriptors_costs_no_zygote(tmp_path: Path, free: int) -> None:
    """A fork needs three: with fewer it fails with a message, leaves no child, and the zygote goes on."""
    with Forkserver(KERNEL_PYTHON, tmp_path, environment={}, libraries=()) as forkserver:
        forkserver.fork_now(0).close()
        assert forkserver._process is not None
        zygote = forkserver._process.pid
        with no_descriptors_but(free), pytest.raises(KernelStartFailed):
            forkserver.fork_now(0)
        await until(lambda: not children(zygote))
        child = forkserver.fork_now(0)
        assert children(zygote) == {child.pid}
        child.close()
        await until(lambda: not children(zygote))


@contextmanager
def no_descriptors_but(free: int) -> Iterator[None]:
    """Let this process open only this many more descriptors."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[0], 4096), limits[1]))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        taken: list[int] = []
        for _ in range(5):  # another thread may have had some open, such as a watchdog's
            with suppress(OSError):
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            time.sleep(0.05)
        for place, descriptor in enumerate(taken):
            if place < free:
                os.close(descriptor)
            else:
                stack.callback(os.close, descriptor)
        yield
