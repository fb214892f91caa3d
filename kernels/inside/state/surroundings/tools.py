"""What the person has set of IPython or added to it: magics, aliases, extensions, formatters ..."""

from collections.abc import Callable, Iterator
from typing import Any

from IPython.core.alias import Alias
from IPython.core.magic import MagicAlias

from .part import Part, Words, is_lost, is_ours

__all__ = ["PARTS"]

TEXT = "text/plain"
# The settings that have a magic, or are usual in `%config`; others have no use in a kernel.
SETTINGS = ("ast_node_interactivity", "autocall", "automagic", "cache_size", "call_pdb", "colors")
OF_TEXT = ("float_precision", "max_seq_length", "max_width", "pprint", "verbose")
PRINTERS = ("type_printers", "deferred_printers", "singleton_printers")
RELOADING = "AutoreloadMagics"
OF_IPYTHON = (
    "_trait",
    "_cross_validation",
    "_config",
    "magics",
    "options_table",
    "shell",
)  # in such an object
OF_RELOADING = ("enabled", "check_all", "autoload_obj", "modules", "skip_modules")


def _settings(shell: Any) -> dict[str, Any]:
    text = shell.display_formatter.formatters[TEXT]
    found = {name: getattr(shell, name) for name in SETTINGS}
    return found | {name: getattr(text, name) for name in OF_TEXT} | {"xmode": shell.InteractiveTB.mode}


def _take_settings(shell: Any, noted: dict[str, Any]) -> dict[str, Any] | None:
    return {name: value for name, value in _settings(shell).items() if noted[name] != value} or None


def _put_settings(shell: Any, value: dict[str, Any]) -> None:
    text = shell.display_formatter.formatters[TEXT]
    for name, setting in value.items():
        if name == "xmode":
            shell.InteractiveTB.set_mode(setting)
        else:
            setattr(text if name in OF_TEXT else shell, name, setting)


def _extensions(shell: Any) -> set[str]:
    return set(shell.extension_manager.loaded)


def _take_extensions(shell: Any, noted: set[str]) -> dict[str, Any] | None:
    """The extensions, and how `%autoreload` is set, if it is one of them."""
    loaded = sorted(_extensions(shell) - noted)
    reloading = shell.magics_manager.registry.get(RELOADING) if loaded else None
    reloader = getattr(reloading, "_reloader", None)
    mode = {name: getattr(reloader, name) for name in OF_RELOADING} if reloader is not None else {}
    return {"loaded": loaded, "reloading": mode} if loaded else None


def _put_extensions(shell: Any, value: dict[str, Any]) -> Iterator[str]:
    for name in value["loaded"]:
        try:
            shell.extension_manager.load_extension(name)
        except Exception:  # noqa: BLE001  a module of the person's own may raise anything
            yield f"the extension `{name}`"
    reloading = shell.magics_manager.registry.get(RELOADING)
    if value["reloading"] and reloading is not None:
        for name, each in value["reloading"].items():
            setattr(reloading._reloader, name, each)


def _aliases(shell: Any) -> dict[str, str]:
    return {name: made.cmd for name, made in _magics(shell)["line"].items() if isinstance(made, Alias)}


def _take_aliases(shell: Any, noted: dict[str, str]) -> Any:
    now = _aliases(shell)
    made = {name: command for name, command in now.items() if noted.get(name) != command}
    removed = [name for name in noted if name not in now]
    return (made, removed) if made or removed else None


def _put_aliases(shell: Any, value: Any) -> None:
    made, removed = value
    for name, command in made.items():
        shell.alias_manager.define_alias(name, command)
    for name in removed:
        if shell.alias_manager.is_alias(name):
            shell.alias_manager.undefine_alias(name)


def _magics(shell: Any) -> dict[str, dict[str, Any]]:
    return {kind: dict(magics) for kind, magics in shell.magics_manager.magics.items()}


def _take_magics(shell: Any, noted: dict[str, dict[str, Any]]) -> list[Any] | None:
    """Each magic of the person's: its kind and name, and what it is made of again.

    That is a function; a class with what its object has kept; or for `%alias_magic` the other name.
    """
    kept: list[Any] = []
    for kind, magics in _magics(shell).items():
        for name, magic in magics.items():
            if noted[kind].get(name) is magic or isinstance(magic, Alias):
                continue
            made_by = getattr(magic, "__self__", None)
            if isinstance(magic, MagicAlias):
                kept.append((kind, name, None, (magic.magic_name, magic.magic_kind, magic.magic_params)))
            elif not is_ours(magic) and made_by is not None:
                own = {
                    each: value for each, value in vars(made_by).items() if not each.startswith(OF_IPYTHON)
                }
                kept.append((kind, name, type(made_by), own))
            elif not is_ours(magic):
                kept.append((kind, name, None, magic))
    return kept or None


