"""A node's record can be written where a node was before, however full the disk is."""

import subprocess
import sys
from pathlib import Path

from tests.bot.program.test_full_disk import on_a_disk_of_its_own

REPOSITORY = Path(__file__).parents[3]
FULL = """
import sys
from pathlib import Path
from kernels.node.encoding import decode
from kernels.node.record import retire, write
from kernels.node.settings import RECORD, NodeRecord
folder = Path(sys.argv[1])
def begin(pid):
    write(folder, NodeRecord("/socket", "token", pid, "", 1))
    found = decode((folder / RECORD).read_bytes(), NodeRecord)
    print(found.pid, oct((folder / RECORD).stat().st_mode))
begin(1)
try:
    with open(folder / "filled", "wb", 0) as file:
        while True:
            file.write(bytes(512))
except OSError as error:
    print(error.strerror)
begin(22)       # the first one was killed
retire(folder)  # this one ends
print((folder / RECORD).exists())
begin(3)
"""
PARTLY = """
import resource, sys
from pathlib import Path
from kernels.node.record import RETIRED, write
from kernels.node.settings import RECORD, NodeRecord
folder = Path(sys.argv[1])
(folder / RETIRED).write_bytes(bytes(500))
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    write(folder, NodeRecord("/socket", "token", 1, "", 1))
except OSError as error:
    print(error.strerror)
print((folder / RECORD).exists())
"""


def test_a_record_needs_no_room_where_another_was(tmp_path: Path) -> None:
    """Otherwise nobody could have a kernel any more, and delete something."""
    command = [*on_a_disk_of_its_own(tmp_path), sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    told = ["1 0o100600", "No space left on device", "22 0o100600", "False", "3 0o100600"]
    assert (done.stdout.splitlines(), done.stderr) == (told, "")


def test_a_record_of_which_only_a_part_is_written_is_none(tmp_path: Path) -> None:
    """A disk may take some bytes and then no more: nobody can find the node, and it must not go on."""
    command = [sys.executable, "-c", PARTLY, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (["File too large", "False"], "")
