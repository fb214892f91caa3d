"""Branches on Discord: a thread of their own in a server's channel, elsewhere by name."""

from dataclasses import replace

import nextcord

from bot.continuity.undo.branches import Branch
from bot.continuity.undo.by_name import MAIN, go_to_branch
from bot.discord.api.destinations import ChannelDestination
from bot.discord.api.interactions import Interaction, place_of, privately, user_of
from bot.discord.api.retry import DiscordRefused, attempt, unless_refused
from bot.discord.api.speaking import MAY_NOT, may_speak
from bot.discord.context import Context
from bot.discord.format.attachments import Outgoing
from bot.discord.format.split import LONGEST, cut
from bot.discord.places import title
from bot.errors import BranchRefused
from bot.wording.branch_messages import begun, list_of_branches, not_in_it, shown

__all__ = ["branch_for"]

TRIES = 20  # names for a branch that is given none: "branch 1", "branch 2", ...
NO_THREAD = "No thread could be opened here: I need the right to create public threads."
NO_THREADS = "You may not open threads in this channel. Use `/branch` where you may, or in a direct message."
OPENED = "Your branch is in <#{}>."


async def branch_for(context: Context, interaction: Interaction, name: str) -> None:
    """Begin a branch for the person who asked, whose interaction was deferred, or go to one, or list them.

    Raises: BranchRefused, QuotaExceeded, and as `Sessions.session`.
    """
    channel = interaction.channel
    if isinstance(channel, nextcord.TextChannel) and interaction.guild is not None:
        await _in_thread(context, interaction, channel, name)
        return
    sessions, user_id, place = context.sessions, user_of(interaction).id, place_of(interaction)
    if not name:
        told = list_of_branches(await sessions.branches(user_id, place))
    else:
        went = await go_to_branch(sessions, user_id, place, name)
        told = begun(went.begun) if went.begun is not None else shown(went.name)
    await privately(interaction, cut(told, LONGEST))


async def _in_thread(
    context: Context, interaction: Interaction, channel: nextcord.TextChannel, name: str
) -> None:
    """Open a thread that shows the branch. Without a branch, the thread goes again."""
    if not may_speak(interaction):
        await privately(interaction, MAY_NOT)
        return
    if not interaction.permissions.create_public_threads:
        await privately(interaction, NO_THREADS)
        return
    await context.sessions.check_number(user_of(interaction).id)  # before anybody sees a thread
    name = "" if name.casefold() == MAIN else name  # it stands for the session that a place has of its own
    try:
        thread = await attempt(
            lambda: channel.create_thread(
                name=title(name) if name else "branch", type=nextcord.ChannelType.public_thread
            )
        )
    except DiscordRefused:
        await privately(interaction, NO_THREAD)
        return
    try:
        branch = await _begin(context, interaction, thread, name)
    except BaseException:  # whatever keeps it from being a branch, the thread would be an empty one
        with unless_refused("an empty thread stays"):
            await attempt(thread.delete)
        raise
    user_id = user_of(interaction).id
    with unless_refused("nobody was told what thread %d is", thread.id):
        told = begun(replace(branch, unsaved=()))  # others read this: it names none of their variables
        text = Outgoing(cut(f"<@{user_id}> {told}", LONGEST))
        await ChannelDestination(thread).send(text, ping=user_id)  # this also shows them the thread
    await privately(interaction, cut(f"{OPENED.format(thread.id)}{not_in_it(branch)}", LONGEST))


async def _begin(context: Context, interaction: Interaction, thread: nextcord.Thread, name: str) -> Branch:
    """The branch of this name or, without one, of the first name that is free. Raises: BranchRefused."""
    user_id, place = user_of(interaction).id, place_of(interaction)
    names = [name] if name else [f"branch {number}" for number in range(1, TRIES + 1)]
    for one in names[:-1]:
        try:
            return await context.sessions.branch(user_id, place, f"channel-{thread.id}", one)
        except BranchRefused as refused:
            if refused.why != "taken":
                raise
    return await context.sessions.branch(user_id, place, f"channel-{thread.id}", names[-1])
