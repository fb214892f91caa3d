"""Where kernels cannot share memory between processes, they say what to use instead, or use it themselves."""

from pathlib import Path

from kernels.sandbox.policy import Tier
from tests.live.cells import NoFiles, pooled, run, value

ARRAYS = """
import multiprocessing
array = multiprocessing.RawArray("i", 3)
array[1] = 5
list(array)
"""
LOCKS = ("multiprocessing.Lock()", "multiprocessing.Pool(2)", "multiprocessing.Queue()")


async def test_tier_b_says_what_to_use_instead(tmp_path: Path) -> None:
    """`os.access` claims there that everything is writable; arrays work without shared memory."""
    async with pooled(tmp_path, tier=Tier.B) as pool:
        kernel = pool.kernel("a", NoFiles())
        assert await value(kernel, ARRAYS) == "[0, 5, 0]"
        code = "from multiprocessing.shared_memory import SharedMemory\nSharedMemory(create=True, size=1000)"
        ran = await run(kernel, code)
        assert "there is no shared memory here: use a file in tempfile.gettempdir()" in ran.output
        for lock in LOCKS:
            ran = await run(kernel, f"import multiprocessing\n{lock}")
            assert "use threads, as multiprocessing.pool.ThreadPool" in ran.output
