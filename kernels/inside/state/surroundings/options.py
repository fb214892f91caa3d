"""How libraries print, warn and draw as the person has set it: numpy's precision, matplotlib's style ..."""

import sys
from collections.abc import Iterator
from typing import Any

from ...libraries import figures, width
from .part import Part, Words, is_lost

__all__ = ["PARTS"]

PYPLOT = "matplotlib.pyplot"
BACKEND = ("backend", "interactive")  # what choosing a backend sets
DIRECT = {  # polars' own values for what is in no environment variable
    "set_fmt_float": "mixed",
    "set_float_precision": None,
    "set_thousands_separator": "",
    "set_decimal_separator": ".",
    "set_trim_decimal_zeros": False,
}
# The settings of `%config InlineBackend`, with what they are at first.
INLINE: dict[str, Any] = {
    "figure_formats": {"png"},
    "print_figure_kwargs": {"bbox_inches": "tight"},
    "close_figures": True,
}
FORMATS = ("_repr_png_", "_repr_svg_", "_repr_latex_")  # what sympy's `init_printing` sets
SYMPY = "how sympy's expressions are shown"
OPEN = "the figures that were open"


def _changed(now: dict[str, Any], noted: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in now.items()
        if (before := noted.get(name, noted)) is not value and before != value
    }


def _numpy(module: Any) -> dict[str, Any]:
    return {"print": module.get_printoptions(), "error": module.geterr(), "call": module.geterrcall()}


def _take_numpy(module: Any, noted: dict[str, Any] | None) -> dict[str, Any] | None:
    now = _numpy(module)
    return {name: value for name, value in now.items() if noted is None or noted[name] != value} or None


def _put_numpy(module: Any, value: dict[str, Any]) -> None:
    if "print" in value:
        module.set_printoptions(**value["print"])
    if "error" in value:
        module.seterr(**value["error"])
    if "call" in value:
        module.seterrcall(value["call"])


def _pandas(module: Any) -> dict[str, Any]:
    return dict(_flat(sys.modules[f"{module.__name__}._config.config"]._global_config))


