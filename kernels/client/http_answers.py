"""What a node's answer over HTTP means, or that there was none."""

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import aiohttp

from kernels.errors import NodeUnavailable
from kernels.node.settings import KernelSettings

__all__ = ["CHANGING", "body_of", "differing", "is_changing", "words_for"]

CHANGING = 503  # HTTP: the node is starting, or about to end
SILENT = "it does not answer"


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """The body of an answer. Raises: OSError, with the system's number if the node has told it."""
    if response.status < 400:
        return await response.read()
    number = response.headers.get("Kernelcord-Errno", "")
    reason = response.reason or f"HTTP {response.status}"
    raise OSError(int(number), reason) if number.isdigit() else OSError(reason)


def words_for(error: BaseException) -> str:
    """What a person is told about a connection that failed."""
    match error:
        case TimeoutError():
            return SILENT
        case aiohttp.ClientResponseError(status=status):
            return "it is starting or ending" if status == CHANGING else f"it answers {status}"
        case OSError(errno=int(number)) if number:  # asyncio's own words contain our address
            return os.strerror(number)
        case OSError(strerror=str(reason)) if reason:
            return reason
    return str(error) or type(error).__name__


def is_changing(error: NodeUnavailable) -> bool:
    """Whether the node has answered, but is starting or ending."""
    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientResponseError) and cause.status == CHANGING


def differing(wanted: KernelSettings | Mapping[str, Any], got: KernelSettings) -> set[str]:
    """The names of settings, limits included, that are wanted and have another value, or none, in `got`."""
    flat = _by_name(wanted) if isinstance(wanted, KernelSettings) else wanted
    there = _by_name(got)
    return {name for name, value in flat.items() if name not in there or there[name] != value}


def _by_name(settings: KernelSettings) -> dict[str, Any]:
    return {
        field.name: getattr(value, field.name)
        for value in (settings, settings.limits)
        for field in fields(value)
        if field.name != "limits"
    }
