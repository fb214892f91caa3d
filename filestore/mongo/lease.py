"""Only one program at a time works on a database: it holds a lease, and renews it as long as it runs.

    async with held(database, LeasePace()): ...  # raises StoreInUse while another program holds it

The holder increments a number every few seconds. Another program may take the lease once the number has not
changed for a while (so the clocks of two machines are never compared), or at once if the holder was a process
of the same machine that has ended. A holder that finds its lease taken, for example after the machine slept,
writes nothing until it has the lease back. See https://kubernetes.io/docs/concepts/architecture/leases/.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from filestore.errors import StoreInUse, StoreUnavailable
from filestore.mongo.database import Document, MongoDatabase, Taken, equal

__all__ = ["LeasePace", "held"]

log = logging.getLogger(__name__)

LEASE = "lease"  # the _id of its document


@dataclass(frozen=True, slots=True)
class LeasePace:
    """How often a lease is renewed and read, in seconds."""

    beat: float = 5.0  # between two renewals
    silence: float = 25.0  # without a renewal, after which the holder counts as dead
    look: float = 0.5  # between two looks at another program's lease


@asynccontextmanager
async def held(database: MongoDatabase, pace: LeasePace) -> AsyncIterator[None]:
    """While entered, this program has the database to itself. Raises: StoreInUse, StoreUnavailable."""
    lease = _Lease(database, pace)
    await lease.acquire()
    renewing = asyncio.create_task(lease.renew(), name="lease of the database")
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])
        with suppress(StoreUnavailable):  # else it lapses
            await lease.release()


class _Lease:
    def __init__(self, database: MongoDatabase, pace: LeasePace) -> None:
        self._database = database
        self._pace = pace
        self._identity = database.apart()["identity"]  # it is read also while the lease is lost
        self._mine = equal(_id=LEASE, holder=secrets.token_hex(8))
        self._about: Document = {
            "holder": self._mine["holder"]["$eq"],
            "host": socket.gethostname(),
            "machine": _machine(),
            "pid": os.getpid(),
            "started": _started(os.getpid()),
            "beat": 0,
        }

    async def acquire(self) -> None:
        """Take the lease, if necessary after waiting. Raises: StoreInUse, StoreUnavailable."""
        while True:
            found = await self._identity.one(equal(_id=LEASE))
            if found is None:
                with suppress(Taken):
                    await self._identity.insert({"_id": LEASE} | self._about, key=["_id"])
            elif found["holder"] == self._about["holder"]:
                return
            else:
                if found["holder"] and not _is_gone(found):
                    await self._wait_for_silence(found)
                same = equal(_id=LEASE, holder=found["holder"], beat=found["beat"])
                await self._identity.change(same, {"$set": self._about})

    async def _wait_for_silence(self, found: Document) -> None:
        """Raises: StoreInUse as soon as the holder is known to live."""
        if found["machine"] and found["machine"] == self._about["machine"]:  # its process exists
            raise StoreInUse(found["host"], found["pid"])
        for _ in range(round(self._pace.silence / self._pace.look)):
            await asyncio.sleep(self._pace.look)  # no event tells that a holder is silent
            now = await self._identity.one(equal(_id=LEASE)) or found
            if not now["holder"]:
                return
            if (now["holder"], now["beat"]) != (found["holder"], found["beat"]):
                raise StoreInUse(now["host"], now["pid"])

    async def renew(self) -> Never:
        """Renew the lease until cancelled; without it nothing is written."""
        while True:
            await asyncio.sleep(self._pace.beat)  # the interval between renewals
            try:
                if await self._identity.change(self._mine, {"$inc": {"beat": 1}}) is None:
                    await self._get_back()
            except StoreUnavailable as error:  # then nobody else can take it either
                log.debug("the lease of the database is not renewed: %s", error.reason)
            except Exception:  # whatever fails this time, the next renewal must be tried
                log.exception("the lease of the database is not renewed")

    async def _get_back(self) -> None:
        try:
            await self.acquire()
        except StoreInUse as error:
            if self._database.taken_by is None:
                log.error("%s: nothing is written until it has ended", error.reason)
            self._database.taken_by = error
        else:
            self._database.taken_by = None
            log.warning("the database is ours again")

    async def release(self) -> None:
        """Give the lease back, if this program has it. Raises: StoreUnavailable."""
        await self._identity.change(self._mine, {"$set": {"holder": ""}})


def _machine() -> str:
    """Identifies this boot of this machine and its PID namespace; "" where that cannot be found out."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """When a process of this machine began, in clock ticks since the boot (proc_pid_stat(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _is_gone(holder: Document) -> bool:
    """Whether the holder was a process of this machine that has ended."""
    here = bool(holder["machine"]) and holder["machine"] == _machine()
    return here and _started(holder["pid"]) != holder["started"]
