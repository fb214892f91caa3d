"""Builds everything from the settings, in one place, and takes it down again in reverse order.

async with compose(settings, front) as sessions: ...
"""

import fcntl
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.continuity.left_states import LeftStates
from bot.errors import DataInUse, NodeLives
from bot.model.day_secrets import DaySecrets
from bot.model.usage import Ledger
from bot.reply import Front, NoFront
from bot.sessions import Sessions
from config.settings import Settings
from filestore import open_store, ownership
from filestore.blobs.space import DISK_FULL
from filestore.blobs.store import Blobs
from filestore.clock_jumps import due_sweep
from filestore.errors import StoreFull
from filestore.files import FileStore
from filestore.janitor import Janitor
from filestore.outputs.large import with_large_outputs
from filestore.ownership import Ownership
from filestore.spool import spooled
from filestore.store import FileRecords, Store
from kernels.client import NodeEndpoint, RemoteNode, at, local_node, socket_for
from kernels.client.addresses import is_same
from kernels.client.spawn import recorded
from kernels.concurrency.cancellation import stop
from kernels.concurrency.lasting import lasting
from kernels.concurrency.threads import in_thread
from kernels.limits import Limits
from kernels.node.settings import NodeSettings
from kernels.pool import Pool
from kernels.process import interpreter
from kernels.sandbox.limits.machine import Machine, kernels_for
from kernels.sandbox.policy import Tier
from kernels.state.store import StateStore

if TYPE_CHECKING:  # it takes a second to import
    from bot.model.client import Model

__all__ = ["compose"]

log = logging.getLogger(__name__)

SWEEP = timedelta(hours=1)
# The settings that apply to a node from its start, and the names of its limits (`kernels.limits.Limits`).
NODE_LIMITS = {
    "max_text": "text",
    "max_display": "display",
    "max_file": "file",
    "max_files": "files",
    "max_memory": "memory",
    "max_processes": "processes",
    "max_cpus": "cpus",
    "max_workspace": "workspace",
    "kernel_network": "network",
}
# Not compared with a node that somebody else started: it saves variables where it was told to, and the bot
# itself uses the other one.
NOT_ASKED = {"state", "transcript_retention"}


@asynccontextmanager
async def compose(
    settings: Settings, front: Callable[[Sessions], Front] = lambda _: NoFront()
) -> AsyncIterator[Sessions]:
    """Everything running: the store, the janitor, the kernels, the sessions and their front.

    Raises: DataInUse, NodeLives, StoreUnavailable, NodeUnavailable, NodeIncompatible, and OSError when the
    data folder cannot be used.
    """
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        stack.enter_context(_locked(settings.data))
        if settings.node != "auto":
            _check_no_node(settings.data, settings.node)
        uri = settings.mongodb_uri.get_secret_value() if settings.mongodb_uri else None
        database = await stack.enter_async_context(open_store(settings.data, mongodb_uri=uri))
        blobs = Blobs(settings.data / "files")
        large = with_large_outputs(database, blobs, quota=settings.quota, clock=now)
        restored = False

        async def begin(known: FileRecords) -> None:  # before the spool's writes, which have to know this
            nonlocal restored
            restored = await _identify(large, known, blobs)

        store = await stack.enter_async_context(
            spooled(large, settings.data / "spool", clock=now, start=lasting, before=begin)
        )
        files = FileStore(
            store,
            blobs,
            clock=now,
            retention=settings.retention,
            quota=settings.quota,
            most=settings.quota_files,
            max_file=settings.max_file,
        )
        model = _model(settings)
        if model is not None:
            stack.push_async_callback(model.close)
        await _ask_python(settings)
        pool: Pool | RemoteNode = kernels(settings)
        await stack.enter_async_context(pool)
        ledger = Ledger(
            store.usage,
            now,
            settings.daily_budget,
            settings.daily_tokens,
            DaySecrets(settings.data / "day-secrets.json"),
        )
        sessions = Sessions(
            store,
            files,
            pool,
            clock=now,
            scope=settings.session_scope,
            retention=settings.retention,
            transcripts=settings.transcript_retention,
            model=model,
            ledger=ledger,
            restored=restored,
            saved=settings.state == "on",
            left_states=LeftStates(settings.data / "states" if settings.state == "off" else None),
            front=front,
        )
        await stack.enter_async_context(sessions)
        every = min(SWEEP, settings.retention)
        due = due_sweep(settings.data, now())
        janitor = Janitor(store, blobs, clock=now)
        works: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "janitor": partial(janitor.run, every, settings.data),
            "old sessions": partial(sessions.sweep_often, every, due),
            "idle sessions": sessions.release_idle_often,
            "sums of days": partial(ledger.sweep_often, every, due),
        }
        for name, work in works.items():
            stack.push_async_callback(stop, lasting(work, name))
        yield sessions


