"""New work is refused before descriptors run out."""

import errno
from pathlib import Path

import pytest

from kernels import descriptors
from kernels.descriptors import SPARE, STARTING, OutOfDescriptors, need
from kernels.errors import KernelStartFailed
from kernels.limits import Limits
from kernels.pool import Pool
from kernels.sandbox.policy import Tier
from tests.conftest import KERNEL_PYTHON
from tests.live.cells import NoFiles, run


def test_what_is_needed_is_free_beyond_what_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error reads as a sentence, and its number tells code that descriptors are lacking."""
    monkeypatch.setattr(descriptors, "free", lambda: SPARE + 5)
    need(5)
    with pytest.raises(OutOfDescriptors, match=r"^too many sessions and kernels are open") as caught:
        need(6)
    assert caught.value.errno == errno.EMFILE


async def test_a_kernel_that_would_need_too_many_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is created for it; once there are enough again the next cell starts one."""
    async with Pool(python=KERNEL_PYTHON, workspaces=tmp_path, limits=Limits(), tier=Tier.NONE) as pool:
        kernel = pool.kernel("u1", NoFiles())
        with monkeypatch.context() as patched:
            patched.setattr(descriptors, "free", lambda: SPARE + STARTING - 1)
            with pytest.raises(KernelStartFailed, match="too many sessions and kernels are open"):
                await run(kernel, "1")
        assert (await run(kernel, "6 * 7")).output == "42\n"
