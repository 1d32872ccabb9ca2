"""What edge-train and edge-export read: tables, checkpoints, progress, weights, labels and data."""

import contextlib
import functools
import gzip
import io
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch
from safetensors.torch import save as save_safetensors
from torch import nn

from edge_export.inputs.data_files import read_tensors
from edge_export.inputs.label_files import read_labels
from edge_export.inputs.weights import load_weights
from edge_runtime import EdgePredictError, Feature, Input, Signature
from edge_train.cli.data import TableOptions, table_dataset
from edge_train.loop.progress import Checkpointer, TrainingProgress
from edge_train.networks.checkpoint import checkpoint_bytes, load_checkpoint
from edge_train.networks.neural_net import NeuralNet
from edge_train.networks.table_net import TableNet
from edge_train.table import split  # noqa: F401 - it imports scikit-learn, which takes long, and not in each process
from fuzzing.mutations import mutated_bytes, mutated_json, mutated_lines, mutated_zip
from fuzzing.target import Check, Target, expect, scratch

# The first byte of an input chooses among these.
_TABLES = (".csv", ".jsonl", ".tsv", ".parquet", ".csv.gz", ".json.gz")
_DATA = (".npz", ".npy", ".csv", ".txt")


def _of_files(
    read: Callable[[Path], object], endings: tuple[str, ...], seeds: Callable[[], Iterable[bytes]]
) -> Callable[[], Check]:
    def prepare() -> Check:
        folder = scratch()

        def check(data: bytes) -> None:
            path = folder / f"given{endings[(data[0] if data else 0) % len(endings)]}"
            path.write_bytes(data[1:])
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                read(path)

        # torch and scikit-learn import much when they are used first.
        for data in seeds():
            with contextlib.suppress(EdgePredictError):
                check(data)
        return check

    return prepare


def _table(path: Path) -> None:
    dataset = table_dataset(TableOptions(path, "species"), seed=0)
    dataset.signature.to_json().encode()


def _checkpoint(path: Path) -> None:
    model = load_checkpoint(path)
    # What an artifact would carry.
    model.signature.to_json().encode()
    expect(checkpoint_bytes(model), "it cannot be saved again")


def _progress(path: Path) -> None:
    path.replace(path.with_name("training.pt"))
    try:
        found = Checkpointer(path.parent, resume=True).load("a" * 64)
        repr(found)
    finally:
        path.with_name("training.pt").unlink(missing_ok=True)


def _weights(path: Path) -> None:
    load_weights(_module(), path, lambda note: None)


def _data(path: Path) -> None:
    if path.suffix == ".txt":
        repr(read_labels(path))
    else:
        repr(read_tensors(path))


def _module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


def _saved(content: object, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


@functools.cache
def _networks() -> list[bytes]:
    torch.manual_seed(0)
    numbers = (Feature("a", missing=0.1), Feature("b", "boolean"))
    words = (Feature("c", "categorical", missing=0.0, categories=("x", "y")),)
    signature = Signature((Input("x", numbers), Input("text", words)), "probability", ("no", "yes"))
    return [checkpoint_bytes(NeuralNet(2, 3)), checkpoint_bytes(TableNet(signature, [4], [2]))]


def _checkpoint_seeds() -> Iterable[bytes]:
    for content in _networks():
        yield b"\0" + content
    yield b"\0" + _saved(NeuralNet(2, 3).state_dict(), _use_new_zipfile_serialization=False)


def _progress_seeds() -> Iterable[bytes]:
    module = _module()
    optimizer = torch.optim.Adam(module.parameters())
    progress = TrainingProgress(3, weights=module.state_dict(), optimizer=optimizer.state_dict(), losses=[0.5])
    yield b"\0" + _saved({"run": "a" * 64, "progress": vars(progress)})


def _weight_seeds() -> Iterable[bytes]:
    module = _module()
    state = module.state_dict()
    yield b"\0" + save_safetensors(state)
    yield b"\0" + _saved(state)
    yield b"\0" + _saved(state, _use_new_zipfile_serialization=False)
    yield b"\0" + _saved({"epoch": 3, "model": state, "config": {"size": np.float64(3)}})
    yield b"\0" + pickle.dumps({name: tensor.numpy() for name, tensor in state.items()})
    yield b"\0" + pickle.dumps(dict(state))


def _table_seeds() -> Iterable[bytes]:
    rows = [(f"{place}.5", ("a", "b")[place % 2], ("yes", "no")[place % 3 == 0], place) for place in range(24)]
    text = "mass,island,species,year\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows)
    lines = "".join(f'{{"mass": {a}, "island": "{b}", "species": "{c}", "year": {d}}}\n' for a, b, c, d in rows)
    table = io.BytesIO()
    names = ("mass", "island", "species", "year")
    pa.parquet.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), table)
    contents = (
        text.encode(),
        lines.encode(),
        text.replace(",", "\t").encode(),
        table.getvalue(),
        gzip.compress(text.encode(), mtime=0),
        gzip.compress(lines.encode(), mtime=0),
    )
    for place, content in enumerate(contents):
        yield bytes([place]) + content


def _data_seeds() -> Iterable[bytes]:
    for place, save in enumerate((np.savez, np.save)):
        content = io.BytesIO()
        save(content, np.ones((3, 2), np.float32))
        yield bytes([place]) + content.getvalue()
    yield b"\2a,b\n1,2\n3,4\n"
    yield b"\3cat\ndog\nfox\n"
    yield b"\x030\n1\n-2\n"


def _mutated_saved(data: bytes, random: Random) -> bytes:
    kept, rest = data[:1], data[1:]
    if rest.startswith(b"PK"):
        return kept + mutated_zip(rest, random)
    if rest[8:9] == b"{" and random.random() < 0.7:
        # The header of safetensors, with its length before it.
        end = 8 + int.from_bytes(rest[:8], "little")
        header = mutated_json(rest[8:end], random)
        return kept + len(header).to_bytes(8, "little") + header + rest[end:]
    return kept + mutated_bytes(rest, random)


def _mutated_table(data: bytes, random: Random) -> bytes:
    kept, rest = data[:1], data[1:]
    if rest.startswith(b"\x1f\x8b") and random.random() < 0.7:
        with contextlib.suppress(Exception):
            return kept + gzip.compress(mutated_lines(gzip.decompress(rest), random), 1, mtime=0)
    if rest.startswith((b"PAR1", b"\x93NUMPY")):
        return kept + mutated_bytes(rest, random)
    return kept + (mutated_zip if rest.startswith(b"PK") else mutated_lines)(rest, random)


def _target(name: str, read: Callable[[Path], object], endings: tuple[str, ...], seeds: Any, **more: Any) -> Target:
    return Target(name, _of_files(read, endings, seeds), seeds, **more)


TARGETS = (
    _target("edge-train table", _table, _TABLES, _table_seeds, mutate=_mutated_table, weight=2),
    _target("checkpoint", _checkpoint, (".pt",), _checkpoint_seeds, mutate=_mutated_saved, weight=2),
    _target("progress of training", _progress, (".pt",), _progress_seeds, mutate=_mutated_saved),
    _target("weights", _weights, (".pt",), _weight_seeds, mutate=_mutated_saved, weight=2),
    _target("data and labels", _data, _DATA, _data_seeds, mutate=_mutated_table),
)
