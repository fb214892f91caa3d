"""Becomes an ordinary user, and runs a cell with a table and a plot in kernels that this user can have.

    python -m tests.live.tiers.ordinary A                 # as the user that we are; "" is the strongest tier
    unshare --mount --propagation private python -m tests.live.tiers.ordinary A 61000 61001 OUTSIDE

The second form is for root; OUTSIDE is the mount namespace that it comes from. If the interpreter or the
checkout is below a folder that only root may enter, an empty folder is mounted over it, with the two bound
read-only at their old paths. These mounts end with this process.
"""

import asyncio
import ctypes
import json
import os
import sys
import tempfile
from pathlib import Path

MEMORY = 256 << 20  # bytes for a kernel
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 1 << 12
LIBC = ctypes.CDLL(None, use_errno=True)
ROOT = Path(__file__).resolve().parents[3]
CELL = """
import os, tempfile, time
import pandas as pd, matplotlib.pyplot as plt
table = pd.DataFrame({'a': [1, 2, 3]})
table.plot()
plt.show()
table.to_csv('table.csv')
tempfile.TemporaryFile().close()
time.sleep(1)  # the watchdog looks at it meanwhile
print(int(table.a.sum()), os.getuid())
"""
HOG = "held = [bytearray(1 << 20) for _ in range(400)]\nwhile True: time.sleep(1)"


async def ran(tier: str) -> dict[str, object]:
    """The cell's outcome."""
    from kernels.cell.events import Display
    from kernels.limits import Limits
    from kernels.sandbox.forkserver import LIBRARIES
    from kernels.sandbox.policy import Tier
    from tests.live.cells import NoFiles, pooled, run

    with tempfile.TemporaryDirectory() as folder:
        options = {"tier": Tier(tier) if tier else None, "libraries": LIBRARIES}
        async with pooled(Path(folder, "w"), Limits(memory=MEMORY), **options) as pool:
            kernel = pool.kernel("a", NoFiles())
            cell = await run(kernel, CELL)
            hog = await run(kernel, HOG)
            return {
                "uid": os.getuid(),
                "tier": pool.tier,
                "status": cell.status,
                "output": cell.output,
                "plots": sum(isinstance(event, Display) for event in cell.events),
                "hog": [hog.status, *(restarted.reason for restarted in hog.restarts)],
                "left": sorted(path.name for path in Path(folder, "w", "a").glob("*.csv")),
            }


def closed(path: Path) -> Path | None:
    """The topmost folder on the way to a path that others may not enter."""
    ways = reversed([path, *path.parents])
    return next((way for way in ways if not way.stat().st_mode & 0o001), None)


def open_ways(needed: list[Path]) -> None:
    """Replace folders that only we may enter by ones that contain what is needed and nothing else."""
    covers = {path: cover for path in needed if (cover := closed(path)) is not None}
    held = {path: os.open(path, os.O_PATH) for path in covers}
    for cover in set(covers.values()):
        mounted(b"tmpfs", cover, b"tmpfs", 0, b"size=1m,mode=755")
    for path, descriptor in held.items():
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        mounted(f"/proc/self/fd/{descriptor}".encode(), path, None, MS_BIND, None)
        mounted(b"", path, None, MS_REMOUNT | MS_BIND | MS_RDONLY, None)
        os.close(descriptor)


def mounted(source: bytes, target: Path, kind: bytes | None, flags: int, options: bytes | None) -> None:
    """Call mount(2). Raises: OSError."""
    if LIBC.mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), options) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount on {target}: {os.strerror(number)}")


def main(tier: str, *user: str) -> None:
    """The program."""
    if user:
        uid, gid, outside = user
        if os.readlink("/proc/self/ns/mnt") == outside:
            sys.exit("Mounts would be the machine's: use a mount namespace.")
        os.umask(0o022)
        open_ways([Path(os.path.realpath(sys.executable)).parent.parent, ROOT])
        os.setgroups([])
        os.setresgid(int(gid), int(gid), int(gid))
        os.setresuid(int(uid), int(uid), int(uid))
        os.execv(sys.executable, [sys.executable, "-m", "tests.live.tiers.ordinary", tier])
    print(json.dumps(asyncio.run(ran(tier))))


if __name__ == "__main__":
    main(*sys.argv[1:])
