"""What errors of the system, and of a model's API, say that is not for everybody.

folderless("Permission denied: '/srv/data/files/a.csv'")        # "Permission denied: 'a.csv'"
of_request("Image too small. Please check your plan and billing details.")     # "Image too small."
"""

import re

__all__ = ["folderless", "of_request"]

# Addresses are kept; of a path all but the last name goes. A folder that is not in quotes may have spaces in
# its name where another folder comes before it, and no punctuation, which would be that of a sentence.
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
# Where the owner of the account has to look; an address elsewhere may be that of the person's own picture.
_LOOK_THERE = re.compile(
    r"(?:please\s+|you can\s+)?(?:go to|visit|see|read|check|find|learn|for more|for help)\b.*https?://",
    re.IGNORECASE | re.DOTALL,
)


def folderless(text: str) -> str:
    """The text with only the last name of each absolute path; addresses stay, but for those of `file:`."""
    return _FOLDERS.sub(lambda found: found["address"] or "", text)


def of_request(text: str) -> str:
    """What an API says of a request, without the sentences for the owner of the account."""
    return " ".join(
        told for told in _SENTENCES.split(text) if not (_OF_ACCOUNT.search(told) or _LOOK_THERE.match(told))
    )
