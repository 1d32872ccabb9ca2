"""Compressed bodies, as HTTP names their encodings: gzip and deflate."""

import re
import zlib

from edge_runtime.serve.refusals import Refused

# Smaller answers are sent sooner than they are compressed.
_WORTH_IT = 1024
# zlib's window sizes: of gzip, and of deflate, which is zlib's own format.
_WINDOWS = {b"gzip": 31, b"deflate": 15}
_OLD_NAMES = {b"x-gzip": b"gzip"}
_WEIGHT_OF_NONE = re.compile(rb"q=0(?:\.0*)?$")


def decompressed(body: bytes, encoding: bytes, most: int) -> bytes:
    """The content of `body`.

    Raises:
        Refused: its encoding is not known (415), it is damaged (400), or its content is larger than `most` bytes (413).
    """
    encoding = encoding.strip().lower()
    encoding = _OLD_NAMES.get(encoding, encoding)
    if encoding == b"identity":
        return body
    if encoding not in _WINDOWS:
        found = encoding.decode("latin-1")
        raise Refused(
            415, f"content-encoding {found!r} is not read; use gzip or deflate", {"accept-encoding": "gzip, deflate"}
        )
    reader = zlib.decompressobj(_WINDOWS[encoding])
    try:
        content = reader.decompress(body, most + 1)
    except zlib.error as error:
        raise Refused(400, f"the body is not {encoding.decode()}: {error}") from None
    if len(content) > most:
        raise Refused(413, f"the body is larger than {most} bytes when it is decompressed")
    if not reader.eof:
        raise Refused(400, f"the body is cut: its {encoding.decode()} does not end")
    if reader.unused_data:
        raise Refused(400, f"the body goes on after its {encoding.decode()} ends; compress it as a whole")
    return content


def compressed(body: bytes, accepted: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """`body` in an encoding of those that an Accept-Encoding header has, and the headers that say so."""
    if len(body) < _WORTH_IT:
        return body, []
    for word in accepted.lower().split(b","):
        name, _, weight = word.partition(b";")
        name = name.strip()
        if name in _WINDOWS and not _WEIGHT_OF_NONE.search(weight):
            writer = zlib.compressobj(1, wbits=_WINDOWS[name])
            return writer.compress(body) + writer.flush(), [(b"content-encoding", name), (b"vary", b"accept-encoding")]
    return body, []
