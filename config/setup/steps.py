"""The steps of the set-up: commands, each shown as a line with its seconds, and a sentence if one fails.

    output = run("the bot's packages", uv, "pip", "install", ...)
    print(explain(failure))

Standard library only: it runs before anything is installed. Everything goes to standard error, because
standard output belongs to the cells.
"""

import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from config.errors import StepFailed

__all__ = ["explain", "run", "say"]

TICK = 1.0  # seconds between updates of a running step's line

# The first of these that is found in a failed step's output says what to do.
SENTENCES = {
    r"no space left|disk quota exceeded": "The disk is full: Kernelcord and its kernels take about 1.5 GB.",
    r"certificate_verify_failed|invalid peer certificate|unknownissuer": (
        "The package index shows a certificate that this machine does not trust. Behind a company's proxy, "
        "set PIP_CERT=/path/to/its/certificates.pem."
    ),
    r"hash mismatch|do not match the hashes": (
        "A downloaded package is not the one that config/locks names. Try again; if it stays so, the package "
        "index or mirror serves other files."
    ),
    r"dns error|name resolution|name or service not known|failed to (fetch|establish)|error sending request|"
    r"connection (error|refused|reset)|timed? ?out|network is (unreachable|down)|proxyerror|tunnel": (
        "The package index cannot be reached. Check the network; a mirror or proxy is taken from pip's "
        "settings (PIP_INDEX_URL, PIP_PROXY) and from HTTPS_PROXY."
    ),
    r"permission denied|read-only file system|operation not permitted": (
        "This folder cannot be written. Set up as the user it belongs to, or give it to yourself (chown)."
    ),
    r"no matching distribution|no wheels? with|no solution found|cannot be installed": (
        "A package has no build for this machine: use Linux or macOS, on x86-64 or ARM, with CPython 3.12 or "
        "newer."
    ),
}


def say(line: str) -> None:
    """Show a line to the person who runs the set-up."""
    print(line, file=sys.stderr, flush=True)


def run(step: str, *argv: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run one command, showing the line `step` with its seconds; returns what it printed.

    Raises:
        StepFailed: it could not be started, or did not exit with 0.
    """
    begun = time.monotonic()
    _show(step)
    try:
        process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        say(" failed")
        raise StepFailed(step, str(error), -1) from error
    with process:
        output = None
        while output is None:
            try:
                output, _ = process.communicate(timeout=TICK)
            except subprocess.TimeoutExpired:
                _show(step, time.monotonic() - begun)
    if process.returncode:
        say(" failed")
        raise StepFailed(step, output, process.returncode)
    _show(step, time.monotonic() - begun, end="\n")
    return output


def explain(failure: StepFailed) -> str:
    """A sentence that says what to do about a failed step, or its last line of output."""
    for pattern, sentence in SENTENCES.items():
        if re.search(pattern, failure.output, re.IGNORECASE):
            return sentence
    lines = [line.strip() for line in failure.output.splitlines() if line.strip()]
    return lines[-1] if lines else f"It ended with exit status {failure.code} and said nothing."


def _show(step: str, seconds: float | None = None, end: str = "") -> None:
    """Show the step's line: updated on a terminal; elsewhere its name, and its seconds at the end."""
    if seconds is None:
        text = f"  {step} ..."
    elif sys.stderr.isatty():
        text = f"\r  {step} ... {seconds:.1f} s"
    else:
        text = f" {seconds:.1f} s" if end else ""
    print(text, end=end, file=sys.stderr, flush=True)
