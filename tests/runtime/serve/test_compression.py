import gzip
import zlib

import pytest

from edge_runtime.serve.compression import compressed, decompressed
from edge_runtime.serve.refusals import Refused

CONTENT = b"0123456789" * 1000


def test_what_is_compressed_is_read() -> None:
    for name in (b"gzip", b"deflate"):
        body, headers = compressed(CONTENT, b"br, " + name)
        assert len(body) < len(CONTENT)
        assert dict(headers)[b"content-encoding"] == name
        content = gzip.decompress(body) if name == b"gzip" else zlib.decompress(body)
        assert content == decompressed(body, name, len(CONTENT)) == CONTENT
        assert decompressed(body, b" X-" + name if name == b"gzip" else name.upper(), len(CONTENT)) == CONTENT
    assert decompressed(CONTENT, b"identity", 1) == CONTENT


@pytest.mark.parametrize("accepted", [b"", b"br", b"identity", b"gzip;q=0", b"gzip;q=0.0, br"])
def test_clients_that_take_no_compression(accepted: bytes) -> None:
    assert compressed(CONTENT, accepted) == (CONTENT, [])


def test_small_answers_are_not_compressed() -> None:
    assert compressed(b"small", b"gzip") == (b"small", [])


@pytest.mark.parametrize(
    ("body", "encoding", "status", "message"),
    [
        (CONTENT, b"br", 415, "content-encoding 'br' is not read; use gzip or deflate"),
        (CONTENT, b"gzip", 400, "the body is not gzip"),
        (gzip.compress(CONTENT, mtime=0)[:-9], b"gzip", 400, "the body is cut"),
        (2 * gzip.compress(CONTENT, mtime=0), b"gzip", 400, "goes on after its gzip ends"),
        (gzip.compress(CONTENT + b"x", mtime=0), b"gzip", 413, "larger than 10000 bytes when it is decompressed"),
        (zlib.compress(bytes(10**8)), b"deflate", 413, "larger than 10000 bytes"),
    ],
)
def test_bodies_that_are_refused(body: bytes, encoding: bytes, status: int, message: str) -> None:
    with pytest.raises(Refused, match=message) as refused:
        decompressed(body, encoding, len(CONTENT))
    assert refused.value.status == status
