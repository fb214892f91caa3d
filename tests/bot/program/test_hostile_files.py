"""Files of hostile names or kinds, written by a real cell: captured, or skipped with a reason."""

from pathlib import Path

import pytest

from tests.program import Program

HOSTILE = r"""
import os, socket
os.symlink("/etc/passwd", "secret.txt")
os.mkfifo("pipe.csv")
os.mkdir("x.csv")
open(b"caf\xe9.txt", "w").write("latin")
open("two\nlines.txt", "w").write("newline")
open("n" * 251 + ".txt", "w").write("long")
open("rtl\u202etxt.exe", "w").write("rtl")
open("@everyone.md", "w").write("shout")
os.link("@everyone.md", "twin.md")
socket.socket(socket.AF_UNIX).bind("door.sock")
with open("huge.bin", "wb") as file: file.truncate(400 << 20)
open("plain.txt", "w").write("plain")
"""


@pytest.mark.timeout(120)
async def test_hostile_files_are_captured_or_skipped_with_a_reason(tmp_path: Path) -> None:
    """Every odd file is named in exactly one list, no link is followed, and the next cell works."""
    async with Program.start(tmp_path / "data") as program:
        result = await program.run(HOSTILE)
        assert result["status"] == "ok", result["error"]
        captured = {file["filename"] for file in result["generated_files"]}
        skipped = {one["name"]: one["reason"] for one in result["skipped"]}
        assert {"plain.txt"} <= captured
        assert len([name for name in captured if name.startswith("nnn")]) == 1
        for name in ("secret.txt", "pipe.csv", "x.csv", "door.sock", "huge.bin", "@everyone.md", "twin.md"):
            assert skipped[name], f"{name} is neither kept nor explained"
        assert skipped["huge.bin"].startswith("400 MB, over the 50 MB limit")
        assert not any("\n" in name or "\u202e" in name for name in captured | skipped.keys())
        again = await program.run("1 + 1")
        assert again["output"] == "2\n"
        assert again["skipped"] == []


@pytest.mark.timeout(120)
async def test_a_thousand_files_at_once_are_captured_up_to_the_limit_and_the_rest_is_counted(
    tmp_path: Path,
) -> None:
    """64 are stored, the others are said to be left in the workspace, and the next cell works."""
    async with Program.start(tmp_path / "data") as program:
        result = await program.run("for n in range(1000): open(f'{n:04}.txt', 'w').write(str(n))")
        assert len(result["generated_files"]) == 64
        assert "more" in result["skipped"][-1]["name"]
        assert (await program.run("len(__import__('glob').glob('*'))"))["output"] == "1000\n"
