"""NumPy's arrays, which go on sharing memory, as views of the same array.

An array that owns its memory is made again as one that owns it. A view is made again as a view of the array
that owns the memory, at the same place, so that a change of one is still seen in the other.
"""

import array
import pickle
import sys
from collections.abc import Sequence
from typing import Any

from .reduction import Reduction, Unpicklable

__all__ = ["SETTERS", "is_array", "is_ufunc", "reduce_array", "reduce_memoryview", "reduce_ufunc"]

COPIED = 8 << 20  # bytes of an array that is made again in memory of its own; a larger one keeps its buffer
HOMES = ("numpy", "scipy.special", "numpy._core.umath")  # of functions of arrays
# How a view looks at memory: dtype, shape, strides, bytes from its start, whether it can be written to.
type Look = tuple[Any, tuple[int, ...], tuple[int, ...], int, bool]

EXPORTERS = (bytes, bytearray, array.array)  # whose memory an array or a memoryview can look into


def is_array(cls: type) -> bool:
    """Whether it is a class of NumPy's arrays, without importing NumPy for it."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(cls, getattr(numpy, "ndarray", ()))


def is_ufunc(cls: type) -> bool:
    """The same for its functions of whole arrays, such as `numpy.add`."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and cls is getattr(numpy, "ufunc", None)


def reduce_ufunc(found: Any) -> Reduction:
    """Such a function by a name that it has; some have another one of their own, and no module at all."""
    for module in HOMES:
        names = vars(sys.modules[module]) if module in sys.modules else {}
        name = found.__name__
        if names.get(name) is not found:
            name = next((name for name, each in names.items() if each is found), "")
        if name:
            return find_ufunc, (module, name)
    raise Unpicklable("a function of arrays that cannot be found by its name")


def find_ufunc(module: str, name: str) -> Any:
    """The function, of a module that is imported if need be."""
    __import__(module)
    return getattr(sys.modules[module], name)


def reduce_array(found: Any) -> Reduction:
    """An array of any class that has no way of its own to be pickled."""
    import numpy as np

    cls = type(found)
    if issubclass(cls, np.memmap):
        return _reduce_memmap(found)
    if not issubclass(cls, np.ma.MaskedArray) and not _is_plain(cls):
        return found.__reduce_ex__(5)
    root, exporter = _root(found)
    if root is found and exporter is None:
        return _reduce_owner(found)
    if root is not found and not _is_within(found, root):
        raise Unpicklable("an array over memory that it does not own")
    if exporter is None:  # the root is an array that can be kept
        return _reduce_view(found, root)
    if isinstance(exporter, EXPORTERS):
        return _reduce_over(found, exporter)
    if root.flags.writeable and type(exporter).__module__.partition(".")[0] in (
        "mmap",
        "_ctypes",
        "__main__",
    ):
        raise Unpicklable("an array over memory that it does not own")
    if root is not found:
        return _reduce_view(found, root)
    return _reduce_owner(found)  # of a library, which has no other way to its memory


def _is_plain(cls: Any) -> bool:
    import numpy as np

    return all(
        getattr(cls, name) is getattr(np.ndarray, name)
        for name in ("__reduce__", "__reduce_ex__", "__setstate__")
    )


def _root(found: Any) -> tuple[Any, Any]:
    """The array at the end of the chain of bases, and what other than an array owns its memory, or None."""
    import numpy as np

    while True:
        base = found.base
        if isinstance(base, np.memmap) or isinstance(found, np.memmap):
            while isinstance(base, np.memmap):
                found, base = base, base.base
            return found, None
        if isinstance(base, np.ndarray):
            found = base
        elif type(base).__name__ == "DummyArray" and isinstance(base.base, np.ndarray):  # of as_strided
            found = base.base
        elif isinstance(base, KeptBuffer):
            return found, None
        elif isinstance(base, memoryview | pickle.PickleBuffer):
            owner = memoryview(base).obj
            if not isinstance(owner, np.ndarray):
                return found, owner
            found = owner
        else:
            return found, base


