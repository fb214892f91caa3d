"""Removes from the errors of the system and of a model's API what is not for everybody.

folderless("Permission denied: '/srv/data/files/a.csv'")        # "Permission denied: 'a.csv'"
of_request("Image too small. Please check your plan and billing details.")     # "Image too small."
"""

import re

__all__ = ["folderless", "of_request"]

# Addresses are kept; of a path only the last name is kept. Outside quotes, the name of a folder may have
# spaces if another folder comes before it, but no punctuation, which would belong to the sentence.
_FOLDERS = re.compile(
    r"""
    (?P<address> \b(?!file:)[a-z][a-z0-9+.-]{0,20}://[^\s'"]* )
    | (?<=['"])/+ (?: [^'"\n/]++/++ )* (?=[^'"\n/])
    | (?: (?<=file://) | (?<![\w/.~]) ) /
      [^\s'"/]++/++ (?: (?: [^\s'"/]++ | [^\s'"/.,;:()=]++(?:[ ][^\s'"/.,;:()=]++)+ )/++ )* (?=[^\s'"/])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_OF_ACCOUNT = re.compile(
    r"organi[sz]ation|\b(?:your|this) project\b|\bproj_|api.?key|billing|\bplan\b|account", re.IGNORECASE
)
# Sentences that send the owner of the account somewhere; other addresses may be of the person's own picture.
_LOOK_THERE = re.compile(
    r"(?:please\s+|you can\s+)?(?:go to|visit|see|read|check|find|learn|for more|for help)\b.*https?://",
    re.IGNORECASE | re.DOTALL,
)


def folderless(text: str) -> str:
    """The text with only the last name of each absolute path; addresses stay, except those of `file:`."""
    return _FOLDERS.sub(lambda found: found["address"] or "", text)


def of_request(text: str) -> str:
    """What an API says about a request, without the sentences for the owner of the account."""
    return " ".join(
        told for told in _SENTENCES.split(text) if not (_OF_ACCOUNT.search(told) or _LOOK_THERE.match(told))
    )
