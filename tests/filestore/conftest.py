"""What the tests of the file store share: a clock they set, and a store on every backend."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient

from filestore import open_store
from filestore.blobs.store import Blobs
from filestore.files import QUOTA, FileStore
from filestore.outputs.large import with_large_outputs
from filestore.spool import spooled
from filestore.store import Store
from tests.mongodb import running_mongodb

# Each backend's name, and the fixture that gives its URI.
BACKENDS = {"sqlite": None, "mongodb": "mongodb_uri", "spooled": None}
if "TEST_MONGODB_URI" in os.environ:
    BACKENDS["real mongodb"] = "real_mongodb_uri"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until the test moves it."""
    return Clock()


@pytest.fixture(scope="session")
def mongodb_server() -> Iterator[str]:
    """The URI of a server that the tests started."""
    with running_mongodb() as uri:
        yield uri


@pytest.fixture
def mongodb_uri(mongodb_server: str) -> Iterator[str]:
    """The URI of an empty database on the server that the tests started."""
    with empty_database(mongodb_server) as uri:
        yield uri


@pytest.fixture
def real_mongodb_uri() -> Iterator[str]:
    """The URI of an empty database on the server that TEST_MONGODB_URI names."""
    with empty_database(os.environ["TEST_MONGODB_URI"]) as uri:
        yield uri


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """The URI of a new database on a server; it is dropped at the end."""
    name = f"kernelcord-test-{secrets.token_hex(6)}"
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    client: MongoClient[dict[str, Any]] = MongoClient(server)
    with client:
        client.drop_database(name)


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    """An empty store on each backend, and once with all the layers that the bot puts in front of it."""
    fixture = BACKENDS[request.param]
    uri = request.getfixturevalue(fixture) if fixture else None
    async with open_store(tmp_path, mongodb_uri=uri) as opened:
        if request.param == "spooled":
            large = with_large_outputs(opened, Blobs(tmp_path / "files"), quota=QUOTA, clock=clock)
            async with spooled(large, tmp_path / "spool", clock=clock) as kept:
                yield kept
        else:
            yield opened


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """An empty directory for bytes."""
    return Blobs(tmp_path / "files")


@pytest.fixture
def files(store: Store, blobs: Blobs, clock: Clock) -> FileStore:
    """A file store on each backend, with the clock that stands still."""
    return FileStore(store, blobs, clock=clock)
