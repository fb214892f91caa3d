"""Whether two addresses of nodes lead to the same node.

is_same("http://127.0.0.1:8888", "http://localhost:8888")       # True
"""

import ipaddress
import os
import socket
from urllib.parse import urlsplit

__all__ = ["is_same"]


def is_same(one: str, other: str) -> bool:
    """Whether both are the same socket, or the same port of the same machine, as far as this one knows."""
    if one.startswith("/") != other.startswith("/"):
        return False
    if one.startswith("/"):
        return os.path.realpath(one) == os.path.realpath(other)
    first, second = urlsplit(one), urlsplit(other)
    if (first.port or first.scheme) != (second.port or second.scheme):
        return False
    return bool(_machines(first.hostname or "") & _machines(second.hostname or ""))


def _machines(name: str) -> set[str]:
    """The addresses of a machine of this name; every address of this very machine counts as "here"."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError):  # a name that nobody knows is only itself
        return {name.lower()}
    return {"here" if _is_here(address) else address for address in found}


def _is_here(address: str) -> bool:
    known = ipaddress.ip_address(address.partition("%")[0])
    return known.is_loopback or known.is_unspecified
