"""What the commands say."""

from bot.discord.api.interactions import Interaction
from bot.discord.context import Context
from bot.discord.format.split import cut, length
from bot.wording.saved_messages import what_is_saved
from config.settings import Settings
from filestore.records import UsageTotal
from kernels.interface import State
from kernels.text.clipping import counted

__all__ = ["DELETE", "KEPT", "help_text", "settings_text", "usage_text", "variables_text"]

LONGEST = 1800  # characters of a list of variables, and of what is saved of them
SAVED_ROOM = 900  # characters of the latter
HELP = """\
**Kernelcord** gives you a Python kernel of your own. It keeps your variables and files between messages.

- Mention me, reply to me, or write to me directly: the model answers, and runs code for you.
- A ` ```py ` block in a message to me runs as it is. So do `/run`, and **Run code** in a message's menu.
- Files that you send are put into your workspace. Files that your code writes come back with an id: \
`load_file("id")` loads them again for two days. `/files` lists them.
- `/notebook` sends you everything as a Jupyter notebook, or runs one that you attach.
- Edit your last message, and its code runs again. **Stop**, `/stop` and `/reset` do what they say.
- `/vars`, `/usage` and `/privacy` show what I keep about you. Only you can use your buttons."""
ENDS = """
- Your variables are not saved here: they end with your kernel, and cells cannot be undone."""
SURVIVE = """
- Your variables are saved after each cell. If your kernel ends, the next one has them again, and you are \
told what is missing. `/reset` forgets them.
- `/undo` takes your last cells back, variables and files; `/redo` takes that back. `/checkpoint` keeps both \
under a name, to go back to. `/branch` goes on from here in a thread, and leaves this as it is."""
DELETE = (
    "This ends your kernel and deletes your files, variables, conversations and usage for good."
    " Messages on Discord stay: they belong to you and the server."
)
KEPT = (
    "What you spent on the model today is kept until the day is over (UTC), under a random number that does"
    " not name you, because today's limit counts it."
)
NO_VARIABLES = "Your kernel has no variables."
ASLEEP = "Your kernel is not running: your next cell starts it."
SAVED = "Your kernel is not running: your next cell starts it, with your variables as after cell {}."
NO_SERVER = "There are no settings outside a server."
NOT_YOURS = "Only people who manage this server can change its settings."
WHERE = {"place": "I answer in the channel.", "thread": "I open a thread for each answer."}


def help_text(settings: Settings) -> str:
    """What people can do here."""
    return HELP + (SURVIVE if settings.state == "on" else ENDS)


def variables_text(state: State) -> str:
    """A person's variables, as many as fit into a message, and what is saved of them."""
    if not state.alive:
        return f"{SAVED.format(state.saved)} {what_is_saved(state)}" if state.saved else ASLEEP
    lines = [
        f"{variable.name}: {variable.type}{f' {variable.detail}' if variable.detail else ''}"
        for variable in state.variables
    ]
    if not lines:
        return NO_VARIABLES
    saved = cut(what_is_saved(state), SAVED_ROOM)
    shown: list[str] = []
    room = LONGEST - length(saved)
    for line in lines:
        room -= length(line) + 1
        if room < 0:
            shown.append(f"... and {len(lines) - len(shown)} more")
            break
        shown.append(line.replace("`", "'"))
    listed = "```\n" + "\n".join(shown) + "\n```"
    return f"{listed}\n{saved}" if saved else listed


def usage_text(total: UsageTotal, settings: Settings) -> str:
    """What a person has used today, and what they may use."""
    today = (
        f"Today (UTC): {counted(total.turns, 'answer')} by the model, {total.input_tokens:,} tokens in,"
        f" {total.output_tokens:,} out, ${total.cost:.4f}, {total.cell_seconds:.1f} s of cells that it ran."
    )
    parts = [today]
    if settings.daily_budget is not None:
        parts.append(f"You may use ${settings.daily_budget:.2f} a day.")
    if settings.daily_tokens is not None:
        parts.append(f"You may use {settings.daily_tokens:,} tokens a day.")
    return " ".join(parts)


async def settings_text(context: Context, interaction: Interaction, answer_in: str | None) -> str:
    """How the bot answers in this server; changed first, if the person wants that and may do it.

    Raises: StoreUnavailable.
    """
    if interaction.guild_id is None:
        return NO_SERVER
    servers = context.sessions.store.server_settings
    chosen = await servers.get(interaction.guild_id)
    if answer_in:
        if not interaction.permissions.manage_guild:
            return NOT_YOURS
        chosen = {**chosen, "answer_in": answer_in}
        await servers.set(interaction.guild_id, chosen)
    return WHERE[str(chosen.get("answer_in", context.settings.answer_in))]
