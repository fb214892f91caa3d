"""Which packages a kernel's environment has, read from their metadata without starting a kernel."""

from importlib.metadata import distributions
from pathlib import Path

__all__ = ["installed", "plotly_script"]


def installed(python: Path) -> dict[str, str]:
    """The packages in the environment of the interpreter `python`: names in lower case, and versions."""
    folders = [str(folder) for folder in _site_packages(python)]
    found = {each.name.lower(): each.version for each in distributions(path=folders)}
    return dict(sorted(found.items()))


def plotly_script(python: Path) -> str:
    """The JavaScript of that environment's plotly, which is needed to show its figures; "" without plotly."""
    for folder in _site_packages(python):
        script = folder / "plotly" / "package_data" / "plotly.min.js"
        if script.is_file():
            return script.read_text("utf-8")
    return ""


def _site_packages(python: Path) -> list[Path]:
    return sorted(python.parent.parent.glob("lib/python3*/site-packages"))
