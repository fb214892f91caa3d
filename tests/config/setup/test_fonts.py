"""Fonts: which of the system's are found, which of them a plot uses, and that it then shows every script."""

import os
import subprocess
from pathlib import Path

import pytest

from config.setup.fonts import has_cjk, state
from config.setup.warm import FALLBACKS, choose, matplotlibrc

PLOT = """
import matplotlib.pyplot as plt
plt.title("你好 こんにちは 안녕 مرحبا 😀")
plt.plot([1, 2])
plt.savefig("plot.png")
"""


def test_families_are_those_installed_after_dejavu() -> None:
    """Latin text looks as usual; after it come the fonts that the system has, in the order of the list."""
    installed = ["Symbola", "Comic Sans", "WenQuanYi Micro Hei", "DejaVu Sans", "Noto Color Emoji"]
    assert choose(installed) == ["DejaVu Sans", "WenQuanYi Micro Hei", "Symbola"]


def test_system_without_fonts_keeps_dejavu() -> None:
    """matplotlib brings DejaVu Sans itself."""
    assert choose([]) == ["DejaVu Sans"]


def test_families_stand_in_the_list_that_falls_back() -> None:
    """matplotlib falls back along the names in font.family, so the fonts are listed there by name."""
    assert "font.family: DejaVu Sans, Symbola\n" in matplotlibrc(["DejaVu Sans", "Symbola"])
    assert not any("," in family for family in FALLBACKS)


def test_state_changes_with_a_font(tmp_path: Path) -> None:
    """A font added below a font folder changes the state, and nothing else does."""
    (tmp_path / "truetype").mkdir()
    os.utime(tmp_path / "truetype", ns=(1, 1))
    before = state([tmp_path])
    assert state([tmp_path]) == before
    (tmp_path / "truetype" / "new.ttf").touch()
    assert state([tmp_path]) != before


def test_no_font_folder_is_no_font(tmp_path: Path) -> None:
    """A container without fonts is a system like any other."""
    assert not has_cjk([tmp_path / "absent"])
    assert state([tmp_path / "absent"])


@pytest.mark.parametrize(
    "name", ["wqy-microhei.ttc", "NotoSansCJK-Regular.ttc", "DroidSansFallbackFull.ttf", "ipag.ttf"]
)
def test_cjk_font_is_known_by_its_file(tmp_path: Path, name: str) -> None:
    """The fonts that Linux systems ship for Chinese, Japanese and Korean are known."""
    (tmp_path / "DejaVuSans.ttf").touch()
    assert not has_cjk([tmp_path])
    (tmp_path / name).touch()
    assert has_cjk([tmp_path])


def test_plot_shows_every_script(tmp_path: Path, kernel_python: Path) -> None:
    """Chinese, Japanese, Korean, Arabic and an emoji are drawn; a missing glyph would be a warning."""
    if not has_cjk():
        pytest.skip("this system has no font for Chinese, Japanese and Korean, and only root can add one")
    environment = {
        "HOME": str(tmp_path),
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": str(kernel_python.parent.parent / "matplotlib"),
    }
    done = subprocess.run(
        [kernel_python, "-W", "error", "-c", PLOT],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert (tmp_path / "plot.png").stat().st_size > 1000
