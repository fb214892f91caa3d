"""The files that code leaves in its workspace: what is new (`scan`), and when to look (`observer`).

    capture = Capture(workspace.path)
    scan = await capture.look()         # scan.captured, scan.skipped
    async with Observer(root) as observer:
        observer.watch(session_id, hint)

The scan is the truth. The observer only says that looking may be worth it.
"""

from kernels.capture.found import Captured, CapturedFile, FileChanged, Scan, Skipped, Stamp
from kernels.capture.late import LateFiles
from kernels.capture.observer import Observer
from kernels.capture.scan import Capture

__all__ = [
    "Capture",
    "Captured",
    "CapturedFile",
    "FileChanged",
    "LateFiles",
    "Observer",
    "Scan",
    "Skipped",
    "Stamp",
]
