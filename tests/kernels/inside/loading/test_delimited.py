"""A table's separator and decimal mark are found from its first rows."""

import pytest

from kernels.inside.loading.delimited import Dialect, _is_table, decimal_mark, dialect


@pytest.mark.parametrize(
    ("sample", "separator", "decimal"),
    [
        ("a,b\n1,2\n", ",", "."),
        ("a;b\n1,5;2\n", ";", ","),
        ("a\tb\n1.5\t2\n", "\t", "."),
        ("a|b\n1|2\n", "|", "."),
        ('a,b\n"1,500","x"\n', ",", "."),
        ('a,b\n"1,5","x"\n"2,25","y"\n', ",", ","),
        ("a;b\n1.234,50;x\n", ";", ","),
        ("a;b\n1.5;2,5\n", ";", "."),
        ("Preis\n1,50\n2,50\n", ";", ","),
        ("just words\nand more\n", "", "."),
        ("a,b\n1,2\n3\n", "", "."),
        ('"a","b"\n"1",1,2\n"2",3,4\n', ",", "."),
        ("", "", "."),
    ],
)
def test_the_marks_are_those_with_which_the_rows_are_alike(sample: str, separator: str, decimal: str) -> None:
    """If two sets would do, the likelier comes first; there are none if the rows are no table."""
    found = dialect(sample, ",")
    assert (found.separator, found.decimal) == (separator, decimal)


def test_excels_first_line_says_the_separator() -> None:
    """Whatever the rows look like."""
    found = dialect("sep=;\r\na;b\r\n1,5;2\r\n", ",")
    assert (found.separator, found.decimal, found.first_line) == (";", ",", True)


def test_a_separator_that_was_given_is_not_guessed() -> None:
    """Only the decimal mark is guessed then."""
    found = dialect("a;b\n1,5;2\n", "|", free=False)
    assert (found.separator, found.decimal) == ("|", ".")
    assert dialect("a;b\n1,5;2\n", ";", free=False).decimal == ","


@pytest.mark.parametrize(
    ("rows", "separator", "mark"),
    [
        ([["1,5"], [""], ["n/a"]], ";", ","),
        ([["1,5", "1.5"]], ";", "."),
        ([["1,500"], ["2,500"]], ",", "."),
        ([["1,500"], ["2,500"]], ";", ","),
        ([["1.234.567,8"]], ";", ","),
        ([["1,5"], ["words"]], ";", "."),
        ([], "", "."),
    ],
)
def test_a_comma_is_before_decimals_only_in_columns_of_numbers(
    rows: list[list[str]], separator: str, mark: str
) -> None:
    """In a comma-separated file 1,500 may well be fifteen hundred."""
    assert decimal_mark(rows, separator) == mark


@pytest.mark.parametrize(
    ("sample", "is_table"),
    [
        ("city\tpeople\nOslo\t0.7\n", True),
        ("a;b\nx;y\nz;w\n", True),
        ("a;b\nx;y\n", False),
        ("Hello, world\nand more, too\n", False),
        ("name,size\na,1\nb,2\n", True),
        ("a;a\n1;2\n", False),
        ("1;2\n3;4\n", False),
    ],
)
def test_prose_is_no_table(sample: str, *, is_table: bool) -> None:
    """A text that nothing declares to be a table must clearly be one."""
    assert _is_table(dialect(sample, ",")) is is_table
    assert not _is_table(Dialect("", "."))
