"""A model that was cut answers codes as it answered strings, wherever and however it was opened."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificates import appended
from coded_models import CODES, WORDS, signature_of, text_model
from concurrency import assert_holds_in_a_fork
from hypothesis import given
from hypothesis import strategies as st
from paths import MODELS
from sessions import placement_of
from tables import ISLANDS, PENGUINS
from written_models import INT64, node, value

from edge_runtime import Feature, IsolatedPredictor, Limits, Predictor
from edge_runtime.contract.category_codes import codes_of, encode
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY
from edge_runtime.engine import coded_placement as coded_placement_module
from edge_runtime.engine import model_files
from edge_runtime.engine.coded_placement import coded_placement
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.placement import Placement
from edge_runtime.engine.session_settings import SessionSettings

FEATURES = (WORDS, CODES)
SIGNATURE = signature_of(FEATURES)
ROWS = [["a", "5"], ["b", "5.0"], ["", ""], ["日本", "1"], ["7", "12"], ["007", " 1"], ["b ", "012"]]


def feed(rows: Sequence[Sequence[str]] = ROWS) -> dict[str, np.ndarray]:
    text = np.array(rows, object).reshape(len(rows), -1)
    return {"x": np.linspace(-1, 1, len(rows), dtype=np.float32)[:, None], "text": text}


def answers(placed: Placement, fed: dict[str, np.ndarray]) -> bytes:
    (found,) = placed.main.run(["y"], fed)
    return found.tobytes()  # type: ignore[no-any-return]


def agree(placed: Placement, coded: Placement | None, fed: dict[str, np.ndarray], features: Sequence[Feature]) -> bool:
    assert coded is not None
    return answers(coded, {**fed, "text": encode(fed["text"], features)}) == answers(placed, fed)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
categories = st.one_of(
    st.lists(texts.filter(bool), min_size=1, max_size=9, unique=True),
    st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=9, unique=True),
    st.lists(st.from_regex(r"0{1,3}[0-9]?", fullmatch=True), min_size=1, max_size=9, unique=True),
).map(tuple)


@given(st.lists(categories, min_size=1, max_size=3), st.data())
def test_codes_are_answered_as_strings_are(known: list[tuple[Any, ...]], data: st.DataObject) -> None:
    features = [Feature(f"f{place}", "categorical", categories=one) for place, one in enumerate(known)]
    placed = placement_of(text_model(features))
    cells = [st.sampled_from(list(codes_of(feature))) | texts for feature in features]
    fed = feed(data.draw(st.lists(st.tuples(*cells), min_size=1, max_size=20)))
    assert agree(placed, coded_placement(placed, signature_of(features)), fed, features)


def test_what_is_cut_declares_codes() -> None:
    placed = placement_of(text_model())
    coded = coded_placement(placed, SIGNATURE)
    assert agree(placed, coded, feed(), FEATURES)
    assert coded is not None
    assert [(spec.name, spec.type, spec.shape) for spec in coded.main.inputs] == [
        ("x", "tensor(float)", ("rows", 1)),
        ("text", "tensor(int64)", ("rows", 2)),
    ]
    assert coded.main.metadata == placed.main.metadata


def test_a_value_after_the_cut_may_be_taken_by_all() -> None:
    more = [node("Identity", ["text_codes"], ["same"])]
    placed = placement_of(text_model(more=more, outputs=[value("same", ["rows", 2], INT64)]))
    assert agree(placed, coded_placement(placed, SIGNATURE), feed(), FEATURES)


@pytest.mark.parametrize("name", ["penguins", "islands"])
def test_models_of_others_go_on_with_strings(name: str) -> None:
    placed = placement_of(MODELS / f"{name}.onnx")
    assert coded_placement(placed, PENGUINS if name == "penguins" else ISLANDS) is None


def test_models_without_strings_have_no_codes(mass: Predictor) -> None:
    assert mass.signature is not None
    assert coded_placement(mass._runner.placement, mass.signature) is None


def test_without_more_memory_strings_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coded_placement_module, "_MOST_BYTES", 100)
    assert coded_placement(placement_of(text_model()), SIGNATURE) is None


def test_session_options_may_name_files() -> None:
    settings = SessionSettings("cpu", session_options={"log_severity_level": 3})
    assert coded_placement(Placement(ModelSource(text_model()), settings), SIGNATURE) is None


def test_a_certificate_that_cannot_be_read_is_not_used() -> None:
    assert coded_placement(placement_of(appended(text_model(), CERTIFICATE_KEY, "{}")), SIGNATURE) is None


def test_a_large_file_is_read_again_unless_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "HELD_SIZE", 100)
    path = tmp_path / "model.onnx"
    path.write_bytes(text_model())
    placed, changed = placement_of(path), placement_of(path)
    coded = coded_placement(placed, SIGNATURE)
    assert agree(placed, coded, feed(), FEATURES)
    path.write_bytes(text_model((CODES, WORDS)))
    assert coded_placement(changed, SIGNATURE) is None
    # What was opened goes on.
    assert agree(placed, coded, feed(), FEATURES)


def test_limits_hold_for_codes_too() -> None:
    settings = SessionSettings("cpu", limits=Limits(call_seconds=1e-9))
    placed = Placement(ModelSource(text_model(), limits=settings.limits), settings)
    # Nothing can be compared in so little time.
    assert coded_placement(placed, SIGNATURE) is None
    placed = Placement(ModelSource(text_model()), SessionSettings("cpu", limits=Limits(call_seconds=60)))
    coded = coded_placement(placed, SIGNATURE)
    assert coded is not None
    assert coded.main.deadline() is not None


def test_an_isolated_model_goes_on_with_strings() -> None:
    with IsolatedPredictor(text_model()) as isolated:
        assert coded_placement(isolated._runner.placement, SIGNATURE) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_forked_process_answers_codes() -> None:
    placed, late = placement_of(text_model()), placement_of(text_model())
    assert agree(placed, coded_placement(placed, SIGNATURE), feed(), FEATURES)

    def both_answer() -> None:
        assert agree(placed, coded_placement(placed, SIGNATURE), feed(), FEATURES)
        assert agree(late, coded_placement(late, SIGNATURE), feed(), FEATURES)

    assert_holds_in_a_fork(both_answer)
