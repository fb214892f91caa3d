"""Every reason for which nothing is undone, kept or branched has its sentence."""

from typing import Any, get_args, get_type_hints

import pytest

from bot.errors import BranchRefused, UndoRefused
from bot.wording.error_messages import sentence
from kernels.errors import CheckpointRefused


@pytest.mark.parametrize("kind", [UndoRefused, BranchRefused, CheckpointRefused])
def test_each_reason_has_words_of_its_own(kind: type[Any]) -> None:
    """None is missing, and no two are the same."""
    reasons = get_args(get_type_hints(kind.__init__)["why"])
    told = {sentence(kind(why)) for why in reasons}
    assert len(told) == len(reasons)
    assert not any("our side" in text for text in told)


def test_what_is_meant_is_named() -> None:
    """Cells by their numbers, checkpoints and branches by their names."""
    assert "cell 7" in sentence(UndoRefused("too far", cell=7))
    assert "cell" not in sentence(UndoRefused("too far")).partition("before that cell")[2]
    assert "cell 7" in sentence(UndoRefused("unread", cell=7))
    assert "cell 7" in sentence(UndoRefused("unsaved", cell=7))
    assert "'good'" in sentence(UndoRefused("no checkpoint", name="good"))
    assert "'x'" in sentence(BranchRefused("none", "x"))
    assert "'x'" in sentence(BranchRefused("taken", "x"))