def _address(found: Any) -> int:
    return int(found.__array_interface__["data"][0])


def _extent(found: Any) -> tuple[int, int]:
    """The addresses of an array's first byte and of the one after its last."""
    low = high = _address(found)
    if found.size:
        for size, stride in zip(found.shape, found.strides, strict=True):
            low, high = (low, high + (size - 1) * stride) if stride > 0 else (low + (size - 1) * stride, high)
        high += found.itemsize
    return low, high


def _is_within(found: Any, root: Any) -> bool:
    low, high = _extent(found)
    first, last = _extent(root)
    return not found.size or first <= low <= high <= last


def _content(found: Any) -> dict[str, Any] | None:
    """The attributes of an array of a subclass."""
    content = getattr(found, "__dict__", None)
    return dict(content) if content else None


def _reduce_owner(found: Any) -> Reduction:
    import numpy as np

    cls, dtype = type(found), found.dtype
    if dtype.hasobject or not dtype.itemsize:
        plain = found if cls is np.ndarray else found.view(np.ndarray)
        function, made, state = plain.__reduce__()
        if cls is not np.ndarray:
            made = (cls, *made[1:])
        rest = state, _content(found), found.flags.writeable
        return function, made, rest, None, None, set_objects
    order = sorted(range(found.ndim), key=lambda axis: -abs(found.strides[axis]))
    if found.flags.c_contiguous:
        order = list(range(found.ndim))
    flat = found.view(np.ndarray).transpose(order)
    if not flat.flags.c_contiguous:
        flat = np.ascontiguousarray(flat)
    shape = flat.shape
    memory = pickle.PickleBuffer(flat.reshape(-1).view(np.uint8))
    about = dtype, shape, order, found.flags.writeable
    return make_owner, (cls, memory, *about), _content(found), None, None, set_content


def make_owner(
    cls: Any, memory: Any, dtype: Any, shape: tuple[int, ...], order: Sequence[int], writeable: bool
) -> Any:
    """An array with memory of its own, whose axes lie in memory in the order that is given."""
    import numpy as np

    strides, step = [0] * len(shape), dtype.itemsize
    for place in range(len(shape) - 1, -1, -1):
        strides[order[place]] = step
        step *= max(1, shape[place])
    size = tuple(shape[order.index(axis)] for axis in range(len(shape)))
    if memoryview(memory).nbytes > COPIED:
        made = np.ndarray.__new__(cls, size, dtype, KeptBuffer(memory), 0, tuple(strides))
    else:
        made = np.ndarray.__new__(cls, size, dtype, None, 0, tuple(strides))
        if made.size:
            flat = made.view(np.ndarray).transpose(order).reshape(-1).view(np.uint8)
            flat[...] = np.frombuffer(memory, np.uint8)
        copied.append(memory)
    if not writeable:
        made.flags.writeable = False
    return made


copied: list[Any] = []  # buffers of which an array has been made, and which nobody else has


