"""Finds what is new or changed in a workspace since the last scan.

capture = Capture(workspace.path)
capture.accept()                        # what is there at the start is not new
scan = await capture.look(since=began)  # after a cell; without `since` when the observer hints
with capture.lock:                      # a file that we put there is not new either
    capture.accept(workspace.put_file(name, source))
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from kernels.concurrency.threads import in_thread
from kernels.text.clipping import human_size, over
from kernels.workspace.captured import CapturedFile, Scan, Skipped, Stamp
from kernels.workspace.databases import database_of, is_database, is_in_use, is_sqlites, lacking
from kernels.workspace.mapped_writes import make_clean
from kernels.workspace.names import shown_name
from kernels.workspace.safe_open import folder, open_path
from kernels.workspace.walk import UNREADABLE, VANISHED, Walk, WalkEntry, passed_over

MIB = 1024 * 1024
FEW = 16  # files of a workspace that are checked one by one before a scan, in some 0.1 ms
TICK = 50_000_000  # ns after which two changes of a folder certainly have different times
COARSE = 0.01  # seconds by which a file's time can lie before the moment at which it was written
# When a late file that was made clean is written again, it must rest twice as long before it is made clean
# again, up to 64 times as long. Linux makes it clean sooner by itself, so a file that is written all the time
# does not seem to rest.
MOST_CLEANED = 6
REMEMBERED = 4  # times as many entries are remembered as are looked at, if there may be more
NAMED = 5  # entries skipped for one reason that are named one by one; the others are counted
CHANGED = "was changing while it was looked at: it is looked at again later"


class Capture:
    """The scans of one workspace; hold `lock` to keep scans from running between two steps of yours."""

    def __init__(
        self,
        workspace: Path,
        *,
        max_file: int = 50 * MIB,
        max_files: int = 64,
        max_depth: int = 8,
        max_entries: int = 5000,
    ) -> None:
        self.lock = threading.RLock()
        self._workspace = workspace
        self._max_file = max_file
        self._max_files = max_files
        self._max_depth = max_depth
        self._max_entries = max_entries
        self._known: dict[str, Stamp] = {}
        # The folder's stamp when a listing found exactly the names that were known.
        self._listed: tuple[Stamp, frozenset[str]] | None = None
        self._unsettled: set[str] = set()  # reported, but not known: the next scan tries them again
        # Late files that were made clean, so that their times tell whether they rest: their stamps then, and
        # how many times that was done.
        self._cleaned: dict[str, tuple[Stamp, int]] = {}
        self._unreported: tuple[Skipped, ...] = ()  # found by a look that was cancelled
        self._cut = False  # whether there is more than was looked at

    async def look(
        self, *, rested: float = 0.0, since: float | None = None, older: bool = True, most: int | None = None
    ) -> Scan:
        """As `scan`, in a thread, if anything may be new. What a cancelled look found is new again later.

        Listing the workspace, and even looking at one of its files, waits for the folder's lock, which code
        in it can hold for seconds. So on the event loop only the folder itself is looked at.
        """
        if self._shows(self._as_empty):
            return Scan()

        def scan() -> Scan:
            if self._shows(self._as_before):
                return Scan()
            return self.scan(rested=rested, since=since, older=older, most=most)

        scanning = asyncio.ensure_future(in_thread(scan))
        try:
            return await asyncio.shield(scanning)
        except asyncio.CancelledError:
            lost = await scanning
            self._unreported += lost.skipped
            for file in lost.captured:
                if isinstance(file, CapturedFile):
                    self._known.pop(file.path, None)
            raise

    def scan(
        self, *, rested: float = 0.0, since: float | None = None, older: bool = True, most: int | None = None
    ) -> Scan:
        """Report every file that is new or changed, and everything new that cannot be captured.

        What changed within the last `rested` seconds is left for a later scan: otherwise each line of a
        growing log would make a new version.

        `since`, in seconds since 1970, is when the cell began: what was written from then on comes first.
        What is older is noted without being reported if `older` is False, or if an earlier scan could not
        look at everything: then it may have been there before.

        Files are reported in the order in which they were written. If there are more than `max_files`, the
        first are captured and the others are named or counted, and not offered again until they change: files
        that appear after some later, unrelated cell would only be confusing. They stay in the workspace.
        After `most` reports of any kind the rest is left for a later scan. Files that code has deleted are
        forgotten.
        """
        with self.lock:
            survey = _Survey(rested, since, self._max_entries + 1 if most is None else most, older=older)
            try:
                with folder(self._workspace) as top:
                    self._survey(top, survey)
            except OSError as error:
                self._skip_for_now("", f"cannot be looked at: {error.strerror}", survey)
            else:
                self._unsettled.discard("")
            earlier, self._unreported = self._unreported, ()
            return Scan(tuple(survey.captured), earlier + survey.skipped(), survey.unrested)

    def accept(self, name: str | None = None) -> None:
        """Note what is there now without reporting it: everything, or the file `name`."""
        with self.lock, suppress(OSError), folder(self._workspace) as top:
            if name is None:
                walk = Walk(max_depth=self._max_depth, max_entries=self._max_entries)
                self._known = {entry.path: entry.stamp for entry in walk.entries(top)}
                self._cut = walk.cut
            else:
                status = os.stat(name, dir_fd=top, follow_symlinks=False)
                self._known[name] = Stamp.of(status)

    def _shows(self, quick: Callable[[], bool]) -> bool:
        """Whether a quick check shows that there is nothing to report. It waits for no scan."""
        if self._unreported or not self.lock.acquire(blocking=False):
            return False
        try:
            return quick() and not self._unreported
        except OSError:
            return False
        finally:
            self.lock.release()

    def _as_empty(self) -> bool:
        """Whether the folder's stamp alone shows that it is still empty. This waits for no lock."""
        if self._known or self._listed is None:
            return False
        return self._listed == (Stamp.of(os.stat(self._workspace, follow_symlinks=False)), frozenset())

    def _as_before(self) -> bool:
        """Whether a look at a few files shows that nothing has changed, which costs less than a scan."""
        return len(self._known) <= FEW and (self._as_listed() or self._as_known())

    def _as_listed(self) -> bool:
        """Whether no name came or went since a listing, and no file changed; nothing is opened for that."""
        names = frozenset(self._known)
        top = os.stat(self._workspace, follow_symlinks=False)
        return self._listed == (Stamp.of(top), names) and all(
            Stamp.of(os.stat(os.path.join(self._workspace, name), follow_symlinks=False)) == self._known[name]
            for name in names
        )

    def _as_known(self) -> bool:
        """Whether a listing finds exactly what is known."""
        with folder(self._workspace) as top, os.scandir(top) as listing:
            status = os.fstat(top)
            found = list(islice(listing, FEW + 1))
            known = len(found) <= FEW and self._known == {
                item.name: Stamp.of(item.stat(follow_symlinks=False))
                for item in found
                if not passed_over(item.name)
            }
        if known and time.time_ns() - status.st_ctime_ns > TICK:
            self._listed = Stamp.of(status), frozenset(self._known)
        return known

    def _survey(self, top: int, survey: "_Survey") -> None:
        walk = Walk(max_depth=self._max_depth, max_entries=self._max_entries)
        seen, news = set(), list[WalkEntry]()
        for entry in walk.entries(top):
            seen.add(entry.path)
            unseen = entry.stands_for_more and survey.ends_cell  # the cell may have changed what is in there
            if self._known.get(entry.path) == entry.stamp and not unseen:
                continue
            if not survey.has_rested(entry, 0 if self._still_clean(entry) else self._times_cleaned(entry)):
                continue
            if survey.is_old(entry) and (not survey.older or (self._cut and entry.path not in self._known)):
                self._known[entry.path] = entry.stamp
            else:
                news.append(entry)
        for entry in sorted(news, key=survey.order):
            if survey.full:
                break
            self._report(entry, top, survey)
        self._cut = walk.cut
        # A walk that was cut may have missed what is still there. What is remembered is bounded all the same.
        if not walk.cut or len(self._known) > REMEMBERED * self._max_entries:
            for path in self._known.keys() - seen:
                del self._known[path]
            self._unsettled &= seen | {""}
            for path in self._cleaned.keys() - seen:
                del self._cleaned[path]

    def _report(self, entry: WalkEntry, top: int, survey: "_Survey") -> None:
        database = database_of(entry.path)
        if (
            database
            and not entry.problem
            and is_database(database, top)
            and is_sqlites(entry.path, top, entry.stamp.size)
        ):
            self._report_companion(entry, database, survey, in_use=is_in_use(entry.path, top))
            return
        if entry.problem == VANISHED:
            self._skip_for_now(entry.path, VANISHED, survey)
            return
        if survey.must_rest and survey.cleaned >= self._max_files:
            survey.unrested = True
            return
        problem = entry.problem or self._limit(entry, survey)
        if problem:
            survey.skip(entry.path, problem, kind=problem.removeprefix(f"{human_size(entry.stamp.size)}, "))
        else:
            found = self._found(entry, top, survey)
            if found is None:
                survey.unrested = True
                return
            if isinstance(found, str):
                self._skip_for_now(entry.path, found, survey)
                return
            survey.captured.append(found)
        self._known[entry.path] = entry.stamp
        self._unsettled.discard(entry.path)
        self._cleaned.pop(entry.path, None)

    def _report_companion(self, entry: WalkEntry, database: str, survey: "_Survey", *, in_use: bool) -> None:
        """Do not store what SQLite keeps beside a database; report what the database may lack without it."""
        if in_use and (problem := lacking(entry.path)):
            survey.skip(entry.path, problem.format(shown_name(database)), kind=entry.path)
        self._known[entry.path] = entry.stamp

    def _skip_for_now(self, path: str, reason: str, survey: "_Survey") -> None:
        if path not in self._unsettled:
            self._unsettled.add(path)
            survey.skip(path, reason, kind=reason)

    def _limit(self, entry: WalkEntry, survey: "_Survey") -> str:
        if entry.stamp.size > self._max_file:
            return over(entry.stamp.size, self._max_file)
        if max(len(survey.captured), survey.cleaned) >= self._max_files:
            return f"over {self._max_files} files at a time: it stays in the workspace, put many into one zip"
        return ""

    def _found(self, entry: WalkEntry, top: int, survey: "_Survey") -> CapturedFile | str | None:
        """The file, if it can be opened and is as the walk saw it; or why not; None if it may not rest yet.

        A mapped file can have old times although it is being written. Once it has been made clean its times
        can be trusted, so the next scan can tell whether it has rested.
        """
        try:
            descriptor = open_path(entry.path, top)
        except PermissionError:
            return UNREADABLE
        except FileNotFoundError:
            return VANISHED
        except OSError:  # swapped for something else
            return CHANGED
        try:
            held = make_clean(descriptor)
            survey.cleaned += held
            if held and survey.must_rest and not self._still_clean(entry):
                self._cleaned[entry.path] = entry.stamp, min(self._times_cleaned(entry) + 1, MOST_CLEANED)
                return None
            if Stamp.of(os.fstat(descriptor)) != entry.stamp:
                return None if survey.must_rest else CHANGED
        finally:
            os.close(descriptor)
        return CapturedFile(
            name=shown_name(entry.path),
            size=entry.stamp.size,
            mtime=entry.stamp.mtime_ns / 1e9,
            workspace=self._workspace,
            path=entry.path,
            stamp=entry.stamp,
        )

    def _still_clean(self, entry: WalkEntry) -> bool:
        """Whether the file was not written since it was made clean."""
        return entry.path in self._cleaned and self._cleaned[entry.path][0] == entry.stamp

    def _times_cleaned(self, entry: WalkEntry) -> int:
        return self._cleaned[entry.path][1] if entry.path in self._cleaned else 0


