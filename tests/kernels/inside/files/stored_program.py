"""Run by the kernels' own Python: writes a file of every kind, loads each through the broker, prints it.

    python stored_program.py KERNELS_FOLDER REQUEST_SOCKET STORED_FOLDER

One JSON line: {"loaded": {file name: [type, content]}, "cells": {code: output}, ...}.
"""

import io
import json
import os
import pickle
import sys
from contextlib import redirect_stdout
from pathlib import Path

KERNELS, REQUEST_SOCKET, STORED = sys.argv[1:]
sys.path.insert(0, KERNELS)
from inside.files import stored  # noqa: E402  (as the launcher does)

del sys.path[0]
stored.install(int(REQUEST_SOCKET))
LIGHT = {"pandas", "numpy", "PIL", "yaml", "sqlite3"}.isdisjoint(sys.modules)

import sqlite3  # noqa: E402

import joblib  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pyreadstat  # noqa: E402
import scipy.io  # noqa: E402
from IPython.core.interactiveshell import InteractiveShell  # noqa: E402
from PIL import Image  # noqa: E402


def write(folder):
    """A file of every kind that has a reader."""
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "\u00e9"]})
    text = frame.to_csv(index=False)
    for name, encoding in (
        ("utf8", "utf-8"),
        ("sig", "utf-8-sig"),
        ("utf16", "utf-16"),
        ("latin", "latin-1"),
    ):
        (folder / f"{name}.csv").write_bytes(text.encode(encoding))
        (folder / f"{name}.txt").write_bytes("\u00e9".encode(encoding))
    for packed in ("gz", "bz2", "xz"):
        frame.to_csv(folder / f"packed.csv.{packed}", index=False)
    frame.to_csv(folder / "semicolon.csv", index=False, sep=";")
    frame.to_csv(folder / "tabs.tsv", index=False, sep="\t")
    with pd.ExcelWriter(folder / "book.xlsx") as book:
        frame.to_excel(book, sheet_name="first", index=False)
        frame.rename(columns={"a": "c"}).to_excel(book, sheet_name="second", index=False)
    frame.to_parquet(folder / "table.parquet")
    frame.to_feather(folder / "table.feather")
    frame.to_orc(folder / "table.orc")
    frame.to_stata(folder / "table.dta", write_index=False, version=118)
    pyreadstat.write_sav(frame, folder / "table.sav")
    pyreadstat.write_xport(frame[["a"]], folder / "table.xpt", file_format_version=5)
    frame.to_json(folder / "records.json", orient="records")
    frame.to_json(folder / "lines.jsonl", orient="records", lines=True)
    (folder / "mixed.jsonl").write_text('1\n{"a": 2}\n\n')
    (folder / "object.json").write_text('{"a": [1, 2]}')
    (folder / "list.json").write_text("[1, 2]")
    (folder / "config.yaml").write_text("a: [1, 2]")
    (folder / "many.yml").write_text("a: 1\n---\nb: 2")
    (folder / "config.toml").write_text("a = 1")
    np.save(folder / "array.npy", np.arange(3))
    np.savez(folder / "arrays.npz", one=np.arange(2), two=np.arange(3))
    scipy.io.savemat(folder / "matrix.mat", {"m": np.arange(3)})
    (folder / "object.pkl").write_bytes(pickle.dumps({"a": {1, 2}}))
    frame.to_pickle(folder / "frame.pkl")
    joblib.dump({"a": np.arange(1000)}, folder / "model.joblib")
    joblib.dump({"a": np.arange(1000)}, folder / "joblib.pkl")
    picture = Image.new("RGB", (3, 2))
    for kind in ("png", "jpg", "gif", "webp", "bmp", "tiff"):
        picture.save(folder / f"picture.{kind}")
    for name, mode in (("plain.sqlite", "delete"), ("wal.db", "wal")):
        connection = sqlite3.connect(folder / name)
        connection.execute(f"pragma journal_mode={mode}")
        connection.execute("create table t (a)")
        connection.execute("insert into t values (1)")
        connection.commit()
        connection.close()
    (folder / "other.db").write_bytes(b"no sqlite")
    (folder / "page.html").write_text("<p>")
    (folder / "program.py").write_text("x = 1")
    (folder / "data.bin").write_bytes(b"\x00\x01")
    (folder / "archive.tar.gz").write_bytes(b"\x1f\x8b")
    (folder / "broken.parquet").write_bytes(b"no parquet")
    (folder / "broken.png").write_bytes(b"no picture")


def described(value):
    """The type of a loaded object, and its content as JSON has it."""
    kind = type(value).__name__
    match value:
        case pd.DataFrame():
            return [kind, value.to_dict("list")]
        case np.ndarray():
            return [kind, np.ravel(value).tolist()[:3]]
        case Image.Image():
            return ["Image", list(value.size)]
        case sqlite3.Connection():
            value.execute("insert into t values (2)")  # a copy that can be written to
            found = value.execute("select a from t").fetchall()
            value.close()
            return [kind, [row[0] for row in found]]
        case bytes():
            return [kind, value.decode("latin-1")]
        case dict():
            return [kind, {key: described(item) for key, item in value.items() if not key.startswith("__")}]
        case set():
            return [kind, sorted(value)]
        case _:
            return [kind, value]


def loaded(name, **options):
    """What `load_file` gives, or the error as a person reads it."""
    try:
        return described(load_file(name, **options))  # noqa: F821  (a builtin by now)
    except Exception as error:  # noqa: BLE001  the test looks at it
        return [type(error).__name__, str(error)]


def cells(codes):
    """The output of each cell, run one after another in one shell."""
    shell = InteractiveShell.instance(colors="nocolor")
    outputs = {}
    for code in codes:
        with redirect_stdout(io.StringIO()) as output:
            shell.run_cell(code)
        outputs[code] = output.getvalue()
    return outputs


write(Path(STORED))
before = len(os.listdir("/proc/self/fd"))
results = {
    "light": LIGHT,
    "loaded": {name: loaded(name) for name in sorted(os.listdir(STORED))},
    "semicolon": loaded("semicolon.csv", sep=";"),
    "sheet": loaded("book.xlsx", sheet_name="second"),
    "json option": loaded("records.json", orient="records", dtype=False),
    "raw": loaded("broken.parquet", raw=True),
    "bad option": loaded("object.pkl", nonsense=1),
    "not a name": loaded(5),
    "path": file_path("utf8.csv"),  # noqa: F821
    "listed": list_files().to_dict("list"),  # noqa: F821
    "leaked": len(os.listdir("/proc/self/fd")) - before,
}
results["cells"] = cells(
    ["%who", "%reset -f", "load_file('absent')", "load_file('broken.parquet')", "list_files()"]
)
print(json.dumps(results))
