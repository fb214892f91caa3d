"""What the model is told besides the conversation: who it is, its tools, and what the kernel holds now.

system_prompt(python, network=False)  TOOLS  UNDO  situation(state)  picture_links(words)
"""

import functools
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from bot.model.conversation import Tool, ToolCall
from kernels.broker import FileRow
from kernels.interface import State
from kernels.notebooks.packages import installed
from kernels.text.clipping import clip, human_size

__all__ = [
    "GO_ON",
    "LAST",
    "TOOLS",
    "UNDO",
    "BadCall",
    "arguments",
    "listing",
    "picture_links",
    "situation",
    "system_prompt",
]

VARIABLES = 40  # listed by name; the rest are counted
DETAIL = 80  # characters of a variable's shape or value
LISTED = 50  # files listed
LINKS = 4  # addresses of pictures taken from one message
LINK = re.compile(r"https?://[^\s<>\"')\]]+\.(?:png|jpe?g|gif|webp)(?:\?[^\s<>\"')\]]*)?", re.IGNORECASE)

# Packages that the model is told of if they are installed: it can be expected to know them.
WORTH_NAMING = (
    *("numpy", "pandas", "polars", "scipy", "scikit-learn", "statsmodels", "matplotlib", "seaborn", "plotly"),
    *("altair", "bokeh", "sympy", "openpyxl", "xlsxwriter", "pyarrow", "duckdb", "pillow", "opencv-python"),
    *("networkx", "geopandas", "requests", "beautifulsoup4", "lxml", "nltk", "xgboost", "lightgbm", "torch"),
)
UNKNOWN = "Nobody has told you what is installed: import what you need, and see."
NO_NETWORK = "There is no network: nothing can be downloaded, and no package can be installed."
NETWORK_ONLY = "There is a network. No package can be installed."
NETWORK = "There is a network. A package that is missing: `%pip install --target . NAME`, then import it."

GO_ON = "The connection broke after your last words. Go on exactly where they stop, and repeat nothing."
LAST = (
    "You have used your tools as often as you may in this answer. Answer now, in words, from what you have."
)


def _tool(name: str, description: str, **parameters: str) -> Tool:
    properties = {key: {"type": "string", "description": text} for key, text in parameters.items()}
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": list(properties)}
    return Tool(name, description, schema | {"additionalProperties": False})


TOOLS = (
    _tool(
        "run_python",
        "Run a cell of Python in the person's IPython kernel. Gives its output (of a long one head and tail),"
        " its pictures, the ids of the files it wrote, and the variables that are there afterwards.",
        code="the cell's code; the value of its last line is shown",
    ),
    _tool(
        "list_files", "List the person's stored files, newest first: id, name, type, size, time of expiry."
    ),
    _tool(
        "load_file",
        "Put a stored file into the workspace under its name, and look at it: a picture is shown, and the"
        " beginning of a text. In a cell, load_file(id) gives it as an object.",
        id="the file's id, such as k7m3q9x2va, or its name",
    ),
)
UNDO = _tool(
    "undo",
    "Take back the last cells that you have run in this answer: their variables and files are as before. Use"
    " it when a cell of yours has spoilt something, instead of mending it with another one.",
    cells='how many cells, such as "1"',
)
_PARAMETERS = {tool.name: tuple(tool.parameters["properties"]) for tool in (*TOOLS, UNDO)}


class BadCall(ValueError):
    """A tool call that cannot be carried out; the text tells the model why."""


def arguments(call: ToolCall) -> dict[str, str]:
    """The arguments of a call, all of them texts. Raises: BadCall."""
    if call.name not in _PARAMETERS:
        raise BadCall(f"There is no tool {clip(call.name, 100)!r}. Use one of: {', '.join(_PARAMETERS)}.")
    try:
        given = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise BadCall(f"The arguments are no JSON: {error}. Nothing was done; call again.") from None
    wanted = _PARAMETERS[call.name]
    if call.name == UNDO.name and isinstance(given, dict) and type(given.get("cells")) is int:
        given["cells"] = str(given["cells"])  # models like to give a number as one
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in wanted):
        raise BadCall(
            f"{call.name} takes an object with these texts: {', '.join(wanted) or 'none'}. Call again."
        )
    return {name: given[name] for name in wanted}


@functools.cache
def system_prompt(python: Path, *, network: bool) -> str:
    """The instructions of config/prompt.md for kernels of the interpreter `python`; files are read once.

    They name the packages that are installed there, and say what to do about one that is not.
    """
    there = installed(python)
    named = [name for name in WORTH_NAMING if name in there]
    words = {
        "packages": f"Installed are {', '.join(named)}, and more." if named else UNKNOWN,
        "network": NETWORK if network and "pip" in there else NETWORK_ONLY if network else NO_NETWORK,
    }
    text = resources.files("config").joinpath("prompt.md").read_text(encoding="utf-8")
    for name, said in words.items():
        text = text.replace(f"{{{{{name}}}}}", said)
    return text


def situation(state: State) -> str:
    """A list of the live variables with types and shapes, or a line that says where they are."""
    if not state.alive and state.saved:
        return f"Variables now: those after cell {state.saved} are saved, and come back with the next cell."
    if not state.variables:
        return "Variables now: none; the kernel is fresh." if not state.alive else "Variables now: none."
    lines = [
        f"- {clip(variable.name, DETAIL)}: {variable.type} {clip(variable.detail, DETAIL)}".rstrip()
        for variable in state.variables[:VARIABLES]
    ]
    more = [f"- and {len(state.variables) - VARIABLES} more"] if len(state.variables) > VARIABLES else []
    return "\n".join(["Variables now:", *lines, *more])


def listing(files: Sequence[FileRow]) -> str:
    """The person's files as a text."""
    lines = [
        f"{file.file_id}  {file.filename}  {file.file_type}  {human_size(file.size)}  until {file.expires_at}"
        for file in files[:LISTED]
    ]
    return "\n".join(lines) or "There are no files."


def picture_links(words: str) -> tuple[str, ...]:
    """The first addresses of pictures in a text, at most four."""
    return tuple(dict.fromkeys(link.rstrip(".,;:!?") for link in LINK.findall(words)))[:LINKS]
