"""Zips made piece by piece: complete, the same each time, and given up if they get too large."""

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, cast

import pytest

from bot.errors import OverLimit
from bot.notebooks.zipping import Zip
from bot.scheduling.jobs import Jobs

MIB = 1 << 20


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    """Threads to zip in."""
    jobs = Jobs()
    yield jobs
    jobs.close()


@pytest.fixture
def noise() -> Iterator[BinaryIO]:
    """An open file of 8 MiB that cannot be compressed."""
    with tempfile.TemporaryFile() as file:
        file.write(os.urandom(8 * MIB))
        yield cast("BinaryIO", file)


async def zipped(jobs: Jobs, noise: BinaryIO) -> bytes:
    """A zip of it, and of something small."""
    output = io.BytesIO()
    with Zip(output, jobs) as archive:
        await archive.add_entry("a/noise", noise)
        await archive.add_entry("words", "zwölf")
    return output.getvalue()


async def test_content_is_whole_and_bytes_are_the_same(jobs: Jobs, noise: BinaryIO) -> None:
    """Wherever the file's position is, all of it is in the zip; a second zip is identical."""
    data = await zipped(jobs, noise)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.read("words").decode() == "zwölf"
        noise.seek(0)
        assert archive.read("a/noise") == noise.read()
    assert await zipped(jobs, noise) == data


async def test_a_zip_over_its_limit_is_given_up_at_once(jobs: Jobs, noise: BinaryIO) -> None:
    """It ends within a piece of the limit: not much more is written, or read from the file."""
    output = io.BytesIO()
    with pytest.raises(OverLimit) as caught, Zip(output, jobs, limit=MIB) as archive:
        await archive.add_entry("noise", noise)
    assert caught.value.limit == MIB
    assert len(output.getvalue()) < 3 * MIB
    assert noise.tell() <= 3 * MIB


async def test_many_small_entries_count_too(jobs: Jobs) -> None:
    """Names and the zip's directory take bytes too: the end of the zip alone can exceed the limit."""

    async def many(output: BinaryIO, limit: int) -> None:
        with Zip(output, jobs, limit) as archive:
            for number in range(24):
                await archive.add_entry(f"{number:02}", b"")

    output = io.BytesIO()
    await many(output, 10_000)
    with pytest.raises(OverLimit):
        await many(io.BytesIO(), len(output.getvalue()) - 1)