class KeptBuffer:
    """The buffer of a large array, which counts as the array's own memory."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory

    def __buffer__(self, _: int) -> memoryview:
        return memoryview(self._memory)


def set_content(made: Any, content: dict[str, Any] | None) -> None:
    """Give an array of a subclass its attributes."""
    if content:
        vars(made).update(content)


def set_objects(made: Any, state: tuple[Any, dict[str, Any] | None, bool]) -> None:
    """Fill an array of objects, which may hold itself."""
    import numpy as np

    np.ndarray.__setstate__(made, state[0])
    set_content(made, state[1])
    made.flags.writeable = state[2]


def _reduce_view(found: Any, root: Any) -> Reduction:
    import numpy as np

    low, high = _extent(root)
    if high - low != root.nbytes:  # it is made again without its gaps, and the view's place would be another
        raise Unpicklable("a view of an array that lies in pieces")
    content = None if isinstance(found, np.memmap) else _content(found)  # it takes its own from the root
    return make_view, (type(found), root, _look(found, _address(root))), content, None, None, set_content


def _reduce_over(found: Any, exporter: Any) -> Reduction:
    import numpy as np

    look = _look(found, _address(np.frombuffer(exporter, np.uint8)) if found.size else 0)
    return make_over, (type(found), exporter, look), _content(found), None, None, set_content


def _look(found: Any, start: int) -> Look:
    """How a view looks at memory that starts at this address."""
    place = _address(found) - start if found.size else 0
    return found.dtype, found.shape, found.strides, place, found.flags.writeable


def make_view(cls: Any, root: Any, look: Look) -> Any:
    """A view of an array."""
    import numpy as np

    dtype, shape, strides, place, writeable = look
    plain = root.view(np.ndarray)
    order = sorted(range(plain.ndim), key=lambda axis: -abs(plain.strides[axis]))
    memory = plain.transpose(order).reshape(-1)
    if not np.shares_memory(memory, plain) and memory.size:
        raise ValueError("the array lies in pieces")
    if dtype.hasobject:
        if memory.dtype != dtype:
            raise ValueError("a view of objects as something else")
        rest = memory[place // dtype.itemsize :]
        if len(shape) == 1 and shape[0] and strides[0] > 0 and strides[0] % dtype.itemsize == 0:
            step = strides[0] // dtype.itemsize
            made = rest[: (shape[0] - 1) * step + 1 : step]
        else:
            made = np.lib.stride_tricks.as_strided(rest, shape, strides)
    elif not memory.size or not dtype.itemsize:
        made = memory[:0].view(np.uint8)[:0].view(dtype).reshape(shape)
    else:
        made = np.ndarray(shape, dtype, memory.view(np.uint8), place, strides)
    return _of_class(made, cls, writeable)


def make_over(cls: Any, exporter: Any, look: Look) -> Any:
    """An array over the memory of bytes, a bytearray or an array of Python's."""
    import numpy as np

    dtype, shape, strides, place, writeable = look
    return _of_class(
        np.ndarray(shape, dtype, np.frombuffer(exporter, np.uint8), place, strides), cls, writeable
    )


def _of_class(made: Any, cls: Any, writeable: bool) -> Any:
    import numpy as np

    made = made.view() if cls is np.ndarray else made.view(cls)
    if made.flags.writeable and not writeable:
        made.flags.writeable = False
    return made


def _reduce_memmap(found: Any) -> Reduction:
    """An array over a file, by the file; one over memory that only looks like it as an ordinary array."""
    import numpy as np

    root, _ = _root(found)
    if getattr(root, "_mmap", None) is None:
        return _reduce_owner(found.view(np.ndarray)) if root is found else _reduce_view(found, root)
    if root.filename is None:
        raise Unpicklable("an array over a temporary file")
    if root.mode == "c" and root.flags.writeable:
        raise Unpicklable("an array over a copy of a file")
    if root is not found:
        return _reduce_view(found, root)
    if root.flags.writeable:
        root.flush()
    mode = "r" if root.mode == "r" else "r+"
    order = "C" if root.flags.c_contiguous else "F"
    return np.memmap, (root.filename, root.dtype, mode, root.offset, root.shape, order)


def reduce_memoryview(view: memoryview) -> Reduction:
    """A view of the whole of bytes, a bytearray or an array."""
    owner = view.obj
    if not isinstance(owner, (*EXPORTERS, *_numpy_arrays())):
        raise Unpicklable("a view of memory that is not a variable's")
    whole = memoryview(owner)
    if (view.format, view.shape, view.strides) != (whole.format, whole.shape, whole.strides):
        raise Unpicklable("a view of a part of memory")
    return make_memoryview, (owner, view.readonly)


def _numpy_arrays() -> tuple[type, ...]:
    numpy = sys.modules.get("numpy")
    return (numpy.ndarray,) if numpy is not None else ()


def make_memoryview(owner: Any, readonly: bool) -> memoryview:
    """A view of the whole of an object's memory."""
    view = memoryview(owner)
    return view.toreadonly() if readonly else view


SETTERS = (set_content, set_objects)
