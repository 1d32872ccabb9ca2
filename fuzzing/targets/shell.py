"""Files that edge-predict answers: rows and tensors in every format, as the command reads them."""

import contextlib
import gzip
import io
import json
import sys
from collections.abc import Iterable
from random import Random
from typing import Any

import numpy as np
from paths import MODELS

from edge_runtime.cli.command import main
from fuzzing.mutations import mutated_bytes, mutated_lines, mutated_zip
from fuzzing.target import Check, Target, expect, scratch

# The first byte of an input chooses among these.
_ENDINGS = (".csv", ".npy", ".npz", ".json", ".csv.gz", ".jsonl", ".tsv")
_MODELS = ("penguins", "images", "words", "outputs", "kinds", "maps", "four_blobs")
_OPTIONS = (
    (),
    ("--format", "json"),
    ("--format", "csv"),
    ("--output", "OUT.npz"),
    ("--output", "OUT.json"),
    ("--flag-unseen",),
)


def _prepare() -> Check:
    folder = scratch()

    def check(data: bytes) -> None:
        choice = data[0] if data else 0
        ending, rest = _ENDINGS[choice % len(_ENDINGS)], choice // len(_ENDINGS)
        model, options = _MODELS[rest % len(_MODELS)], _OPTIONS[choice % len(_OPTIONS)]
        (path := folder / f"given{ending}").write_bytes(data[1:])
        answers, notes = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        words = [word.replace("OUT", str(folder / "out")) for word in options]
        with contextlib.redirect_stdout(answers), contextlib.redirect_stderr(notes):
            code = main([str(MODELS / f"{model}.onnx"), "--input", str(path), "--device", "cpu", *words])
        notes.seek(0)
        said = notes.read()
        expect(code in (0, 1, 2), f"the exit code is {code}")
        expect("Traceback" not in said, "there is a traceback")
        expect(
            not code or said.splitlines()[-1:] == [line for line in said.splitlines() if line.startswith("error: ")],
            said,
        )
        expect(not list(folder.glob(".*")), "an unfinished file is left")

    # What the command imports only when it answers.
    check(b"\0island,bill,mass,ringed,year\nDream,40.5,3000,true,2007\n")
    sys.stdout.flush()
    return check


def _seeds() -> Iterable[bytes]:
    def of(ending: str, model: str, content: bytes) -> bytes:
        return bytes([_ENDINGS.index(ending) + len(_ENDINGS) * _MODELS.index(model)]) + content

    csv = b"island,bill,mass,ringed,year\nDream,40.5,3000,true,2007\n,,,false,\n"
    image = np.linspace(0, 1, 48, dtype=np.float32).reshape(2, 2, 3, 4)
    words: dict[str, Any] = {"ids": np.ones((1, 3), np.int64), "mask": np.ones((1, 3), np.float32)}
    yield of(".csv", "penguins", csv)
    yield of(".csv.gz", "penguins", gzip.compress(csv, mtime=0))
    yield of(".tsv", "penguins", csv.replace(b",", b"\t"))
    yield of(".jsonl", "penguins", b'{"island": "Dream", "bill": 1, "mass": 2, "ringed": true, "year": 7}\n')
    yield of(".json", "images", json.dumps(image.tolist()).encode())
    yield of(".json", "words", json.dumps({name: array.tolist() for name, array in words.items()}).encode())
    yield of(".json", "maps", b'{"counts": {"a": 1.5, "b": 2}}')
    for array in (image, image.astype(">f8"), np.asfortranarray(image), np.array(["a", "b"])):
        content = io.BytesIO()
        np.save(content, array)
        yield of(".npy", "images", content.getvalue())
    for save in (np.savez, np.savez_compressed):
        content = io.BytesIO()
        save(content, **words)
        yield of(".npz", "words", content.getvalue())
    content = io.BytesIO()
    np.savez(content, x=np.ones((2, 2)))
    yield of(".npz", "outputs", content.getvalue())


def _mutated(data: bytes, random: Random) -> bytes:
    if random.random() < 0.05:
        return bytes([random.randrange(256)]) + data[1:]
    kept, rest = data[:1], data[1:]
    if rest.startswith(b"PK"):
        return kept + mutated_zip(rest, random)
    if rest.startswith(b"\x1f\x8b") and random.random() < 0.7:
        with contextlib.suppress(Exception):
            return kept + gzip.compress(mutated_lines(gzip.decompress(rest), random), 1, mtime=0)
    return kept + (mutated_bytes if rest.startswith(b"\x93NUMPY") else mutated_lines)(rest, random)


TARGETS = (Target("edge-predict --input", _prepare, _seeds, _mutated, weight=3, memory=2**31),)
