"""A forked process forgets what belonged to the zygote."""

import json
from pathlib import Path

from tests.kernels.inside.kernel_python import run

CODE = """
import json, multiprocessing, os, random, site, sys, warnings
import numpy as np
from inside.confinement import fresh

key, state = bytes(multiprocessing.current_process().authkey), random.getstate()
numbers = np.random.get_state()[1].tolist()
started = __import__("logging")._startTime
os.environ["HOME"] = sys.argv[1]
os.umask(0o077)
fresh.process()
told = {
    "argv": sys.argv,
    "orig": sys.orig_argv[1:],
    "umask": os.umask(0),
    "random": random.getstate() == state or np.random.get_state()[1].tolist() == numbers,
    "key": [multiprocessing.current_process().authkey == key, len(key)],
    "site": site.USER_BASE,
    "time": __import__("logging")._startTime > started,
}
warnings.simplefilter("default")
exec(compile("import warnings; warnings.warn('once')", "m", "exec"), vars(json))
told["warned"] = "__warningregistry__" in vars(json)
sys.modules["odd"] = 3
fresh.forget_warnings()
told["forgotten"] = "__warningregistry__" not in vars(json)

def remembers():
    called = True
    return lambda: called
told["kept"] = fresh._kept(remembers(), "called").cell_contents
told["none"] = fresh._kept(len, "called")
print(json.dumps(told))
"""


def test_what_was_the_zygotes_is_made_anew(tmp_path: Path) -> None:
    """Arguments, umask, random numbers, the key of `multiprocessing`, folders of packages, and the time."""
    told = json.loads(run(CODE, str(tmp_path)))
    assert told["argv"] == ["ipykernel_launcher.py"]
    assert told["orig"] == ["-m", "ipykernel_launcher"]
    assert told["umask"] == 0o022
    assert told["random"] is False
    assert told["key"] == [False, 32]
    assert told["site"].startswith(str(tmp_path))
    assert told["time"]


def test_warnings_are_shown_again(tmp_path: Path) -> None:
    """Whatever is in `sys.modules`; registries that only a function holds are found too."""
    told = json.loads(run(CODE, str(tmp_path)))
    assert told["warned"]
    assert told["forgotten"]
    assert told["kept"] is True
    assert told["none"] is None
