"""One node has several names."""

from pathlib import Path

import pytest

from kernels.client.addresses import is_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://127.0.0.1:8888", "http://localhost:8888"),
        ("http://0.0.0.0:8888", "http://127.0.0.1:8888/"),
        ("http://[::1]:8888", "http://127.0.0.1:8888"),
        ("http://no.such.name.invalid:1", "http://NO.such.name.invalid:1"),
    ],
)
def test_one_port_of_one_machine_is_one_node(one: str, other: str) -> None:
    """However the machine is written."""
    assert is_same(one, other)
    assert is_same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://127.0.0.1:8888", "http://127.0.0.1:8889"),
        ("http://127.0.0.1:8888", "http://192.0.2.1:8888"),
        ("http://127.0.0.1:8888", "/run/node.sock"),
        ("http://one.invalid:1", "http://two.invalid:1"),
    ],
)
def test_another_port_or_machine_is_another_node(one: str, other: str) -> None:
    """A socket is no port."""
    assert not is_same(one, other)
    assert not is_same(other, one)


def test_a_socket_is_one_by_any_path_to_it(tmp_path: Path) -> None:
    """Through a link, too, and by a path that goes up and down again."""
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    assert is_same(f"{tmp_path}/run/node.sock", f"{tmp_path}/link/node.sock")
    assert is_same(f"{tmp_path}/run/node.sock", f"{tmp_path}/run/../run/node.sock")
    assert not is_same(f"{tmp_path}/run/node.sock", f"{tmp_path}/run/other.sock")