async def _ask_python(settings: Settings) -> None:
    """Check that kernels can run on the Python that the settings name. Raises: Misconfigured."""
    if settings.node in ("auto", "none"):
        missing = await in_thread(interpreter.ask, settings.kernel_python, settings.preloaded)
        for name in missing:
            log.warning("PRELOAD names %s, which %s does not have.", name, settings.kernel_python)


def kernels(settings: Settings) -> Pool | RemoteNode:
    """The kernels, to be entered: in this process, in a local node, or in a node elsewhere."""
    limits, workspaces = _limits(settings), settings.data / "workspaces"
    python, size, idle = settings.kernel_python, _size(settings), settings.idle_timeout
    tier = "" if settings.sandbox == "auto" else settings.sandbox
    states, quota, disk = _states(settings), settings.state_quota, settings.state_disk
    if settings.node == "none":
        return Pool(
            python=python,
            workspaces=workspaces,
            limits=limits,
            size=size,
            idle=idle,
            tier=Tier(tier) if tier else None,
            libraries=settings.preloaded,
            states=StateStore(states, quota=quota, disk=disk) if states is not None else None,
            states_kept=settings.transcript_retention,
        )
    if settings.node != "auto":
        token = settings.node_token.get_secret_value() if settings.node_token else ""
        place = NodeEndpoint(settings.node, token)
        return RemoteNode(at(place), python=python, limits=limits, asked_for=_asked_for(settings))
    folder = settings.data / "node"
    local = NodeSettings(
        folder=folder,
        address=socket_for(folder),
        token=secrets.token_urlsafe(),
        python=python,
        workspaces=workspaces,
        limits=limits,
        size=size,
        idle=idle,
        node_idle=settings.node_idle,
        tier=tier,
        libraries=settings.preloaded,
        states=states,
        state_quota=quota,
        state_disk=disk,
        states_kept=settings.transcript_retention,
        log_level=settings.log_level,
    )
    called = {field: name.upper() for name, (field, _) in _node_settings(settings).items()}
    return RemoteNode(local_node(local), python=python, limits=limits, kernels=local.kernels, called=called)


def _asked_for(settings: Settings) -> dict[str, tuple[str, object]]:
    """What the operator has set and what may differ in a node that somebody else started.

    By its name in `NodeSettings.kernels`: the name that the operator knows, and its value.
    """
    given = settings.model_fields_set - NOT_ASKED
    if settings.max_kernels == "auto":  # this machine's memory says nothing about the node's
        given -= {"max_kernels"}
    return {
        field: (name.upper(), value)
        for name, (field, value) in _node_settings(settings).items()
        if name in given
    }


