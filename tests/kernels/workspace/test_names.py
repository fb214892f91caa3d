"""Names from outside become names that are safe to write and to show."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.workspace.names import LONGEST_NAME, FreeNames, safe_name, shown_name, with_suffix


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("data.csv", "data.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\data.csv", "data.csv"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a/", "a"),
        ("a\nb.csv", "a_b.csv"),
        ("a\u202egpj.exe", "a_gpj.exe"),
        ("a\ud800.csv", "a_.csv"),
        ("a\0.csv", "a_.csv"),
        ("\u0645\u06cc\u200c\u062e.csv", "\u0645\u06cc\u200c\u062e.csv"),
    ],
)
def test_a_name_becomes_one_plain_component(name: str, safe: str) -> None:
    """Folders, leading dots and hidden characters go; an honest name stays, Persian joiners included."""
    assert safe_name(name) == safe


@given(st.text(st.characters(), max_size=300))
def test_any_name_becomes_safe(name: str) -> None:
    """Whatever comes in, the result is a short, visible, storable name without separators, and is stable."""
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= LONGEST_NAME
    assert "/" not in safe
    assert not safe.startswith(".")
    assert safe_name(safe) == safe


def test_a_long_name_keeps_its_extension() -> None:
    """A name is cut before its extension, and never within a character."""
    safe = safe_name("\u00e9" * 200 + ".csv")
    assert safe.endswith("\u00e9.csv")
    assert LONGEST_NAME - 1 <= len(safe.encode()) <= LONGEST_NAME


def test_a_clean_path_is_shown_as_it_is() -> None:
    """Repair changes nothing about an honest path."""
    assert shown_name("out/r\u00e9sum\u00e9 (1).csv") == "out/r\u00e9sum\u00e9 (1).csv"


def test_two_repaired_paths_stay_two() -> None:
    """Paths that differ only in unshowable bytes are shown under two names, always the same ones."""
    one, two = (shown_name(os.fsdecode(raw)) for raw in (b"a\xff.csv", b"a\xfe.csv"))
    assert one != two
    assert one.startswith("a_~")
    assert one.endswith(".csv")
    assert one == shown_name(os.fsdecode(b"a\xff.csv"))


def test_a_suffix_goes_before_the_extension() -> None:
    """The kind of a file stays readable from its name."""
    assert with_suffix("data.csv", "-2") == "data-2.csv"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("C:evil.txt", "C_evil.txt"),
        ("a.txt:stream", "a.txt_stream"),
        ("con", "_con"),
        ("NUL.tar.gz", "_NUL.tar.gz"),
        ("aux .txt", "_aux .txt"),
        ("lpt\u00b9", "_lpt\u00b9"),
        ("-rf", "_-rf"),
        ("-r/--no-preserve-root/x", "_-r/_--no-preserve-root/x"),
        ('a?<"b|c*">.txt', "a___b_c___.txt"),
        ("dots.. .", "dots"),
        ("console.txt", "console.txt"),
        ("a-b.csv", "a-b.csv"),
    ],
)
def test_a_place_has_a_name_on_any_system(name: str, place: str) -> None:
    """No drive, stream, device or command-line option; a name without problems stays as it is."""
    assert FreeNames().free(name, "-1") == place


def test_places_never_meet() -> None:
    """A file stays in its folders; if its place is taken, or would be both file and folder, it moves."""
    places = FreeNames(["README.md", "lib/a.py"])
    assert places.free("out/data.csv", "-1") == "out/data.csv"
    assert places.free("out/DATA.csv", "-2") == "DATA-2.csv"
    assert places.free("readme.MD", "-3") == "readme-3.MD"
    assert places.free("lib", "-4") == "lib-4"
    assert places.free("lib-4/b.py", "-5") == "b-5.py"
    assert places.free("README.md", "-3") == "README-3-3.md"
    assert places.free("caf\u00e9", "-6") == "caf\u00e9"
    assert places.free("cafe\u0301", "-7") == "cafe\u0301-7"


@given(st.lists(st.text(st.sampled_from("aA./\\-1\u00e9"), max_size=8)))
def test_any_places_can_be_made(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    """However names repeat or point elsewhere, each becomes a file of its own inside the folder."""
    folder = tmp_path_factory.mktemp("places")
    places = FreeNames()
    for name in names:
        path = folder / places.free(name, "-1")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("xb").close()
        assert path.resolve().is_relative_to(folder)


def test_a_hidden_file_stays_hidden_beside_others() -> None:
    """A program looks for .streamlit/config.toml under just that name; no name leads out of the folder."""
    places = FreeNames()
    assert places.free(".streamlit/config.toml", "-x") == ".streamlit/config.toml"
    assert places.free("../.env", "-x") == "file/.env"
    assert places.free("...", "-x") == "file-x"


@pytest.mark.parametrize("names", [["a.csv"], ["a.csv", "A.csv", "a.CSV", "A.CSV"]])
def test_many_files_of_one_name_are_each_tried_a_few_times(
    names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next number is remembered, and names that differ only in case count as the same."""
    tried: list[str] = []
    inner = FreeNames._is_free

    def noted(places: FreeNames, path: str) -> bool:
        tried.append(path)
        return inner(places, path)

    monkeypatch.setattr(FreeNames, "_is_free", noted)
    places, count = FreeNames(), 1000
    found = [places.free(names[number % len(names)], "-2") for number in range(count)]
    assert len({name.casefold() for name in found}) == count
    assert len(tried) <= 3 * count
