"""UTF-8 text files: opening them, and errors that say what is wrong with them."""

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from edge_runtime.contract.errors import EdgePredictError, InvalidInput
from edge_runtime.contract.terminal import unreadable


def open_text(path: str) -> TextIO:
    """Open a file of UTF-8 text, with or without a byte order mark; with gzip if its name ends in .gz.

    Call it within `reading_text`.

    Raises:
        InvalidInput: it is a Parquet file.
    """
    # A pipe can be read only once.
    if Path(path).is_file():
        with Path(path).open("rb") as file:
            if file.read(4) == b"PAR1":
                raise InvalidInput(
                    f"{path} is a Parquet file, but rows must be CSV, TSV or JSON Lines; save them as one of these, "
                    "or pass a data frame to Predictor.predict"
                )
    if path.lower().endswith(".gz"):
        # Most files are not compressed.
        import gzip

        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return Path(path).open(encoding="utf-8-sig", newline="")


def delimiter_of(path: str) -> str | None:
    """The character between the columns of a file, by the file's name; None if the name does not tell."""
    return "\t" if path.lower().removesuffix(".gz").endswith((".tsv", ".tab")) else None


@contextlib.contextmanager
def reading_text(source: object, kind: type[EdgePredictError]) -> Iterator[None]:
    """Raise an error of `kind` for everything that goes wrong while the UTF-8 text of `source` is opened and read."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise kind(f"{source} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise kind(unreadable(Path(str(source)), error)) from error
    except (EOFError, zlib.error) as error:
        raise kind(f"{source} is damaged: {error}") from error