def _put_magics(shell: Any, value: list[Any]) -> Iterator[str]:
    manager, registered = shell.magics_manager, set()
    for kind, name, of_class, made in value:
        try:
            if is_lost(of_class) or is_lost(made):
                raise ValueError
            if of_class is not None:
                if (
                    of_class not in registered
                    and type(manager.registry.get(of_class.__name__)) is not of_class
                ):
                    shell.register_magics(of_class)
                    vars(manager.registry[of_class.__name__]).update(made)
                registered.add(of_class)
            elif isinstance(made, tuple):
                manager.register_alias(name, made[0], made[1], made[2])
            else:
                shell.register_magic_function(made, kind, name)
        except Exception:  # noqa: BLE001  a class of the person's own may raise anything
            yield f"the magic `{'%%' if kind == 'cell' else '%'}{name}`"


def _printers(shell: Any) -> dict[tuple[str, str], dict[Any, Any]]:
    shown = shell.display_formatter
    every = {
        **shown.formatters,
        "mimebundle": shown.mimebundle_formatter,
        "display": shown.ipython_display_formatter,
    }
    return {
        (mime, kind): dict(getattr(formatter, kind)) for mime, formatter in every.items() for kind in PRINTERS
    }


def _take_printers(shell: Any, noted: Any) -> list[Any] | None:
    return [
        (*place, key, printer)
        for place, printers in _printers(shell).items()
        for key, printer in printers.items()
        if noted.get(place, {}).get(key) is not printer and not is_ours(printer)
    ] or None


def _put_printers(shell: Any, value: list[Any]) -> Words:
    shown = shell.display_formatter
    others = {"mimebundle": shown.mimebundle_formatter, "display": shown.ipython_display_formatter}
    told = []
    for mime, kind, key, printer in value:
        if is_lost(key) or is_lost(printer):
            told.append(f"how values are shown as {mime}")
        else:
            getattr(others.get(mime) or shown.formatters[mime], kind)[key] = printer
    return told


Lists = dict[str, list[Any]]


def _transformers(shell: Any) -> Lists:
    """The lists of what changes a cell before it runs, and of what is called around it; not copies."""
    events = {f"event {name}": called for name, called in shell.events.callbacks.items()}
    return events | {
        "cleanup": shell.input_transformers_cleanup,
        "post": shell.input_transformers_post,
        "lines": shell.input_transformer_manager.line_transforms,
        "tokens": shell.input_transformer_manager.token_transformers,
        "tree": shell.ast_transformers,
    }


def _look_at_transformers(shell: Any) -> Lists:
    return {name: list(listed) for name, listed in _transformers(shell).items()}


def _take_transformers(shell: Any, noted: Lists) -> Lists | None:
    found = {
        name: [one for one in listed if one not in noted.get(name, ()) and not is_ours(one)]
        for name, listed in _transformers(shell).items()
    }
    return {name: new for name, new in found.items() if new} or None


def _put_transformers(shell: Any, value: Lists) -> Words:
    lists, told = _transformers(shell), []
    for name, new in value.items():
        known = set(map(_described, lists[name]))  # an extension has added its own again
        for one in new:
            if is_lost(one):
                told.append("what you had set to run before or after each cell")
            elif _described(one) not in known:
                lists[name].append(one)
    return told


def _described(called: Any) -> tuple[str, str]:
    named: Callable[..., Any] = called if hasattr(called, "__qualname__") else type(called)
    return named.__module__, named.__qualname__


PARTS = (
    Part("shell", "IPython's settings", _settings, _take_settings, _put_settings),
    Part("extensions", "the extensions", _extensions, _take_extensions, _put_extensions),
    Part("aliases", "the aliases", _aliases, _take_aliases, _put_aliases),
    Part("magics", "the magics", _magics, _take_magics, _put_magics),
    Part("printers", "how values are shown", _printers, _take_printers, _put_printers),
    Part(
        "transformers",
        "what you had set to run before or after each cell",
        _look_at_transformers,
        _take_transformers,
        _put_transformers,
    ),
)
