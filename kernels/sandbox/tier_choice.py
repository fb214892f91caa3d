"""Which tier confines the kernels: the strongest that works on this machine, found out by trying.

    with ExitStack() as stack:
        sandbox, tried = await choose(None, make, stack)        # the strongest tier that holds

A tier that cannot be set up here is passed over for the next. One that can be set up, but lets something
through, is an error: what we do not understand we do not trust.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from kernels.errors import KernelStartFailed, Misconfigured, SandboxUnavailable
from kernels.sandbox.confined import Sandbox
from kernels.sandbox.forkserver import UNPREPARED
from kernels.sandbox.policy import TIERS, Tier
from kernels.sandbox.selftest import REMEDIES, probe

__all__ = ["choose"]


async def choose(
    wanted: Tier | None,
    make: Callable[[Tier], Sandbox],
    stack: ExitStack,
    *,
    among: Sequence[Tier] = TIERS,
) -> tuple[Sandbox, dict[Tier, str]]:
    """A sandbox of the wanted tier, or of the strongest of `among` that works; `stack` closes it.

    With it comes what was tried, in order: "" if the tier holds, else why it does not work.

    Raises: SandboxUnavailable if none works, or one lets something through; Misconfigured if the fault is not
    the sandbox's.
    """
    tried: dict[Tier, str] = {}
    unprepared = ""
    for tier in [wanted] if wanted else among:
        with ExitStack() as own:
            try:
                sandbox = own.enter_context(make(tier))
                leaks = await probe(sandbox)
            except (SandboxUnavailable, KernelStartFailed, OSError) as error:
                if isinstance(error, KernelStartFailed) and error.reason == UNPREPARED:
                    unprepared = error.log
                tried[tier] = str(error)
                continue
            if leaks:
                told = f"The sandbox of {tier.described} lets this through: {', '.join(leaks)}."
                raise SandboxUnavailable(told, REMEDIES[tier])
            tried[tier] = ""
            stack.push(own.pop_all())
            return sandbox, tried
    if unprepared:  # in whatever tier
        raise Misconfigured(f"Kernels cannot be started: {unprepared.strip().splitlines()[-1].rstrip('.')}")
    told = "; ".join(f"{tier.described}: {reason.strip().splitlines()[-1]}" for tier, reason in tried.items())
    raise SandboxUnavailable(
        f"Kernels cannot be confined on this machine ({told}).", " ".join(REMEDIES[tier] for tier in tried)
    )
