"""What a file is that should be text: formats that people give in its place, told by their first bytes."""

import re

_PACKED = "is compressed by {0}; unpack it before, with {0} -dc"
_WIDE = "is text in {0}; save it as UTF-8, or convert it with iconv -f {0} -t UTF-8"
# Each with bytes that no text begins with: UTF-16 without a byte order mark has zeros.
_ASCII = rb"[\t\n\r -~]"
_KINDS = [
    (rb"\x1f\x8b", "is compressed by gzip; unpack it before, with gzip -dc, or give a file whose name ends in .gz"),
    (rb"\x28\xb5\x2f\xfd", _PACKED.format("zstd")),
    (rb"\xfd7zXZ\0", _PACKED.format("xz")),
    (rb"BZh[1-9]1AY&SY", _PACKED.format("bzip2")),
    (rb"PK\x03\x04", "is a zip archive; give arrays by a name that ends in .npz, and a spreadsheet saved as CSV"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is a document of an old Office; save a spreadsheet as CSV"),
    (rb"\x93NUMPY", "is an array of NumPy; give it by a name that ends in .npy"),
    (
        rb"PAR1[\0-\x08]|PAR1[\x0e-\x1f]",
        "is a Parquet file, but rows must be CSV, TSV or JSON Lines; save them as one of these, or pass a data frame "
        "to Predictor.predict",
    ),
    (rb"ARROW1\0|\xff\xff\xff\xff", "is a file of Arrow; save its rows as CSV or JSON Lines"),
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", _WIDE.format("UTF-32")),
    (rb"\xff\xfe|\xfe\xff", _WIDE.format("UTF-16")),
    (rb"(?:%b\0){2}" % _ASCII, _WIDE.format("UTF-16LE")),
    (rb"(?:\0%b){2}" % _ASCII, _WIDE.format("UTF-16BE")),
]
_COMPILED = [(re.compile(pattern), message) for pattern, message in _KINDS]
GZIP = b"\x1f\x8b"


def what_else(start: bytes) -> str | None:
    """What is not text, and what to do: `is compressed by gzip; ...`, after its name; None if it may be text.

    Args:
        start: its first bytes, 16 of them or more.
    """
    return next((message for pattern, message in _COMPILED if pattern.match(start)), None)
