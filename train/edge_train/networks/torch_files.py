"""Files of torch.save and torch.export: how much they hold, before torch reads them and after."""

import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edge_runtime.contract.limits import Limits
from edge_runtime.contract.opened_files import most_unpacked, open_file, too_much
from edge_train.errors import CheckpointError


def check_file(path: Path, limits: Limits) -> int | None:
    """Check a file before torch reads it, which takes as much memory as the file says.

    Returns:
        How many bytes its tensors may take; None for no limit.

    Raises:
        CheckpointError: it is a pipe, is compressed, or holds more than `limits` allow.
        OSError: it cannot be opened, or is not a file.
    """
    with open_file(path, limits) as file:
        if not file.seekable():
            raise CheckpointError(f"{path} is a pipe, and a checkpoint is read more than once; save it in a file")
        most, size = most_unpacked(file.fileno(), limits), os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
        except Exception:  # not an archive, or a damaged one: whoever reads it says so
            members = []
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise CheckpointError(f"{path} is compressed, as no file of torch is; save it with torch again")
    # Members may share their bytes.
    if most is not None and max(size, sum(member.file_size for member in members)) > most:
        raise CheckpointError(too_much(path, most))
    return most


def check_tensors(path: Path, values: Iterable[Any], most: int | None) -> None:
    """Check what the tensors among `values` take when each is written out: they may share memory, or repeat it.

    Raises:
        CheckpointError: it is more than `most` bytes.
    """
    size = sum(
        value.numel() * value.element_size()
        for value in values
        if isinstance(value, Tensor) and value.layout == torch.strided
    )
    if most is not None and size > most:
        raise CheckpointError(too_much(path, most))
