"""Every kind of file that is known has its way to be read."""

from filestore.filetypes import BY_EXTENSION
from kernels.inside.loading import kind_of, kinds


def test_every_extension_that_is_known_has_an_entry_in_the_table_of_readers() -> None:
    """One of: an object, a sentence on what to do instead, bytes. And no reader is for an unknown kind."""
    tables = [set(kinds.READERS), set(kinds.WITHOUT_A_READER), set(kinds.GIVEN_AS_BYTES)]
    assert set().union(*tables) == set(BY_EXTENSION)
    assert sum(map(len, tables)) == len(BY_EXTENSION)
    for sentence in kinds.WITHOUT_A_READER.values():
        assert ": " in sentence
        assert not any(word in sentence for word in ("pip", "conda", "install"))


def test_kinds_that_are_text_are_read_as_text_or_as_what_the_text_means() -> None:
    """Of the categories that are text everywhere, and of known kinds of text in others, nothing is bytes."""
    assert {BY_EXTENSION[one] for one in kinds.GIVEN_AS_BYTES}.isdisjoint(
        {"text", "code", "structured", "notebook"}
    )
    assert {"topojson", "graphml", "fasta", "vcf", "env", "properties", "eml", "rtf", "ps"} <= set(
        kinds.READERS
    )


def test_no_kind_is_read_in_two_ways() -> None:
    """What is text everywhere has a reader; what can run code when it is read is known by name."""
    assert set(kinds.READERS) >= kinds.TEXTS
    assert set(kinds.READERS) >= kinds.PICKLES
    assert kinds.PLAIN_TEXTS < kinds.TEXTS
    assert kinds.PICKLES.isdisjoint(kinds.TEXTS)


def test_a_packed_file_is_of_the_kind_within() -> None:
    """If that has a reader; a file without an extension is of no kind."""
    names = ("data.csv", "data.CSV.gz", "data.tar.gz", "archive.zip", "Makefile", ".csv")
    assert [kind_of(name) for name in names] == ["csv", "csv", "gz", "zip", "", ""]
