"""Changed artifacts: `verify` under Node and in Chromium refuses exactly those that Python's refuses.

Half of them are sealed again after the change, so that reference rows alone can tell. Run it with -s to see the counts.
"""

import base64
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from mutations import mutations
from web_verdicts import absent, verdicts

from edge_runtime import EdgePredictError, Predictor
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY

COUNT = 300
# The example, a table with strings and missing values, and modules whose elements are compared in part.
CHANGED = ("example", "table", "convolutions", "two inputs, two outputs", "embedding of integers")


def changed(originals: Sequence[bytes], count: int = COUNT, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """`count` changed artifacts, each with what was changed, and whether it was sealed again."""
    each = count // len(originals)
    for number, content in enumerate(originals):
        of_graph = mutations(content, each - each // 2, seed + number)
        of_certificate = certificate_mutations(content, each // 2, np.random.default_rng([seed, number]))
        for place, (kind, one) in enumerate(itertools.chain(of_graph, of_certificate)):
            sealed = resealed(one) if place % 2 else None
            yield (kind, one) if sealed is None else (f"{kind}, sealed again", sealed)


def certificate_mutations(content: bytes, count: int, random: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """The artifact with changes in its certificate, of each kind in turn."""
    proto = onnx.load_from_string(content)
    (entry,) = [one for one in proto.metadata_props if one.key == CERTIFICATE_KEY]
    before = entry.value
    for change in itertools.islice(itertools.cycle(CHANGES), 100 * count):
        if count == 0:
            return
        plain = json.loads(before)
        change(plain, random)
        # Not every artifact has what every kind changes.
        if plain != json.loads(before):
            count -= 1
            entry.value = json.dumps(plain, sort_keys=True)
            yield change.__name__.strip("_"), proto.SerializeToString(deterministic=True)


def resealed(content: bytes) -> bytes | None:
    try:
        return seal(content)
    except EdgePredictError:
        return None


def array_in(plain: Any, random: np.random.Generator, *parts: str) -> Any:
    """An array of a reference batch that is stored."""
    batch = plain["reference"][random.integers(len(plain["reference"]))]
    part = batch[parts[random.integers(len(parts))]]
    stored = [one for one in part.values() if isinstance(one.get("data"), str)]
    return stored[random.integers(len(stored))] if stored else {"dtype": "", "data": "", "shape": [1]}


def _reference_bit(plain: Any, random: np.random.Generator) -> None:
    """One bit of an input or of an expected output."""
    array = array_in(plain, random, "inputs", "expected")
    data = bytearray(base64.b64decode(array["data"]))
    if data:
        data[random.integers(len(data))] ^= 1 << int(random.integers(8))
    array["data"] = base64.b64encode(data).decode()


def _tolerance(plain: Any, random: np.random.Generator) -> None:
    """One tolerance everywhere in an output. None is so small that it hangs on the order in which a machine rounds."""
    array = array_in(plain, random, "tolerance")
    value = np.float32((np.inf, np.nan, -1.0, 1e3)[random.integers(4)])
    array["data"] = base64.b64encode(value.tobytes() * (len(base64.b64decode(array["data"])) // 4)).decode()


def _description(plain: Any, random: np.random.Generator) -> None:
    """Another type or shape of an array, or letters that are not base64."""
    array = array_in(plain, random, "inputs", "expected", "tolerance")
    match random.integers(4):
        case 0:
            array["dtype"] = ("float64", "float16", "int32", "bool", "complex64")[random.integers(5)]
        case 1:
            array["shape"] = [*array["shape"], 1]
        case 2:
            array["shape"] = [size + 1 for size in array["shape"]]
        case 3:
            array["data"] = array["data"][:-1] + "?"


def _rule(plain: Any, random: np.random.Generator) -> None:
    """Another element that is compared, or other numbers that are generated."""
    for batch in plain["reference"]:
        for one in batch.get("selected", {}).values():
            one["stride"] += int(random.integers(-1, 2))
        for one in batch["inputs"].values():
            if "generated" in one:
                key = ("seed", "steps", "offset", "scale")[random.integers(4)]
                one["generated"][key] = one["generated"][key] * 2 + int(random.integers(2))


def _batch(plain: Any, random: np.random.Generator) -> None:
    """A batch is gone, or is there under another name of its output, or all are gone."""
    batches = plain["reference"]
    match random.integers(4):
        case 0:
            del batches[random.integers(len(batches))]
        case 1:
            batch = batches[random.integers(len(batches))]
            for part in ("expected", "tolerance"):
                batch[part] = {f"{name}_2": one for name, one in batch[part].items()}
        case 2:
            batches.clear()
        case 3:
            batches.append(batches[0])


def _document(plain: Any, random: np.random.Generator) -> None:
    """Something else in the document."""
    match random.integers(5):
        case 0:
            plain["schema_version"] += int(random.integers(1, 3))
        case 1:
            plain["signature_sha256"] = None if plain["signature_sha256"] else "0" * 64
        case 2:
            del plain[("precision", "versions", "hashes", "comparisons")[random.integers(4)]]
        case 3:
            plain["versions"]["torch"] = (1, "0.0.0")[random.integers(2)]
        case 4:
            plain["besides"] = "nobody reads it"


CHANGES = (_reference_bit, _reference_bit, _reference_bit, _tolerance, _description, _rule, _batch, _document)


def python_verdict(content: bytes) -> bool:
    """Whether `edge-predict --verify` passes."""
    try:
        return Predictor(content, device="cpu").verify().passed
    except EdgePredictError:
        return False


@pytest.fixture(scope="module")
def of_python(artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path, bool]]:
    """Each changed artifact: what was changed, its file, and whether Python passes it."""
    folder = tmp_path_factory.mktemp("changed")
    found = []
    originals = [artifacts[name].read_bytes() for name in CHANGED]
    for number, (kind, content) in enumerate(changed(originals)):
        path = folder / f"{number}.onnx"
        path.write_bytes(content)
        found.append((kind, path, python_verdict(content)))
    return found


def test_what_is_unchanged_passes(artifacts: dict[str, Path]) -> None:
    assert all(python_verdict(path.read_bytes()) for path in artifacts.values())
    found = verdicts("node", list(artifacts.values()))
    assert dict(zip(artifacts, (one["problem"] for one in found), strict=True)) == dict.fromkeys(artifacts)


@pytest.mark.parametrize("host", ["node", "chromium"])
def test_what_python_refuses_is_refused(host: str, of_python: list[tuple[str, Path, bool]]) -> None:
    if reason := absent(host):
        pytest.skip(reason)
    found = verdicts(host, [path for _, path, _ in of_python])
    refused = [kind for kind, _, passed in of_python if not passed]
    sealed = sum("sealed" in kind for kind, _, _ in of_python), sum("sealed" in kind for kind in refused)
    others = [
        (kind, path.name, passed, verdict["problem"])
        for (kind, path, passed), verdict in zip(of_python, found, strict=True)
        if passed != verdict["passed"]
    ]
    print(
        f"\n{len(found)} changed artifacts, {sealed[0]} of them sealed again: Python refuses {len(refused)}, of the "
        f"sealed {sealed[1]}; {host} {sum(not one['passed'] for one in found)}, with {len(others)} differences"
    )
    assert not others
    # Some changes do no harm, and are sealed again.
    assert 0 < len(refused) < len(found)
