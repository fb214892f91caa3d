"""How each kind of file is read: one table by extension, which a test compares with `filestore.filetypes`.

READERS has functions that load a file, WITHOUT_A_READER sentences that say what to do instead, and
GIVEN_AS_BYTES the files that only other programs read.
"""

from collections.abc import Callable
from typing import Any

from . import delimited, readers, structured, workbooks
from .encodings import decode
from .source import Source

__all__ = ["GIVEN_AS_BYTES", "PICKLES", "PLAIN_TEXTS", "READERS", "TEXTS", "WITHOUT_A_READER"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _text(source: Source) -> Any:
    """A str, or the table that options such as `sep` say that it is."""
    return delimited.read(source) if source.options.keys() - {"encoding", "errors"} else decode(source)


_TABLES_OF_TEXT = _words("csv tsv tab psv")
_TABLES_OR_TEXTS = _words("txt text dat")
_JSON = _words("json geojson topojson ipynb har webmanifest")
_CODE_AND_WORDS = _words(
    "md markdown rst log tex bib srt vtt diff patch adoc org nfo "
    "py pyi pyx ipy r rmd jl sql js mjs ts jsx tsx java kt scala c h cpp hpp cc cs go rs rb php pl lua "
    "swift m sh bash zsh fish ps1 bat f90 asm hs ml clj ex erl dart groovy cmake mk tf proto "
    "json5 xml xsd xsl ini cfg conf properties env "
    "html htm xhtml css scss sass less mhtml vue svelte rss atom "
    "svg kml gpx osm prj graphml gml fasta fastq vcf pdb mol sdf cif rtf ps eps eml pem"
)
PLAIN_TEXTS = _TABLES_OR_TEXTS | _CODE_AND_WORDS
TEXTS = _TABLES_OF_TEXT | PLAIN_TEXTS | _JSON | _words("jsonl ndjson yaml yml toml")

READERS: dict[str, Callable[[Source], Any]] = {
    extension: reader
    for extensions, reader in (
        (_TABLES_OF_TEXT, delimited.read),
        (_TABLES_OR_TEXTS, delimited.text_or_table),
        (_CODE_AND_WORDS, _text),
        (_words("xlsx xlsm xls xlsb ods"), workbooks.read),
        (_words("parquet pq"), readers.pandas("read_parquet")),
        (_words("feather arrow ipc"), readers.arrow),
        (_words("orc"), readers.pandas("read_orc")),
        (_words("avro"), readers.avro),
        (_words("dta"), readers.pandas("read_stata")),
        (_words("sas7bdat xpt"), readers.sas),
        (_words("sav zsav"), readers.spss),
        (_words("por"), readers.spss_portable),
        (_JSON, structured.read_json),
        (_words("jsonl ndjson"), structured.read_json_lines),
        (_words("yaml yml"), structured.read_yaml),
        (_words("toml"), structured.read_toml),
        (_words("plist"), structured.property_list),
        (_words("npy"), readers.array),
        (_words("npz"), readers.arrays),
        (_words("mat"), readers.matlab),
        (_words("nc"), readers.netcdf),
        (_words("pkl pickle"), readers.pickled),
        (_words("joblib"), readers.joblib),
        (
            _words("png jpg jpeg gif webp bmp tif tiff ico psd jp2 avif ppm pgm pbm xbm xpm"),
            readers.image,
        ),
        (_words("sqlite sqlite3 db db3 gpkg mbtiles"), readers.database),
    )
    for extension in sorted(extensions)
}
PICKLES = _words("npy npz pkl pickle joblib")  # reading them can run code that is in them

_EXPORT = "export its tables as .csv and send those"
WITHOUT_A_READER: dict[str, str] = {
    extension: sentence
    for extensions, sentence in (
        (_words("h5 hdf5 hdf h5ad nc4"), readers.NO_HDF5),
        (
            _words("rds rda rdata"),
            "is a file of R, which cannot be read here: save it in R with write.csv() and send that",
        ),
        (_words("mdb accdb"), f"is a database of Access, which cannot be read here: {_EXPORT}"),
        (_words("duckdb"), f"is a database of DuckDB, which cannot be read here: {_EXPORT}"),
        (_words("dbf"), "is a dBASE table, which cannot be read here: save it as .csv and send that"),
        (_words("heic heif"), "is a HEIF picture, which cannot be read here: save it as .jpg and send that"),
    )
    for extension in sorted(extensions)
}
GIVEN_AS_BYTES = _words(
    "cdf fits fit pt pth onnx safetensors ckpt dcm nii root tfrecord "
    "zip tar gz tgz bz2 tbz2 xz txz 7z rar zst lz4 lzma whl jar deb rpm "
    "wasm shp shx kmz pbf las laz "
    "pdf doc docx odt ppt pptx odp epub pages key numbers djvu msg "
    "mp3 wav flac ogg oga opus m4a aac aiff aif mid midi wma "
    "mp4 m4v mov avi mkv webm mpg mpeg ogv wmv flv 3gp "
    "bin exe dll so dylib o a pyc class iso img dmg ttf otf woff woff2 crt"
)
