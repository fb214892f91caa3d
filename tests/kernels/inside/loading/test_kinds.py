"""There is a way to read every known kind of file."""

from filestore.filetypes import BY_EXTENSION
from kernels.inside.loading import kind_of, kinds


def test_an_extension_has_one_entry_at_most_in_the_tables_of_readers() -> None:
    """An object, a sentence on what to do, or bytes; a file without an entry is loaded by its content."""
    tables = [set(kinds.READERS), set(kinds.WITHOUT_A_READER), set(kinds.GIVEN_AS_BYTES)]
    known = set().union(*tables)
    assert known <= set(BY_EXTENSION)
    assert sum(map(len, tables)) == len(known) > 180
    for sentence in kinds.WITHOUT_A_READER.values():
        assert ": " in sentence
        assert not any(word in sentence for word in ("pip", "conda", "install"))


def test_kinds_that_are_text_are_read_as_text_or_as_what_the_text_means() -> None:
    """No kind in the categories that are always text, and no known text kind elsewhere, is given as bytes."""
    assert {BY_EXTENSION[one] for one in kinds.GIVEN_AS_BYTES}.isdisjoint(
        {"text", "code", "structured", "notebook"}
    )
    assert {"topojson", "graphml", "fasta", "vcf", "env", "properties", "eml", "rtf", "ps"} <= set(
        kinds.READERS
    )


def test_no_kind_is_read_in_two_ways() -> None:
    """Kinds that are always text have a reader; kinds that can run code when read are listed by name."""
    assert set(kinds.READERS) >= kinds.TEXTS
    assert set(kinds.READERS) >= kinds.PICKLES
    assert kinds.PLAIN_TEXTS < kinds.TEXTS
    assert kinds.PICKLES.isdisjoint(kinds.TEXTS)


def test_a_packed_file_is_of_the_kind_within() -> None:
    """If there is a reader for that kind; a file without an extension has no kind."""
    names = ("data.csv", "data.CSV.gz", "data.tar.gz", "archive.zip", "Makefile", ".csv")
    assert [kind_of(name) for name in names] == ["csv", "csv", "gz", "zip", "", ""]
