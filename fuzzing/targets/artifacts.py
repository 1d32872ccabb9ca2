"""Whole artifacts: opened, described, verified, and asked for answers."""

import json
import os
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnxruntime
from baselines import BASELINES, explained_model
from certificates import appended
from paths import MODELS

from edge_runtime import EdgePredictError, Feature, IsolatedPredictor, Limits, NoCertificate, Predictor
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.data_file import finished
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.metadata_keys import DATA_KEY
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.description import description
from fuzzing.graphs import graphs
from fuzzing.models import certified, named
from fuzzing.mutations import mutated_bytes
from fuzzing.protobuf import decoded, encoded, messages, mutated_model
from fuzzing.replay import crashes
from fuzzing.target import Check, Target, expect, scratch

# Inputs that the file declares larger are not made.
_MOST_ELEMENTS = 2**18
# Models can loop for ever.
_LIMITS = Limits(call_seconds=0.5)


def _check(data: bytes) -> None:
    with Predictor(data, device="cpu", threads=1, limits=_LIMITS) as predictor:
        use(predictor)


def use(predictor: Predictor) -> None:
    """Ask everything of `predictor`."""
    repr((predictor, predictor.signature, predictor.inputs, list(map(str, predictor.outputs))))
    json.dumps(description(predictor)).encode()
    for ask in (_verify, _answer, _run):
        try:
            ask(predictor)
        except EdgePredictError as error:
            _expect_one_line(error)


def _expect_one_line(error: EdgePredictError) -> None:
    expect(str(error) and "\n" not in str(error), "the message is not one line")
    str(error).encode(errors="backslashreplace")


def _verify(predictor: Predictor) -> None:
    try:
        verification = predictor.verify()
    except NoCertificate:
        return
    repr((verification, verification.checks, verification.failure))


def _answer(predictor: Predictor) -> None:
    if predictor.signature is None:
        return
    rows = list(_rows(predictor))
    answers = predictor.predict(rows)
    expect(answers.shape == (len(rows),), f"{len(rows)} rows have answers of shape {answers.shape}")
    if predictor.signature.task != "regression":
        expect(len(predictor.predict_proba(rows)) == len(rows), "not every row has probabilities")
    repr(predictor.predict_one(rows[0]))
    expect(len(predictor.unseen(rows)) == len(rows), "not every row is looked at")
    repr(str(predictor.explain(rows[0])))


def _rows(predictor: Predictor) -> Iterator[Any]:
    features = predictor.required_signature.features
    for place in range(3):
        yield [_value(feature, place) for feature in features]


def _value(feature: Feature, place: int) -> Any:
    if feature.categories:
        return feature.categories[place % len(feature.categories)]
    return place % 2 if feature.kind == "boolean" else place - 0.5


def _run(predictor: Predictor) -> None:
    for size in (2, 0):
        feed = {spec.name: _tensor(spec, size) for spec in predictor.inputs}
        outputs = predictor.run(feed)
        expect(outputs.keys() == {spec.name for spec in predictor.outputs}, "an output is missing")
        repr(outputs)


def _tensor(spec: TensorSpec, size: int) -> Any:
    if spec.item is not None:
        return [_tensor(spec.item, size)]
    if spec.key_and_value is not None:
        return {"a": 1.0} if spec.key_and_value[0] == "string" else {1: 1.0}
    shape = [one if isinstance(one, int) and one >= 0 else size for one in (spec.present or spec).shape]
    if np.prod(shape, dtype=object) > _MOST_ELEMENTS:
        raise InvalidInput("the input is too large to be tried")
    dtype = (spec.present or spec).dtype
    return np.full(shape, "a", object) if dtype == np.object_ else np.ones(shape, dtype or np.float32)


def _prepare() -> Check:
    # The first model takes much that later ones share.
    _check(certified()[0])
    return _check


def _seeds() -> Iterable[bytes]:
    names = (path.stem for path in sorted(MODELS.glob("*.onnx")) if path.stem not in ("custom_operators", "external"))
    return [*named(*names), *map(explained_model, BASELINES), *certified(), *graphs()]


def _mutated(data: bytes, random: Random) -> bytes:
    changed = mutated_model(data, random)
    if random.random() < 0.3:
        # As by whoever changes a file on purpose.
        try:
            return seal(changed)
        except EdgePredictError:
            pass
    return changed


# ---------------------------------------------------------------------------------------------------------- ORT format


def _ort_seeds() -> list[bytes]:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for content in (*certified()[:1], *named("penguins", "images", "words")):
            options = onnxruntime.SessionOptions()
            options.optimized_model_filepath = str(path := Path(folder) / "model.ort")
            options.add_session_config_entry("session.save_model_format", "ORT")
            onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            found.append(path.read_bytes())
    return found


# ------------------------------------------------------------------------------------------------- with a data file

_BETWEEN = b"\n--- data ---\n"


def _prepare_with_data() -> Check:
    folder = scratch()

    def check(data: bytes) -> None:
        content, _, beside = data.partition(_BETWEEN)
        for name, part in (("model.onnx", content), ("model.onnx.data", beside)):
            (folder / name).write_bytes(part)
            # What was written just now may be written again at the same time, and is waited for.
            os.utime(folder / name, (10**9, 10**9))
        with Predictor(folder / "model.onnx", device="cpu", threads=1, limits=_LIMITS) as predictor:
            use(predictor)
            (folder / "model.onnx.data").write_bytes(beside[:-1])
            os.utime(folder / "model.onnx.data", (10**9, 10**9 + 1))
            try:
                use(pickle.loads(pickle.dumps(predictor)))
            except EdgePredictError as error:
                _expect_one_line(error)

    return check


def _seeds_with_data() -> Iterable[bytes]:
    weights = (MODELS / "external.weights").read_bytes()
    model = decoded((MODELS / "external.onnx").read_bytes())
    for message in messages(model):
        for field in message:
            if field[2] == b"external.weights":
                field[2] = b"model.onnx.data"
    plain = encoded(model)
    yield plain + _BETWEEN + weights
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "model.onnx.data").write_bytes(weights)
        entry = finished(path)
        yield appended(plain, DATA_KEY, entry.to_json()) + _BETWEEN + path.read_bytes()


def _mutated_with_data(data: bytes, random: Random) -> bytes:
    content, between, beside = data.partition(_BETWEEN)
    if random.random() < 0.3:
        return content + between + mutated_bytes(beside, random)
    return mutated_model(content, random) + between + beside


# ------------------------------------------------------------------------------------------------------- in isolation


def _prepare_isolated() -> Check:
    def check(data: bytes) -> None:
        with IsolatedPredictor(data, limits=Limits(isolated_seconds=5, isolated_bytes=2**29)) as predictor:
            use(predictor)

    return check


def _isolated_seeds() -> Iterable[bytes]:
    # One that does not crash is opened in a process of its own, too.
    return [*(path.read_bytes() for path in crashes()), *certified()[:1], *named("penguins")]


TARGETS = (
    Target("artifact in isolation", _prepare_isolated, _isolated_seeds, _mutated, guided=False, seconds=60),
    Target("artifact", _prepare, _seeds, _mutated, guided=False, weight=8),
    Target("artifact in ORT format", _prepare, _ort_seeds, mutated_bytes, guided=False, weight=2),
    Target(
        "artifact with a data file", _prepare_with_data, _seeds_with_data, _mutated_with_data, guided=False, weight=2
    ),
)
