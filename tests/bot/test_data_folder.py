"""One data folder and several databases: every start works, says what is wrong, and deletes nothing."""

from pathlib import Path

import pytest

from bot.compose import compose
from config.settings import Settings, load

MINE, THEIRS = "belong to another database", "is not as it was"


def settings_of(data: Path) -> Settings:
    """Kernels without anything around them, for none is started."""
    return load(data=data, preload="none", node="none", sandbox="none")


async def test_a_database_that_is_forgotten_once_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As MONGODB_URI is: the bot starts, warns, and with the right database all files are there."""
    data, away = tmp_path / "data", tmp_path / "away"
    database = data / "kernelcord.db"
    async with compose(settings_of(data)) as sessions:
        stored = await sessions.upload("a.csv", b"a,b\n", 1)
    assert MINE not in caplog.text
    database.rename(away)
    async with compose(settings_of(data)) as sessions:
        await sessions.upload("b.csv", b"b\n", 1)
    (warning,) = [record.getMessage() for record in caplog.records if MINE in record.getMessage()]
    assert "MONGODB_URI" in warning
    assert str(data / "files/.database") in warning
    assert THEIRS not in caplog.text
    away.rename(database)
    for suffix in ("-wal", "-shm"):
        assert not Path(f"{database}{suffix}").exists()
    async with compose(settings_of(data)) as sessions:
        loaded = await sessions.load_file(stored.file_id, 1)
        assert loaded.data == b"a,b\n"
        assert (data / "workspaces" / sessions.id_of(1, "terminal") / "b.csv").exists()
    assert caplog.text.count(MINE) == 1
    assert caplog.text.count(THEIRS) == 1