def _node_settings(settings: Settings) -> dict[str, tuple[str, object]]:
    """The settings that a node is started with: of each, the name in `NodeSettings.kernels` and the value."""
    limits = _limits(settings)
    values = {name: (limit, getattr(limits, limit)) for name, limit in NODE_LIMITS.items()}
    return values | {
        "max_kernels": ("size", _size(settings)),
        "idle_timeout": ("idle", settings.idle_timeout),
        "sandbox": ("tier", "" if settings.sandbox == "auto" else settings.sandbox),
        "preload": ("libraries", settings.preloaded),
        "kernel_python": ("python", settings.kernel_python),
        "node_idle": ("node_idle", settings.node_idle),
        "state": ("states", _states(settings)),
        "state_quota": ("state_quota", settings.state_quota),
        "state_disk": ("state_disk", settings.state_disk),
        "transcript_retention": ("states_kept", settings.transcript_retention),
    }


def _size(settings: Settings) -> int:
    """How many kernels there may be at a time."""
    return kernels_for(Machine().whole()) if settings.max_kernels == "auto" else settings.max_kernels


def _states(settings: Settings) -> Path | None:
    """The folder of saved variables; None if they are not saved."""
    return settings.data / "states" if settings.state == "on" else None


async def _identify(store: Store, known: FileRecords, blobs: Blobs) -> bool:
    """Find out which database the files belong to; `known` may know of more files than the database does.

    On a full disk this is not noted, and cells run anyway. Returns whether the database is in another state
    than when this folder was last used.
    """
    try:
        found = await ownership.begin_run(store, blobs, now(), files=known)
    except (StoreFull, OSError) as error:
        if isinstance(error, OSError) and error.errno not in DISK_FULL:
            raise
        log.warning("The disk is full: make room on it. Until then cells are not recorded.")
        return False
    _warn(found, blobs.mark_file)
    return not found.continued


def _warn(found: Ownership, mark: Path) -> None:
    """Warn if the files belong to another database, or if the database has missed something."""
    if not found.readable:
        log.warning(
            "%s cannot be read, so the files in %s are left alone. Remove it and start again, with the"
            " database that they belong to.",
            mark,
            mark.parent,
        )
    elif not found.ours:
        log.warning(
            "The files in %s belong to another database: they are left alone, and none can be loaded. If"
            " MONGODB_URI or --data is missing or wrong, correct it and start again. If the other database is"
            " gone for good, give the folder to this one, which deletes the files that it does not know:"
            ' in %s set "database" to "%s".',
            mark.parent,
            mark,
            found.own,
        )
    elif not found.continued:
        log.warning(
            "The database is not as it was when %s was last in use: it was restored, or another one was used"
            " in between. Stored files that it does not know are moved to %s and deleted a day later. All"
            " sessions count as used now.",
            mark.parent,
            mark.parent / ".trash",
        )


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def _model(settings: Settings) -> "Model | None":
    if not settings.has_model:
        return None
    from bot.model.client import Model

    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
    address = None if settings.openai_base_url == "none" else settings.openai_base_url
    return Model(
        key,
        address,
        settings.model,
        settings.model_api,
        rounds=settings.model_rounds,
        history_tokens=settings.history_tokens,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        cell=settings.cell_timeout,
        answer=settings.input_timeout,
        questions=settings.inputs_per_cell,
        text=settings.max_text,
        display=settings.max_display,
        file=settings.max_file,
        files=settings.max_files,
        memory=settings.max_memory,
        processes=settings.max_processes,
        cpus=settings.max_cpus,
        background=settings.max_background,
        workspace=settings.max_workspace,
        network=settings.kernel_network == "host",
    )


def _check_no_node(data: Path, wanted: str) -> None:
    """Check that no node of an earlier start works in this folder, unless it is the `wanted` one.

    No deletion would reach its kernels, and those of this program might share their workspaces.
    Raises: NodeLives, OSError.
    """
    for folder in data.glob("node*"):  # one of another version has its folder beside ours
        if (found := recorded(folder)) and not is_same(found[0].address, wanted):
            raise NodeLives(found[1])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the data folder for this program: two programs would delete each other's workspaces."""
    with (folder / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataInUse(folder) from None
        yield
