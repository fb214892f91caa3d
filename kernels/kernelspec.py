"""A kernel spec for Jupyter's own programs, by which they start our confined kernels.

    python -m kernels.kernelspec --prefix /path/of/jupyter     # or --user, or --folder DIR

The program that starts the kernels must have this package installed, since it finds our provisioner by the
entry point `kernelcord`. The bot's own environment has it; another gets it by `pip install .` in this folder.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager

from kernels.process.jupyter_sandbox import WITHOUT_ROOT

__all__ = ["NAME", "spec", "write"]

NAME = "kernelcord"
TIER_HELP = "A (user namespaces) or B (Landlock); without it the stronger that works"


def spec(python: Path, tier: str = "") -> dict[str, Any]:
    """The content of `kernel.json` for kernels of the interpreter `python`; "" takes the stronger tier."""
    config = {"python": str(python)} | ({"tier": tier} if tier else {})
    return {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python (Kernelcord, confined)",
        "language": "python",
        "interrupt_mode": "message",
        "metadata": {"kernel_provisioner": {"provisioner_name": NAME, "config": config}},
    }


def write(folder: Path, python: Path, tier: str = "") -> Path:
    """Write the spec into `folder / "kernelcord"`, and return that path."""
    target = folder / NAME
    target.mkdir(parents=True, exist_ok=True)
    (target / "kernel.json").write_text(json.dumps(spec(python, tier), indent=1) + "\n", "utf-8")
    return target


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m kernels.kernelspec", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--user", action="store_true", help="for this user's Jupyter")
    where.add_argument("--prefix", help="for the Jupyter of this environment")
    where.add_argument("--folder", type=Path, help="into a folder of kernel specs")
    parser.add_argument("--python", type=Path, default=Path(".venv-kernels/bin/python"))
    parser.add_argument("--tier", default="", choices=WITHOUT_ROOT, help=TIER_HELP)
    args = parser.parse_args()
    python = args.python.absolute()
    if args.folder is not None:
        print(write(args.folder, python, args.tier))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder), python, args.tier)
        print(KernelSpecManager().install_kernel_spec(str(source), NAME, user=args.user, prefix=args.prefix))
    return 0


if __name__ == "__main__":
    sys.exit(main())
