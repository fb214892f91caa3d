"""Progress bars for notebooks are text."""

from tests.kernels.inside.kernel_python import run

CODE = """
import sys, warnings
warnings.simplefilter("error")
from inside.libraries import bars
bars.follow()
sys.stderr = sys.stdout
import tqdm.auto
import tqdm.autonotebook
import tqdm.notebook

assert tqdm.notebook.tqdm is tqdm.notebook.tqdm_notebook
print(sum(tqdm.auto.trange(3, ncols=40)))
print(sum(tqdm.notebook.trange(4, display=False, ncols=40)))
bar = tqdm.notebook.tqdm(total=2, ncols=40)
bar.update(1)
bar.reset(total=4)
print(bar.total, bar.n)
bar.close()
"""


def test_they_draw_lines_and_warn_of_nothing() -> None:
    """Whichever module they come from; names that only the notebook module has work too."""
    told = run(CODE, ours=True)
    assert "100%|" in told
    assert {"3", "6"} <= set(told.splitlines())
    assert "4 0\n" in told
