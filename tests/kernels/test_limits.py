"""The reason why a kernel was ended is given in words, with the limit as it was set."""

from datetime import timedelta

import pytest

from kernels.limits import Fault, Limits, MiB, over_limit


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("memory", "it used more than 400 MB of memory"),
        ("workspace", "its files grew over 64 MB"),
        ("processes", "it had more than 48 processes"),
        ("room", "there is room for files again"),
        ("system", "its open sockets, pipes, files and mappings could take more than its share of memory"),
        ("background", "what it left running used 90 min of processor time after its last cell had ended"),
    ],
)
def test_each_limit_that_ends_a_kernel_has_its_words(fault: str, words: str) -> None:
    """With the limit as it was set."""
    limits = Limits(
        memory=400 * MiB, workspace=64 * MiB, processes=48, background=timedelta(hours=1, minutes=30)
    )
    assert words in over_limit(fault, limits)


def test_each_limit_has_a_reason_of_its_own() -> None:
    """65 empty folders are not "files over 512 MB", and the advice given can be followed."""
    faults = (
        Fault.MEMORY,
        Fault.PROCESSES,
        Fault.WORKSPACE,
        Fault.FOLDERS,
        Fault.HIDING,
        Fault.ROOM,
        Fault.SYSTEM,
        Fault.BACKGROUND,
    )
    told = {fault: over_limit(fault, Limits()) for fault in faults}
    assert len(set(told.values())) == len(faults)
    assert "folders more than 64 deep: the new kernel can delete" in told[Fault.FOLDERS]
    assert [fault for fault in faults if "grew over" in told[fault]] == [Fault.WORKSPACE]
