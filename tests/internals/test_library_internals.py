"""The private parts of libraries that the product uses are listed, and the installed versions have them."""

import ast
import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import KERNEL_PYTHON, ROOT
from tests.internals.lookup import has
from tests.internals.uses import USES, Use

PACKAGES = ("bot", "config", "filestore", "kernels")
INSIDE = "kernels/inside/"  # run by the kernels' own Python
LIBRARIES = (
    "aiohttp",
    "ipykernel",
    "IPython",
    "jupyter_client",
    "jupyter_server",
    "matplotlib_inline",
    "motor",
    "nbformat",
    "nextcord",
    "pymongo",
    "tornado",
    "watchfiles",
)
HOOKED = ("ipykernel", "IPython")  # for these every override is listed, since hardly any is documented
ACCESS = ("getattr", "setattr", "hasattr", "delattr")
DOCUMENTED = {"os._exit"}
SUPER = "super()"

Base = tuple[str, str]  # a library's class, as `has` takes it, and a name that our code uses of it


def is_private(name: str) -> bool:
    """Whether a name is private to a library."""
    return name.startswith("_") and not name.endswith("__") and name != "_"


def imports(tree: ast.Module) -> dict[str, str]:
    """Each imported name with its origin: "module", or "module:name"."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found |= {alias.asname or alias.name: f"{node.module}:{alias.name}" for alias in node.names}
    return found


def is_library(target: str, libraries: tuple[str, ...] = LIBRARIES) -> bool:
    """Whether an import comes from one of the libraries."""
    return target.replace(":", ".").partition(".")[0] in libraries


def own_names(tree: ast.AST) -> set[str]:
    """The names that a module defines: functions, classes, variables, and attributes of `self`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            found.add(node.attr)
    return found


def on_others(tree: ast.Module) -> Iterator[str]:
    """The private attributes of things that the module did not define, and its assignments to libraries."""
    own, imported = own_names(tree), imports(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=value, attr=name) if (
                is_private(name) and not _is_self(value) and ast.unparse(value) != SUPER
            ):
                if name not in own and ast.unparse(node) not in DOCUMENTED:
                    yield name
            case ast.Attribute(value=ast.Name(id=root), attr=name, ctx=ast.Store()):
                if is_library(imported.get(root, "")):
                    yield name
            case ast.Call(func=ast.Name(id=function), args=[_, ast.Constant(value=str(name)), *_]):
                if function in ACCESS and is_private(name) and name not in own:
                    yield name
            case ast.ImportFrom(level=0, names=names):
                yield from (alias.name for alias in names if is_private(alias.name))


def inherited(tree: ast.Module) -> Iterator[Base]:
    """The names that classes derived from a library's class define or use on themselves, with that class."""
    imported = imports(tree)
    for node in ast.walk(tree):
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            root, _, path = ast.unparse(base).partition("[")[0].partition(".")
            target = imported.get(root, "")
            if not is_library(target):
                continue
            owner = f"{target}{'.' if ':' in target else ':'}{path}" if path else target
            used = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
            used = {name for name in used | own_names(node) if is_private(name)}
            if is_library(target, HOOKED):
                used |= {each for part in node.body for each in _defined(part) if not each.startswith("__")}
            yield from ((owner, name) for name in sorted(used))


def _defined(part: ast.stmt) -> list[str]:
    """The names that a statement in a class body defines."""
    match part:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [ast.unparse(target) for target in targets]
        case ast.AnnAssign(target=target):
            return [ast.unparse(target)]
    return []


def _is_self(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def looked_up(questions: list[Base], file: str) -> list[bool]:
    """Whether the libraries installed for the running Python have these names."""
    if not file.startswith(INSIDE):
        return [has(owner, name) for owner, name in questions]
    return [_inside()[question] for question in questions]


@cache
def _inside() -> dict[Base, bool]:
    """The answers for the kernels' own packages, from one process of their Python."""
    questions = [(use.owner, name) for use in USES for name in use.names.split()]
    for path in (ROOT / INSIDE).rglob("*.py"):
        questions += inherited(ast.parse(path.read_text("utf-8")))
    asked = list(dict.fromkeys(questions))
    ran = subprocess.run(
        [str(KERNEL_PYTHON), str(Path(__file__).with_name("lookup.py"))],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return dict(zip(asked, json.loads(ran.stdout), strict=True))


def used(file: str, source: str) -> set[str]:
    """The library-private names that a file uses."""
    tree = ast.parse(source)
    questions = list(inherited(tree))
    answers = looked_up(questions, file)
    return set(on_others(tree)) | {name for (_, name), there in zip(questions, answers, strict=True) if there}


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.owner}-{use.file}")
def test_the_installed_version_has_what_is_used(use: Use) -> None:
    """Otherwise our override may no longer be called: study the new version before upgrading."""
    names = use.names.split()
    answers = looked_up([(use.owner, name) for name in names], use.file)
    for name, there in zip(names, answers, strict=True):
        assert there or use.optional, (
            f"{use.owner} has no {name} any more, which {use.file} needs: {use.reason}"
        )


def test_everything_that_is_used_is_listed() -> None:
    """Each private attribute that the product uses is in `uses.py` with its reason, and nothing else is."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    problems = []
    for path in files:
        file, source = str(path.relative_to(ROOT)), path.read_text("utf-8")
        listed = {name for use in USES if use.file == file for name in use.names.split()}
        problems += [
            f"{file} uses {name} of a library, which tests/internals/uses.py does not list with its reason"
            for name in sorted(used(file, source) - listed)
        ]
        problems += [
            f"{file} does not use {name} any more, which tests/internals/uses.py lists"
            for name in sorted(listed)
            if name not in source
        ]
    assert problems == []
    assert {use.file for use in USES} <= {str(path.relative_to(ROOT)) for path in files}


@pytest.mark.parametrize(
    "source",
    [
        "import nextcord\nnextcord.Client()._connection",
        "client._http",
        "getattr(shell, '_tee')",
        "import jupyter_client\njupyter_client.kernelspec = None",
        "from nextcord import _secret",
        "from nextcord import Client\nclass Own(Client):\n    def _schedule_event(self): ...",
        "from nextcord import Client\nclass Own(Client):\n    def reopen(self): self._ready.clear()",
        "import nextcord\nclass Own(nextcord.Client):\n    def reopen(self): super()._schedule_event()",
    ],
)
def test_each_way_to_use_one_is_found(source: str) -> None:
    """On an object, by its name as text, by assignment, by import, and in a derived class."""
    assert len(used("bot/planted.py", source)) == 1


def test_what_is_our_own_is_left_alone() -> None:
    """A private attribute of our own class, or a method that a library's class does not have."""
    source = (
        "from nextcord import Client\nclass Own(Client):\n    def __init__(self): self._desk = 1\nOwn()._desk"
    )
    assert used("bot/planted.py", source) == set()
