"""Reads binary files with the libraries for them, which are imported only when they are needed."""

import pickle
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from typing import Any

from .source import NotLoaded, Source

SQLITE = b"SQLite format 3\x00"
IDL = b"SR\x00\x04"
HDF5 = b"\x89HDF\r\n\x1a\n"
NO_HDF5 = "is an HDF5 file, which cannot be read here: save it as .csv, .parquet or .npz and send that"
NO_MATLAB_7_3 = "is a file of MATLAB 7.3, which cannot be read here: save it with '-v7' and send that"
# EPS is not among them: it is a program, which would be run.
PICTURES = [
    *("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "ICO"),
    *("PPM", "XBM", "XPM", "PSD", "JPEG2000", "AVIF"),
]
ORIENTATION = 0x0112  # https://www.cipa.jp/std/documents/e/DC-008-Translation-2019-E.pdf, 4.6.4


def pandas(function: str) -> Callable[[Source], Any]:
    """A reader of pandas that takes a file."""

    def read(source: Source) -> Any:
        return getattr(import_module("pandas"), function)(BytesIO(source.data), **source.options)

    return read


def arrow(source: Source) -> Any:
    """A DataFrame, from Arrow's file format (Feather) or its stream format."""
    if source.data.startswith((b"ARROW1", b"FEA1")):
        return import_module("pandas").read_feather(BytesIO(source.data), **source.options)
    with import_module("pyarrow.ipc").open_stream(source.data) as stream:
        return stream.read_all().to_pandas(**source.options)


def avro(source: Source) -> Any:
    """A DataFrame."""
    return import_module("polars").read_avro(BytesIO(source.data), **source.options).to_pandas()


def sas(source: Source) -> Any:
    """A DataFrame of a data set (sas7bdat) or a transport file (xpt, version 5 or 8), with decoded texts."""
    name = "read_xport" if source.kind == "xpt" else "read_sas7bdat"
    with _on_disk(source) as path:  # its readers take a path only
        read = getattr(import_module("pyreadstat"), name)
        try:
            return read(path, **source.options)[0]
        except Exception as error:  # pyreadstat's class is in a private module; others are raised again
            if "encoding" in source.options or "convert string" not in str(error):
                raise
            frame = read(path, **source.options, encoding="WINDOWS-1252")[0]
            source.assumed["encoding"] = "the encoding WINDOWS-1252"
            return frame


def spss(source: Source) -> Any:
    """A DataFrame; a dict for a file of IDL, which has the same extension."""
    with _on_disk(source) as path:
        if source.data.startswith(IDL):
            return dict(import_module("scipy.io").readsav(path, **source.options))
        return import_module("pandas").read_spss(path, **source.options)


def spss_portable(source: Source) -> Any:
    """A DataFrame."""
    with _on_disk(source) as path:
        return import_module("pyreadstat").read_por(path, **source.options)[0]


@contextmanager
def _on_disk(source: Source) -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(source.data)
        file.flush()
        try:
            yield file.name
        except Exception as error:  # of any class that a reader has; only its text matters
            if file.name not in str(error):
                raise
            raise ValueError(str(error).replace(file.name, source.filename)) from None


def array(source: Source) -> Any:
    """A NumPy array."""
    return import_module("numpy").load(BytesIO(source.data), **{"allow_pickle": True} | source.options)


def arrays(source: Source) -> Any:
    """A dict of NumPy arrays."""
    with array(source) as archive:
        return dict(archive)


def matlab(source: Source) -> Any:
    """A dict of the variables."""
    if source.data.startswith(HDF5) or source.data[512:].startswith(HDF5):
        raise NotLoaded(NO_MATLAB_7_3)
    return import_module("scipy.io").loadmat(BytesIO(source.data), **source.options)


def netcdf(source: Source) -> Any:
    """A data set of `scipy.io.netcdf_file`, with `variables`, `dimensions` and attributes."""
    if source.data.startswith(HDF5):
        raise NotLoaded(NO_HDF5)
    return import_module("scipy.io").netcdf_file(BytesIO(source.data), mmap=False, **source.options)


def pickled(source: Source) -> Any:
    """The object."""
    try:
        return pickle.loads(source.data, **source.options)  # noqa: S301  the person's own, in their own kernel
    except Exception:  # noqa: BLE001  joblib's files are called .pkl too, and can fail here with any error
        return joblib(source)


def joblib(source: Source) -> Any:
    """The object."""
    return import_module("joblib").load(BytesIO(source.data), **source.options)


def image(source: Source) -> Any:
    """A PIL image, decoded, and turned upright if the camera has noted how it was held."""
    pil = import_module("PIL.Image")
    try:
        picture = pil.open(BytesIO(source.data), **{"formats": PICTURES} | source.options)
    except pil.UnidentifiedImageError:
        raise NotLoaded(
            f"could not be read as {source.kind}: it is not a picture in a known format"
        ) from None
    picture.load()  # a broken picture fails here and not later
    if picture.getexif().get(ORIENTATION, 1) == 1:
        return picture
    upright = import_module("PIL.ImageOps").exif_transpose(picture)
    upright.format = picture.format
    source.notes.append("it was turned upright, as its EXIF data say")
    return upright


def database(source: Source) -> Any:
    """A connection to a copy in memory; bytes if it is another kind of database."""
    if not source.data.startswith(SQLITE):
        return source.data
    # Bytes 18 and 19 may ask for a write-ahead log, which a database in memory cannot have:
    # https://sqlite.org/fileformat2.html
    copy = source.data[:18] + b"\x01\x01" + source.data[20:]
    connection = sqlite3.connect(":memory:", **source.options)
    connection.deserialize(copy)
    return connection
