"""What a program needs itself, so that no kernel of its user can stop it from starting others."""

import resource

import pytest

from kernels.sandbox.confined import OPEN_FILES, have_open_files


def test_we_may_have_more_open_files_than_any_kernel_sends() -> None:
    """Else one with 1,250 on their way keeps us from sending any, and each start of a kernel sends one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("the limit cannot be raised here")
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        have_open_files()
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)
        have_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == raised
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert raised == (OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES), hard)
