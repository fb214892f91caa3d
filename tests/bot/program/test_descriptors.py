"""A program with few descriptors: it takes as many as the system allows, and refuses the rest in words."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kernels.descriptors import KERNEL, SPARE
from tests.conftest import ROOT
from tests.program import Program

HARD = 180  # a program that runs kernels itself uses some 40 at its start, and 11 more for each kernel
LIMIT = "import resource; resource.getrlimit(resource.RLIMIT_NOFILE)"


@pytest.mark.timeout(150)
async def test_who_comes_when_descriptors_are_short_is_told_and_nobody_else_notices(tmp_path: Path) -> None:
    """It refuses well before descriptors run out; the soft limit it started with is raised."""
    within = ("prlimit", f"--nofile=64:{HARD}", "--")
    async with Program.start(tmp_path / "data", within=within, NODE="none") as program:
        assert (await program.run("x = 1", user=1))["status"] == "ok"
        for user in range(2, HARD):
            sent = program.send(user=user, code="1")
            answer = await program.answer(id=sent)
            while answer["event"] not in ("result", "error"):
                program.seen.remove(answer)
                answer = await program.answer(id=sent)
            if answer["event"] == "error":
                break
        assert "session" in answer["message"] or "kernel" in answer["message"]
        assert "try again" in answer["message"]
        assert user > 3, "the limit was not raised"
        assert len(list(Path(f"/proc/{program.process.pid}/fd").iterdir())) <= HARD - SPARE + 16
        for _ in range(3):
            assert (await program.run("x", user=1))["output"] == "1\n"
        late = await program.run("open('a.txt', 'w').write('abc')", user=2)
        assert [file["filename"] for file in late["generated_files"]] == ["a.txt"]


@pytest.mark.timeout(150)
async def test_kernels_have_their_own_limit_whatever_ours_is(tmp_path: Path) -> None:
    """Even without a sandbox, where nothing else limits how many they open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard <= KERNEL:
        pytest.skip("this machine gives nobody more descriptors than a kernel has")
    async with Program.start(tmp_path / "data", NODE="none", SANDBOX="none") as program:
        assert (await program.run(LIMIT))["output"].startswith(f"({KERNEL}, ")
        ours = resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE)
        assert ours[0] > KERNEL


@pytest.mark.parametrize(("soft", "hard", "raised"), [(50, 300, 300), (300, 300, 300)])
def test_the_limit_is_raised_as_far_as_it_may_be(soft: int, hard: int, raised: int) -> None:
    """New work is refused once only SPARE are left."""
    code = (
        f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "import json, os\nfrom kernels import descriptors\ndescriptors.raise_limit()\n"
        "limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]\nopened = []\n"
        "while True:\n    try:\n        descriptors.need(10)\n    except OSError:\n        break\n"
        "    opened.append(os.open(os.devnull, os.O_RDONLY))\n"
        "print(json.dumps([limit, descriptors.free()]))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    limit, free = json.loads(told.stdout)
    assert limit == raised
    assert SPARE + 8 <= free <= SPARE + 10
