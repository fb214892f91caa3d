"""Work that may wait for a disk, a process or a lock: each in a thread of its own, so none waits for another.

    scan = await in_thread(capture.scan, since=began)

The event loop's default executor has six threads on a machine with two processors, for everybody. Work of one
person that waited there (a fork for the zygote, a copy for a busy disk) delayed the end of everybody's cells.
A thread costs 0.1 ms, and a kernel has a few at a time at most.
"""

import asyncio
import contextvars
import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future

__all__ = ["in_thread"]


async def in_thread[**P, T](work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns or raises. If this is cancelled, the work goes on, as with `asyncio.to_thread`.

    Raises: OSError if the system refuses a thread.
    """
    done: Future[T] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            done.set_result(context.run(work, *args, **kwargs))
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            done.set_exception(error)

    done.set_running_or_notify_cancel()
    name = getattr(work, "__qualname__", type(work).__name__)
    try:
        threading.Thread(target=run, name=f"apart: {name}", daemon=False).start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error
    return await asyncio.wrap_future(done)