class _Survey:
    """A scan in progress: skipped entries are kept by kind, so that many of one kind become a count."""

    def __init__(self, rested: float, since: float | None, most: int, *, older: bool) -> None:
        self.captured: list[CapturedFile] = []
        self.unrested = False
        self.older = older
        self.must_rest = rested > 0
        self.ends_cell = since is not None and older and not rested
        self.cleaned = 0  # files that were made clean, each of which may have kept the disk busy
        self._rested = rested
        self._since = since if since is None or since <= time.time() else None  # a clock may be set back
        self._most = most
        self._skipped: dict[str, list[Skipped]] = {}

    @property
    def full(self) -> bool:
        """Whether nothing more is to be reported."""
        return len(self.captured) + sum(map(len, self._skipped.values())) >= self._most

    def is_old(self, entry: WalkEntry) -> bool:
        """Whether it was there before the cell as it is now; code cannot set a file's ctime."""
        return self._since is not None and entry.stamp.ctime_ns / 1e9 < self._since - COARSE

    def order(self, entry: WalkEntry) -> tuple[bool, bool, int, int]:
        """The sort key of reports: first what the cell wrote, then the rest, each in the order of writing.

        The order is that of ctimes, which code cannot set. Of two files with the same ctime, the one that was
        made first usually has the lower inode.
        """
        stamp = entry.stamp
        return not entry.stands_for_more, self.is_old(entry), stamp.ctime_ns, stamp.inode

    def has_rested(self, entry: WalkEntry, doubled: int) -> bool:
        """Whether it has not been written for long enough: the time doubles each time it is `doubled`."""
        age = time.time() - entry.stamp.ctime_ns / 1e9
        # A file from the future does not count as young: it would never rest.
        young = 0 <= age < self._rested * 2**doubled
        self.unrested = self.unrested or young
        return not young

    def skip(self, path: str, reason: str, *, kind: str) -> None:
        self._skipped.setdefault(kind, []).append(Skipped(shown_name(path) or "the workspace", reason))

    def skipped(self) -> tuple[Skipped, ...]:
        told: list[Skipped] = []
        for kind, things in self._skipped.items():
            told += things if len(things) <= NAMED + 1 else [*things[:NAMED], _others(kind, things[NAMED:])]
        return tuple(told)


def _others(kind: str, things: list[Skipped]) -> Skipped:
    return Skipped(f"{things[0].name} and {len(things) - 1:,} more", kind)
