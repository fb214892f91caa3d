"""Random numbers go on where they were, and decimal numbers have their context."""

import random
from typing import Any

from .part import Part

__all__ = ["PARTS"]

OF_DECIMALS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
OF_SIGNALS = ("flags", "traps")


def _python(_: object) -> Any:
    return random.getstate()


def _take_python(_: object, noted: Any) -> Any:
    now = random.getstate()
    return now if now != noted else None


def _put_python(_: object, value: Any) -> None:
    random.setstate(value)


def _numpy(module: Any) -> dict[str, Any]:
    state: dict[str, Any] = module.get_state(legacy=False)
    return state


def _take_numpy(module: Any, noted: dict[str, Any] | None) -> dict[str, Any] | None:
    now = _numpy(module)
    return now if noted is None or _plain(now) != _plain(noted) else None


def _plain(state: dict[str, Any]) -> Any:
    """The state as values that can be compared at once; every kind of generator has fields of its own."""
    return {
        name: value.tobytes() if hasattr(value, "tobytes") else value
        for name, value in {**state, **state["state"]}.items()
        if name != "state" or not isinstance(value, dict)
    }


def _put_numpy(module: Any, value: dict[str, Any]) -> None:
    kind = value["bit_generator"]
    if module.get_state(legacy=False)["bit_generator"] != kind:
        module.set_bit_generator(getattr(module, kind)())
    module.set_state(value)


def _decimal(module: Any) -> dict[str, Any]:
    context = module.getcontext()
    return {name: getattr(context, name) for name in OF_DECIMALS} | {
        name: [signal for signal, given in getattr(context, name).items() if given] for name in OF_SIGNALS
    }


def _take_decimal(module: Any, noted: dict[str, Any] | None) -> dict[str, Any] | None:
    now = _decimal(module)
    return now if noted is None or now != noted else None


def _put_decimal(module: Any, value: dict[str, Any]) -> None:
    """Change the context itself, which variables may hold (it has a mark), and may have been made anew."""
    context = module.getcontext()
    for name in OF_DECIMALS:
        setattr(context, name, value[name])
    for name in OF_SIGNALS:
        given = getattr(context, name)
        for signal in given:
            given[signal] = signal in value[name]


PARTS = (
    Part("random", "the random numbers of `random`", _python, _take_python, _put_python),
    Part("numpy.random", "numpy's random numbers", _numpy, _take_numpy, _put_numpy, "numpy.random"),
    Part("decimal", "the context of decimal numbers", _decimal, _take_decimal, _put_decimal, "decimal"),
)