def _flat(options: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _take_pandas(module: Any, noted: dict[str, Any] | None) -> dict[str, Any] | None:
    changed = _changed(_pandas(module), noted or {})
    if changed.get(width.OPTION) == width.columns():  # as wide as the terminal of whoever reads
        del changed[width.OPTION]
    return changed or None


def _put_pandas(module: Any, value: dict[str, Any]) -> Iterator[str]:
    for name, option in value.items():
        try:
            module.set_option(name, option)
        except (KeyError, ValueError):  # another version has no such option
            yield f"pandas' option `{name}`"


def _polars(_: object) -> None:
    """Its values in a fresh kernel are the library's own."""


def _take_polars(module: Any, _: object) -> str | None:
    config = module.Config
    if config.state(if_set=True) == DIRECT:
        return None
    saved: str = config.save(if_set=True)
    return saved


def _put_polars(module: Any, value: str) -> None:
    module.Config.load(value)


def _take_inline(module: Any, _: object) -> dict[str, Any] | None:
    if not module.InlineBackend.initialized():
        return None
    config = module.InlineBackend.instance()
    return {name: value for name, own in INLINE.items() if (value := getattr(config, name)) != own} or None


def _put_inline(module: Any, value: dict[str, Any]) -> None:
    config = module.InlineBackend.instance()
    for name, each in value.items():
        setattr(config, name, each)


def _sympy(module: Any) -> dict[str, Any]:
    return {name: vars(module.Printable).get(name) for name in FORMATS}


def _take_sympy(module: Any, noted: dict[str, Any] | None) -> dict[str, Any] | None:
    return _changed(_sympy(module), noted or {}) or None


def _put_sympy(module: Any, value: dict[str, Any]) -> Words:
    for name, shows in value.items():
        if not is_lost(shows):
            setattr(module.Printable, name, shows)
    return [SYMPY] if any(map(is_lost, value.values())) else None


def _backend(module: Any) -> tuple[bool, dict[str, Any]]:
    chosen = module._backend_mod is not None
    return chosen, {name: dict.get(module.rcParams, name) for name in BACKEND}


def _take_backend(module: Any, _: object) -> dict[str, Any] | None:
    """Only once there is one: until then the kernel's own way to show figures has not begun."""
    chosen, names = _backend(module)
    return names if chosen else None


def _put_backend(module: Any, value: dict[str, Any]) -> None:
    module.draw_if_interactive()  # loads the backend, which sets what follows, and nothing later
    module.rcParams.update(value)


def _matplotlib(module: Any) -> dict[str, Any]:
    return dict(dict.items(module.rcParams))  # in one step: its own methods check each value


def _take_matplotlib(module: Any, noted: dict[str, Any] | None) -> dict[str, Any] | None:
    noted = noted if noted is not None else dict(dict.items(module.rcParamsDefault))
    changed = _changed(_matplotlib(module), noted)
    return {name: value for name, value in changed.items() if name not in BACKEND} or None


def _put_matplotlib(module: Any, value: dict[str, Any]) -> Iterator[str]:
    for name, setting in value.items():
        try:
            module.rcParams[name] = setting
        except (KeyError, ValueError):  # another version has no such setting
            yield f"matplotlib's setting `{name}`"


def _take_figures(module: Any, _: object) -> dict[str, Any] | None:
    managers = module._pylab_helpers.Gcf.get_all_fig_managers()
    opened = [(manager.num, manager.canvas.figure) for manager in managers]
    shown = figures.last()
    return {"open": opened, "shown": shown} if opened or shown else None


def _put_figures(module: Any, value: dict[str, Any]) -> Words:
    """Give open figures their numbers and their order, the current one last, without showing them again.

    A figure that was open has come back as one by itself, with any number.
    """
    shown, told = value["shown"], []
    if shown is not None and not any(map(is_lost, shown)):
        figures.bring_back(*shown)
    every = module._pylab_helpers.Gcf
    others = {id(manager.canvas.figure): manager for manager in every.get_all_fig_managers()}
    back = [(number, others.pop(id(figure), None)) for number, figure in value["open"]]
    if any(manager is None for _, manager in back):
        told = [OPEN]
    taken = {number for number, _ in back}
    free = (number for number in range(1, 1 << 30) if number not in taken)
    every.figs.clear()
    for number, manager in [*zip(free, others.values(), strict=False), *back]:
        if manager is not None:
            manager.num = number
            every._set_new_active_manager(manager)
    _not_again([manager.canvas.figure for _, manager in back if manager is not None])
    return told


def _not_again(back: list[Any]) -> None:
    """The inline backend shows at the end of a cell whatever has become a figure in it."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is not None:
        show = inline.show
        show._to_draw = [figure for figure in show._to_draw if not any(figure is one for one in back)]
        show._draw_called = bool(show._to_draw)


PARTS = (
    Part("numpy", "numpy's options", _numpy, _take_numpy, _put_numpy, "numpy"),
    Part("pandas", "pandas' options", _pandas, _take_pandas, _put_pandas, "pandas"),
    Part("polars", "polars' options", _polars, _take_polars, _put_polars, "polars"),
    Part("sympy", SYMPY, _sympy, _take_sympy, _put_sympy, "sympy.core._print_helpers"),
    Part("backend", "how figures are shown", _backend, _take_backend, _put_backend, PYPLOT),
    Part(
        "inline",
        "how figures are shown",
        lambda _: None,
        _take_inline,
        _put_inline,
        "matplotlib_inline.config",
    ),
    Part("matplotlib", "matplotlib's style", _matplotlib, _take_matplotlib, _put_matplotlib, "matplotlib"),
    Part("figures", OPEN, lambda _: None, _take_figures, _put_figures, PYPLOT),
)
