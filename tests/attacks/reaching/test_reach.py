"""Every file of the host that a kernel can name, by any way: none can be written, and none changed."""

import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kernels.errors import KernelStartFailed, SandboxUnavailable
from kernels.kernel import Kernel
from kernels.limits import Limits
from kernels.pool import Pool
from kernels.sandbox import confined
from kernels.sandbox.confined import Sandbox, readable
from kernels.sandbox.policy import DEVICES, LOOKED_UP, READABLE_PROC, SYSTEM, Tier
from kernels.sandbox.selftest import probe
from tests.attacks.host import Host
from tests.conftest import KERNEL_PYTHON, ROOT
from tests.live.cells import run

pytestmark = pytest.mark.asyncio(loop_scope="session")

WALK = (Path(__file__).parent / "reach.py").read_text("utf-8")
# The kernel's own file systems, in tiers that give it its own tree.
MEMORY = ["/", "/tmp", "/dev/shm", "/dev/pts"]
ELSEWHERE = [
    "/etc/shadow",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/machine-id",
    "/root",
    "/home",
    "/var/log",
    "/proc/1/environ",
    "/boot",
    "/run",
]

# How the list in SECURITY.md names what is found, by the beginning of its path.
NAMES = {
    "/proc/PID/exe": "the interpreter, by `/proc/PID/exe`",
    "/proc/PID/fd/": "`/dev/null`, by a descriptor",
    "/proc/PID/ns/": "the machine's time and (S) user namespaces, by `/proc/PID/ns`",
    "/proc/PID/map_files/": "the libraries in memory, by `/proc/PID/map_files`",
    "/proc/PID": "",  # its own
    "/proc/sys/": "eight files of `/proc/sys`",
    "/var/proc/sys/": "eight files of `/proc/sys`",
    "/proc": "the machine's files in `/proc`",
    "/dev/": "`/dev/null`, `zero`, `full`, `random`, `urandom`",
    **dict.fromkeys(
        LOOKED_UP, "of `/etc`: fonts, certificates, time zone, libraries' paths, MIME types, alternatives"
    ),
    "/sys/": "`/sys/devices/system/cpu`",
    **dict.fromkeys(SYSTEM, "`/usr`, `/bin`, `/sbin`, `/lib`, `/lib64`"),
}


async def test_no_file_of_the_host_can_be_changed(kernel: Kernel, pool: Pool, host: Host) -> None:
    """Neither its bytes nor its mode, owner, dates or attributes; and SECURITY.md lists every file found."""
    alone = pool.tier.namespaces
    packages = [str(path) for path in readable(KERNEL_PYTHON)]
    own = ["/workspace"] if alone else [str(kernel.workspace.path)]
    known = [*SYSTEM, *LOOKED_UP, *READABLE_PROC, *packages, *ELSEWHERE, str(host.secret), str(ROOT)]
    known += [f"/dev/{name}" for name in DEVICES]
    arguments = f"{own!r}, {MEMORY if alone else []!r}, {known!r}, pretended={not alone}"
    code = f"import dataclasses, json\nprint(json.dumps([dataclasses.asdict(f) for f in walk({arguments})]))"
    ran = await run(kernel, f"{WALK}\n{code}")
    assert ran.status == "ok", ran.output
    found = json.loads(ran.output)
    assert not [each for each in found if each["writable"] or each["changed"]]
    seen: dict[str, str] = {}
    for each in found:
        covered = each["path"].startswith("/proc/") and each["can"] == "use" and "/fd/" not in each["path"]
        name = _named(each["path"], packages)
        if each["can"] != "name" and name and not covered:
            seen[name] = each["can"]
    assert seen == {name: tiers[pool.tier] for name, tiers in _listed().items() if tiers[pool.tier] != "-"}


def _named(path: str, packages: list[str]) -> str:
    path = re.sub(r"^/proc/(?:\d+|self|thread-self)(?:/task/\d+)?(?=/|$)", "/proc/PID", path)
    if any(path.startswith(package) for package in packages):
        return "the kernels' interpreter and packages, and our code in them"
    return next((name for start, name in NAMES.items() if path.startswith(start)), path)


def _listed() -> dict[str, dict[str, str]]:
    """The list in SECURITY.md: what can be done with each, by tier."""
    text = (ROOT / "SECURITY.md").read_text("utf-8").split("<!-- reach -->")[1].split("<!-- /reach -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()[2:]]
    return {name: dict(zip("SAB", tiers, strict=True)) for name, *tiers in rows}


async def test_a_tier_whose_interpreter_can_be_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the host's own mount, a kernel of our user can chmod its interpreter; the self-test finds that."""
    monkeypatch.setattr(confined, "Forkserver", partial(_unprotected, confined.Forkserver))
    sandbox = Sandbox(
        Tier.A,
        python=KERNEL_PYTHON,
        folder=tmp_path / "own",
        workspaces=tmp_path,
        limits=Limits(),
        libraries=(),
    )
    try:
        with sandbox:
            leaks = await probe(sandbox)
    except (SandboxUnavailable, KernelStartFailed) as error:
        pytest.skip(f"no tier A here: {error}")
    owner = os.stat(os.path.realpath(KERNEL_PYTHON)).st_uid == os.geteuid()
    assert leaks == (["the mode of the file that it runs"] if owner else [])


def _unprotected(forkserver: Any, *arguments: Any, protected: bool, **options: Any) -> Any:
    return forkserver(*arguments, **options)
