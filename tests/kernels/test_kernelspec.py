"""The kernel spec with which Jupyter's own programs start our kernels."""

import json
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from kernels import kernelspec


def test_spec_names_our_provisioner(tmp_path: Path) -> None:
    """Jupyter reads what was written: the entry point, and its configuration."""
    kernelspec.write(tmp_path, Path("/opt/python"), "B")
    found = KernelSpecManager(kernel_dirs=[str(tmp_path)]).get_kernel_spec(kernelspec.NAME)
    config = {"python": "/opt/python", "tier": "B"}
    assert found.metadata["kernel_provisioner"] == {"provisioner_name": "kernelcord", "config": config}
    assert (found.language, found.interrupt_mode) == ("python", "message")


@pytest.mark.parametrize("where", ["--folder", "--prefix"])
def test_the_program_writes_it(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It writes to the given place and prints the folder; the interpreter's path is absolute."""
    monkeypatch.setattr(sys, "argv", ["kernelspec", where, str(tmp_path), "--python", "some/python"])
    assert kernelspec.main() == 0
    (written,) = tmp_path.rglob("kernel.json")
    assert capsys.readouterr().out.strip() == str(written.parent)
    config = json.loads(written.read_text())["metadata"]["kernel_provisioner"]["config"]
    assert config == {"python": str(Path("some/python").absolute())}


def test_tier_s_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would give the notebook's folder to another user."""
    monkeypatch.setattr(sys, "argv", ["kernelspec", "--folder", str(tmp_path), "--tier", "S"])
    with pytest.raises(SystemExit):
        kernelspec.main()
    assert not list(tmp_path.iterdir())
