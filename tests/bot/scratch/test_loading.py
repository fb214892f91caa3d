"""A stored file wherever it is read: the card, `load_file` in a cell, and what the model sees of it."""

import io

import pytest

from bot.model.view import of_file
from bot.scratch.file_cards import file_cards
from bot.sessions import Sessions
from kernels.broker import Opened

TABLE = "Name;Preis;Menge\nÄpfel;1,50;3\n".encode("cp1252")
TOLD = 'read with the encoding cp1252, ";" between columns and commas before decimals; to change that: '


def opened(name: str, data: bytes) -> Opened:
    """A text file, stored."""
    return Opened("k7m3q9x2va", name, "text", len(data), io.BytesIO(data))


@pytest.mark.timeout(120)
async def test_card_and_cell_say_the_same_of_an_upload(sessions: Sessions) -> None:
    """Three columns, a decimal comma, and one sentence on what was assumed; options change all that."""
    session = await sessions.session(1, "terminal")
    stored = await session.files.upload("preise.csv", TABLE)
    card = (await file_cards(session.files, session.scratch, [stored]))[stored.file_id].split("\n")
    assert card[0].endswith(": table, 1 row x 3 columns")
    assert card[1].startswith(TOLD)
    assert card[2] == "Name str, Preis float64, Menge int64"
    call = f"load_file('{stored.file_id}')"
    ran = await sessions.execute_code(f"frame = {call}\nprint(frame.shape, frame.Preis[0])", 1)
    assert "(1, 3) 1.5" in ran.output
    assert f"[preise.csv: {card[1]}]" in ran.output
    ran = await sessions.execute_code(
        f"print({call[:-1]}, encoding='cp1250', sep=',', decimal='.').shape)", 1
    )
    assert ran.output.startswith("(1, 1)\n")
    assert "the first column is the index" in ran.output


@pytest.mark.timeout(120)
async def test_a_file_is_found_by_the_name_that_code_gave_it(sessions: Sessions) -> None:
    """Although it is stored under a name that is safe to show, and is no longer in the workspace."""
    made = await sessions.execute_code("open('new\\nline.txt', 'w').write('words')", 1)
    assert [file.filename[:9] for file in made.generated_files] == ["new_line~"]
    ran = await sessions.execute_code(
        "import os; os.remove('new\\nline.txt'); load_file('new\\nline.txt')", 1
    )
    assert ran.success, ran.error
    assert ran.output == "'words'\n"


def test_the_model_sees_the_beginning_of_a_text_or_how_to_read_it() -> None:
    """In its certain encoding, even if the excerpt ends in the middle of a character."""
    assert of_file(opened("a.txt", "\ufeffé".encode("utf-16")), "a.txt")[0].endswith("It begins:\n\ufeffé")
    assert of_file(opened("a.txt", b"x" + "é".encode() * 4000), "a.txt")[0].endswith("é")
    told = of_file(opened("a.txt", "Äpfel".encode("cp1252")), "a.txt")[0]
    assert told.endswith("It is not UTF-8: load_file('k7m3q9x2va') in a cell finds its encoding.")
    assert of_file(opened("a.txt", bytes(100)), "a.txt")[0].endswith("text, 100 B.")


@pytest.mark.timeout(120)
async def test_by_name_the_workspace_has_the_newest_and_an_id_stays_what_it_was(sessions: Sessions) -> None:
    """A cell that overwrites a stored file loads what it has just written."""
    made = await sessions.execute_code("open('data.txt', 'w').write('old')", 1)
    file_id = made.generated_file_ids[0]
    ran = await sessions.execute_code(
        f"open('data.txt', 'w').write('new')\nprint(load_file('data.txt'), load_file('{file_id}'))", 1
    )
    assert ran.output == "new old\n"
