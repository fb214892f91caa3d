"""What a program needs itself, so that no kernel of its user can stop it from starting others."""

import resource
from pathlib import Path

import pytest

from kernels.launch import Limits
from kernels.sandbox.confined import Sandbox
from kernels.sandbox.policy import Tier
from tests.conftest import KERNEL_PYTHON


def test_we_may_have_more_open_files_than_any_kernel_sends(tmp_path: Path) -> None:
    """Else one with 1,250 on their way keeps us from sending any, and each start of a kernel sends one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("the limit cannot be raised here")
    in_the_way = tmp_path / "folder"
    in_the_way.touch()
    sandbox = Sandbox(Tier.B, python=KERNEL_PYTHON, folder=in_the_way, workspaces=tmp_path, limits=Limits())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        with pytest.raises(OSError, match="folder"):  # it does not begin, but has prepared to
            sandbox.__enter__()
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert raised >= 4096
