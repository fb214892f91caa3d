"""Which messages are code, and what that code is."""

import pytest

from bot.discord.format.codeblocks import code_of


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```py\nprint(1)\n```", "print(1)"),
        ("look:\n```python\nprint(1)\n```\nnice?", "print(1)"),
        ("```Python3 \r\nx = 1\r\ny = 2\r\n```", "x = 1\ny = 2"),
        ("one ```py\na = 1``` and ```py\nb = 2\n```", "a = 1\nb = 2"),
        ("```py\nif x:\n    y\n\n    z\n```", "if x:\n    y\n\n    z"),
        ("- so\n  ```py\n  if x:\n      y\n  ```", "if x:\n    y"),
        ("```py\nx = '```'\nprint(x)\n```", "x = '```'\nprint(x)"),
        ("````py\n'''\n```\n'''\n````", "'''\n```\n'''"),
        ("```py\nnot closed", "not closed"),
        ("```json\n{}\n```\n```py\nx\n```", "x"),
        ("```py\n%timeit 1\n!ls\n```", "%timeit 1\n!ls"),
    ],
)
def test_python_blocks_are_code(text: str, code: str) -> None:
    """The blocks' content, joined, whatever text surrounds them."""
    assert code_of(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "what is a list?",
        "`print(1)`",
        "```json\n{}\n```",
        "```\nprint(1)\n```",
        "```print(1)```",
        "```py\n```",
        "```py\n  \n```",
        "```pyramid\nx\n```",
        "\\```py\nx\n```",
        "> ```py\n> x\n> ```",
        "```js\n```py\n```",
    ],
)
def test_all_else_is_words(text: str) -> None:
    """Blocks in another language or none, empty, quoted or escaped: all of it goes to the model."""
    assert code_of(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```\nx\n```", "x"),
        ("```x```", "x"),
        ("```py\nx\n```", "x"),
        ("```js\nx\n```", None),
        ("```py\nx\n```\n```\nwhat x shows\n```", "x"),
    ],
)
def test_blocks_of_no_language_are_code_when_told(text: str, code: str | None) -> None:
    """With `bare`, blocks without a language count if none is Python; those in another language never do."""
    assert code_of(text, bare=True) == code
