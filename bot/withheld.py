"""What errors of the system, and of a model's API, say that is not for everybody.

folderless("Permission denied: '/srv/data/files/a.csv'")        # "Permission denied: 'a.csv'"
of_request("Image too small. Please check your plan and billing details.")     # "Image too small."
"""

import re

__all__ = ["folderless", "of_request"]

_FOLDERS = re.compile(r"(?<=['\"])/(?:[^'\"\n/]+/)+|(?<![\w:/])/(?:[^\s'\"/]+/)+")  # all but the last name
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_OF_ACCOUNT = re.compile(
    r"organi[sz]ation|\bproject\b|api.?key|billing|\bplan\b|account|https?://", re.IGNORECASE
)


def folderless(text: str) -> str:
    """The text with only the last name of each path; of one with spaces, if it is in quotes."""
    return _FOLDERS.sub("", text)


def of_request(text: str) -> str:
    """What an API says of a request, without the sentences for the owner of the account."""
    return " ".join(told for told in _SENTENCES.split(text) if not _OF_ACCOUNT.search(told))
