"""The machine and the versions behind the figures: without these, nobody can compare them."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

__all__ = ["machine", "sentence"]


def machine(python: Path) -> dict[str, object]:
    """The machine and the versions in use; `python` is the kernels' interpreter."""
    ask = "import importlib.metadata as m; print(m.version('ipykernel'))"
    ipykernel = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / (1 << 20), 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "ipykernel": ipykernel.stdout.strip(),
        "jupyter_client": version("jupyter_client"),
    }


def sentence(about: dict[str, object]) -> str:
    """The machine and the versions in one sentence."""
    return (
        "{cpu}, {cores} cores, {memory_gib} GiB; {system}; "
        "Python {python}, ipykernel {ipykernel}, jupyter_client {jupyter_client}"
    ).format_map(about)


def _field(path: str, name: str) -> str:
    """The first value called `name` in a file of "name: value" lines; "" when there is none."""
    lines = (line.partition(":") for line in Path(path).read_text("utf-8").splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")
