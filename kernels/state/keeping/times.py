"""How long saving and restoring variables may take, and who waits for it.

Keeper(..., times=KeeperTimes(loading=0.1))
"""

from dataclasses import dataclass

__all__ = ["KeeperTimes"]


@dataclass(frozen=True, slots=True)
class KeeperTimes:
    """The times, in seconds, and what each is for.

    A cell waits `short` for a save that is expected to take no more; `first` without a save to compare with,
    and `share` of the time since the last one, if that is more: the more there is to lose, the longer.
    """

    quiet: float = 0.02  # after a cell, in which its result goes out; cells that follow at once come then
    short: float = 0.05
    first: float = 1.0
    share: float = 0.02  # a part, no time
    every: float = 2.0  # after which cells that follow each other at once have such a save in between
    saving: float = 25.0  # that the kernel has for a save
    leeway: float = 5.0  # that it has in addition, until it is interrupted
    stuck: float = 10.0  # to stop a save; a large value in one piece, which cannot be stopped, may take some
    ending: float = 5.0  # to save before a process is ended
    slot: float = 5.0  # after which a save lets others begin, however long it goes on
    hurry: float = 1.0  # the same for a save before a process is ended
    loading: float = 60.0  # for all of a restore
    passing: float = 10.0  # in which saved variables that cannot be read just now are tried again
    again: float = 0.2  # between two such tries
