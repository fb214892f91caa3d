"""What the buttons under an answer do."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.discord.buttons import actions as module
from bot.discord.buttons.actions import ButtonActions
from bot.discord.buttons.ownership import OwnAnswer
from bot.reply import Reply
from kernels.cell.events import InputRequest
from tests.bot.discord.answers.fakes import ADA, OneSession, a_context, a_live_answer


async def test_a_form_is_of_the_question_that_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the cell has asked another question by now, no form is shown yet."""
    session = OneSession()
    context = a_context(session)
    answer = a_live_answer(context)
    answer.draft.add_reply(Reply(3, code="input()"))
    answer.draft.add_reply(Reply(3, event=InputRequest("name? ", password=False, number=1)))
    forms, words = [], []

    async def claimed(*_args: object) -> OwnAnswer:
        return OwnAnswer(ADA, "u1", "dm", 3, answer)

    async def show_form(_interaction: object, form: Any) -> None:
        forms.append(form.custom_id)

    async def privately(_interaction: object, text: str) -> None:
        words.append(text)

    for name, fake in (("claimed", claimed), ("show_form", show_form), ("privately", privately)):
        monkeypatch.setattr(module, name, fake)
    for session.number in (2, 1):
        await ButtonActions(context).by_name["answer"](cast(Any, SimpleNamespace(guild_id=None)))
    assert words == [module.NOTHING_ASKS]
    assert forms == ["kernelcord:answer:3:1"]
