"""Copies a session's variables and files to a new session, which goes on from there by itself.

    cell = await branch(source, target, kernel, states)

Both are workspaces; no cell of the source runs meanwhile. It is all there in the end, or nothing is.
"""

import errno
import os
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass

from kernels.concurrency.cancellation import to_the_end
from kernels.concurrency.threads import in_thread
from kernels.limits import MOST_ENTRIES
from kernels.sandbox.limits import usage
from kernels.state.errors import StateError
from kernels.state.manifest import Chunk, Manifest, distinct
from kernels.state.session_state import SessionState
from kernels.state.store import StateStore
from kernels.travel.traveling import Traveling
from kernels.workspace.copies.copying import Room, copy_workspace, is_in_use
from kernels.workspace.folder import Workspace

__all__ = ["Branching", "branch"]

SHARE = 2  # of what the disk has left, a copy may take one part of so many


@dataclass(frozen=True)
class Branching:
    """From which session to which: their workspaces, and the saves of all sessions, if there are any.

    `most` is the size in bytes that a workspace may have (None: any).
    """

    source: Workspace
    target: Workspace
    states: StateStore | None
    most: int | None


async def branch(parts: Branching, kernel: Traveling | None) -> int:
    """Copy; returns the cell as of which the variables are, 0 if there are none.

    `kernel` is the source's, if it has one. Raises: FileExistsError, OSError, KernelClosed.
    """
    async with AsyncExitStack() as stack:
        if kernel is not None:
            await stack.enter_async_context(kernel.alone())
            await kernel.saved_now()
        return await to_the_end(in_thread(_copy_all, parts))


def _copy_all(parts: Branching) -> int:
    """In a thread. Raises: FileExistsError, OSError."""
    source, target = (
        parts.states.session(workspace.path.name) if parts.states is not None else None
        for workspace in (parts.source, parts.target)
    )
    try:
        if is_in_use(parts.target.path) or (target is not None and target.saves()):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        room = _room(parts)
        try:
            copy_workspace(parts.source.path, parts.target.path, room)
            saved = source.newest() if source is not None else None
            if saved is not None and source is not None and target is not None:
                _copy_save(source, saved, target)
        except BaseException:  # whatever it is, no half of a branch may stay
            if target is not None:
                target.forget()
            parts.target.remove()
            raise
    except StateError as error:
        raise OSError(str(error)) from error
    return saved.cell if saved is not None else 0


def _room(parts: Branching) -> Room:
    """What the copy may take: what the source has may grow while it is copied.

    Raises: OSError if the copy would take too much of what the disk has left for everybody.
    """
    left = shutil.disk_usage(parts.source.path.parent).free // SHARE
    size = usage.size(parts.source.path)
    if size > left:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return Room(left if parts.most is None else min(left, max(parts.most, size)), MOST_ENTRIES)


def _copy_save(source: SessionState, saved: Manifest, target: SessionState) -> None:
    with target.writing() as writing:
        missing = target.missing(saved.buffers)  # there is no room for more than it may have
        sizes = [Chunk(digest, size) for digest, size in distinct(saved.buffers).items()]
        wanted = {sizes[place] for place in missing}
        for index, buffer in enumerate(saved.buffers):
            if wanted.intersection(buffer):
                for chunk, data in zip(buffer, source.read(saved, index), strict=True):
                    writing.add(chunk, data)
        writing.commit(saved.cell, saved.buffers, saved.meta, files=saved.files)
