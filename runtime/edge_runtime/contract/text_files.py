"""UTF-8 text in files: opened, and what goes wrong in reading it named."""

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from edge_runtime.contract.errors import EdgePredictError, InvalidInput


def open_text(path: str) -> TextIO:
    """The UTF-8 text of a file, with or without a byte order mark, compressed by gzip if its name ends so.

    To be called within `reading_text`.

    Raises:
        InvalidInput: it is a Parquet file.
    """
    # What a pipe gives can be read once only.
    if Path(path).is_file():
        with Path(path).open("rb") as file:
            if file.read(4) == b"PAR1":
                raise InvalidInput(
                    f"{path} is a Parquet file, and rows are read from CSV, TSV and JSON Lines; save it as one of "
                    "these, or give its frame to Predictor.predict"
                )
    if path.lower().endswith(".gz"):
        # Few read such files.
        import gzip

        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return Path(path).open(encoding="utf-8-sig", newline="")


def delimiter_of(path: str) -> str | None:
    """What separates the columns of a file by its name; None where that does not tell."""
    return "\t" if path.lower().removesuffix(".gz").endswith((".tsv", ".tab")) else None


@contextlib.contextmanager
def reading_text(source: object, kind: type[EdgePredictError]) -> Iterator[None]:
    """Turn what goes wrong while the UTF-8 text of `source` is opened and read into an error of `kind`."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise kind(f"{source} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise kind(f"{source} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise kind(f"{source} is damaged: {error}") from error
