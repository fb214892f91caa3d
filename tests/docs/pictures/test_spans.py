"""Breaking lines that are too long."""

from docs.pictures.drawing.spans import Line, Span, wrapped


def test_lines_break_at_spaces_and_within_what_is_too_long() -> None:
    """No line is wider than allowed; words stay whole where possible, and code is broken anywhere."""

    def measure(span: Span) -> float:
        return len(span.text)

    def texts(line: Line, **how: bool) -> list[str]:
        return ["".join(span.text for span in each) for each in wrapped(line, 6, measure, **how)]

    assert texts((Span("ab "), Span("cd efgh", bold=True))) == ["ab cd", "efgh"]
    assert texts((Span("abcdefgh ij"),)) == ["abcdef", "gh ij"]
    assert texts((Span("ab cd efgh"),), anywhere=True) == ["ab cd ", "efgh"]
    assert texts(()) == [""]
