"""Ids and names: generated ids are recognised, and hostile names are repaired."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filestore.names import ID_ALPHABET, NAME_LIMIT, UNNAMED, clean_name, file_id_of, new_file_id

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)


def test_new_ids_are_ten_letters_that_cannot_be_mistaken() -> None:
    """Ids are short, lower case, without look-alikes, and do not repeat."""
    ids = {new_file_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"[2-9a-hjkmnp-z]{10}", file_id) for file_id in ids)
    assert set("".join(ids)) == set(ID_ALPHABET)


@given(st.text(ID_ALPHABET, min_size=10, max_size=10))
def test_id_is_recognised_in_any_case(file_id: str) -> None:
    """People may type ids in upper or lower case."""
    assert file_id_of(file_id) == file_id
    assert file_id_of(f"\t{file_id.upper()}\n") == file_id


@given(ANY_TEXT | st.none() | st.integers() | st.binary() | st.dictionaries(st.text(), st.integers()))
def test_what_is_no_id_is_none(value: object) -> None:
    """Only ten letters of the ids' alphabet are an id; anything else is None, without an exception."""
    file_id = file_id_of(value)
    assert file_id is None or (
        isinstance(value, str) and set(file_id) <= set(ID_ALPHABET) and len(file_id) == 10
    )


@given(ANY_TEXT)
def test_clean_name_is_storable_and_stays_below_its_folder(name: str) -> None:
    """A clean name is short UTF-8 on one line, leads to no other folder, and is not changed by cleaning."""
    clean = clean_name(name)
    assert 0 < len(clean.encode()) <= NAME_LIMIT
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]", clean)
    assert not {"", ".", ".."} & {part.strip() for part in clean.split("/")}
    assert clean_name(clean) == clean


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("data.csv", "data.csv"),
        ("Übersicht 数据 👩‍🚀.csv", "Übersicht 数据 👩‍🚀.csv"),
        ("plots/a.png", "plots/a.png"),
        ("/etc/passwd", "etc/passwd"),
        ("../../a/./b", "a/b"),
        ("a\x00\ud800.csv", "a\ufffd\ufffd.csv"),
        ("two\nlines", "two_lines"),
        ("harmless\u202egpj.exe", "harmless_gpj.exe"),
        ("x" * 10_000 + ".csv", "x" * 251 + ".csv"),
        ("é" * 200 + ".parquet", "é" * 123 + ".parquet"),
        ("a." + "x" * 300, "a." + "x" * 253),
        ("x" * 252 + "/.." + "y" * 40, "x" * 252),
        ("", UNNAMED),
        ("../ / .", UNNAMED),
    ],
)
def test_names_are_repaired_as_little_as_needed(name: str, clean: str) -> None:
    """A good name is unchanged; a long one keeps its beginning and extension."""
    assert clean_name(name) == clean
