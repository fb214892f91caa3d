"""What a node answers to requests that it refuses."""

import errno
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from tornado import web

from kernels.node.requests import NodeRequest


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("odd"), 400), (OSError(errno.ENOSPC, "full"), 500)]
)
def test_what_may_be_a_fault_of_ours_is_logged_where_it_was_raised(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A ValueError need not be about the session's id; the system's refusals are told with their number."""
    asked: Any = SimpleNamespace(
        log=logging.getLogger("node"), request=SimpleNamespace(method="PUT", path="/a"), _errno=None
    )
    with pytest.raises(web.HTTPError) as caught, NodeRequest.refusals(asked):
        raise error
    assert caught.value.status_code == status
    logged = [(record.getMessage(), record.exc_info and record.exc_info[1]) for record in caplog.records]
    assert logged == ([("PUT /a is refused", error)] if status == 400 else [])
    assert asked._errno == (None if status == 400 else errno.ENOSPC)
