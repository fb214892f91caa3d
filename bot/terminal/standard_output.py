"""Standard output of a program that another one reads: whoever writes never waits for the reader.

output = OutgoingLines(sys.stdout.fileno())
output.write(line)      # at once, or in a thread while the reader is slow
await output.room()     # before much is written
await output.written()  # everything is, or nobody reads any more
error = await output.gone
"""

import asyncio
import errno
import os
import queue
import select
import stat
import threading

__all__ = ["OutgoingLines"]

AHEAD = 1 << 20  # bytes that may wait for the reader before `room` waits, too
AT_ONCE = select.PIPE_BUF  # bytes that a pipe takes without waiting if it takes any


class OutgoingLines:
    """Lines on their way to the reader. Once nobody reads, `gone` has the error, and the rest is discarded.

    A pipe or socket whose reader has gone away is noticed even if nothing is written.
    """

    def __init__(self, file: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[OSError] = self._loop.create_future()
        self._file = file
        self._waiting = 0  # bytes that the thread has not written yet
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._moved = asyncio.Event()  # fewer bytes wait, or nobody reads any more
        mode = os.fstat(file).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            self._loop.add_reader(file, self._look)

    def write(self, line: str) -> None:
        """Write the line, or leave it to a thread if the reader does not take it at once."""
        data = line.encode()
        if self.gone.done():
            return
        if not self._waiting and len(data) <= AT_ONCE and self._polled(select.POLLOUT) == select.POLLOUT:
            try:
                data = data[os.write(self._file, data) :]
            except OSError as error:
                self._lose(error)
                return
        if data:
            self._waiting += len(data)
            self._lines.put(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="standard output", daemon=True)
                self._thread.start()

    async def room(self) -> None:
        """Wait until little waits for the reader."""
        await self._fewer_than(AHEAD)

    async def written(self) -> None:
        """Wait until all is written, or nobody reads any more."""
        await self._fewer_than(1)

    async def _fewer_than(self, size: int) -> None:
        while self._waiting >= size and not self.gone.done():
            self._moved.clear()
            await self._moved.wait()

    def _run(self) -> None:
        failure = None
        while failure is None and not self.gone.done():
            data = self._lines.get()
            try:
                left = memoryview(data)
                while left and not self.gone.done():
                    left = left[os.write(self._file, left) :]
            except OSError as error:
                failure = error
            try:
                self._loop.call_soon_threadsafe(self._done, len(data), failure)
            except RuntimeError:  # the event loop has ended: nobody listens any more
                return

    def _done(self, size: int, failure: OSError | None) -> None:
        self._waiting -= size
        self._moved.set()
        if failure is not None:
            self._lose(failure)

    def _look(self) -> None:
        """Something has happened to the pipe or socket: its reader is gone, or it can be read as well."""
        self._loop.remove_reader(self._file)
        if self._polled(0):
            self._lose(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))

    def _polled(self, wanted: int) -> int:
        """What of `wanted` is possible now without waiting; POLLERR and POLLHUP say that nobody reads."""
        poll = select.poll()
        poll.register(self._file, wanted)
        return sum(found for _, found in poll.poll(0))

    def _lose(self, error: OSError) -> None:
        if not self.gone.done():
            self.gone.set_result(error)
        self._moved.set()
