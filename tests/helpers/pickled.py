"""Values in the files that torch and pickle write, as they are now and as they were before torch 1.6."""

import io
import pickle
from collections.abc import Callable

import torch

Write = Callable[[object, int], bytes]


def zipped(value: object, protocol: int) -> bytes:
    content = io.BytesIO()
    torch.save(value, content, pickle_protocol=protocol)
    return content.getvalue()


def former(value: object, protocol: int) -> bytes:
    content = io.BytesIO()
    torch.save(value, content, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    return content.getvalue()


WRITERS: tuple[Write, ...] = (zipped, former, pickle.dumps)
# torch itself writes 2; a class with slots needs 2 or more.
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
