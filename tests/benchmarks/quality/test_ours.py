"""`edge-train` is measured by what its command and the exported artifact give."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks.quality import ours
from benchmarks.quality.real_tables import RealTable

import edge_runtime
from edge_runtime.contract.errors import InvalidInput


class Predictor:
    """Two classes in another order; intervals around 0, but none of 95 %."""

    classes_ = np.array([1, 0])

    def predict_proba(self, raw: list[Any]) -> Any:
        return np.tile([0.75, 0.25], (len(raw), 1))

    def predict_interval(self, raw: list[Any], coverage: float) -> Any:
        if coverage > 0.9:
            raise InvalidInput("too few rows were held out for this coverage")
        return np.tile([-coverage, coverage], (len(raw), 1))


def test_probabilities_are_in_the_order_of_the_tables_classes() -> None:
    predictor: Any = Predictor()
    assert ours._in_order(predictor, [{}], ("0", "1")).tolist() == [[0.25, 0.75]]
    with pytest.raises(RuntimeError, match=r"the classes \['1', '0'\], not \['0', '2'\]"):
        ours._in_order(predictor, [{}], ("0", "2"))


def test_coverage_is_of_the_levels_that_the_artifact_has() -> None:
    actual = np.array([0, 0.6, 0.85, 2])
    assert dict(ours._coverages(Predictor(), [{}] * 4, actual)) == {"0.5": 0.25, "0.8": 0.5, "0.9": 0.75}
    assert dict(ours._coverages(SimpleNamespace(), [{}] * 4, actual)) == {}


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"-m edge_train: .*nothing\.csv"):
        ours._run("-m", "edge_train", "nothing.csv", "--target", "y")


@pytest.mark.slow
@pytest.mark.parametrize("values", [True, False])
def test_a_dirty_table_from_csv_to_the_artifacts_answers(values: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    number, color = random.normal(size=150), random.choice(["red", "green"], 150).astype(object)
    score = number + (color == "red")
    color[[120, 121]], color[122], number[130] = "blue", None, np.nan
    target = pd.Series(score if values else np.where(score > 0.5, "Yes", "No"), name="target, with a comma")
    table = RealTable("t", pd.DataFrame({"number": number, "color": color}), target, values)
    artifact = tmp_path / "new" / "t.onnx"
    options = ("--epochs", "20")
    found, seconds, coverage = ours.answers(table, np.arange(120), np.arange(120, 150), options, artifact)
    assert seconds > 0
    assert np.isfinite(found).all()
    right = (
        np.corrcoef(found, score[120:])[0, 1] > 0.5 if values else (found.argmax(1) == table.actual[120:]).mean() > 0.7
    )
    assert right
    assert values or coverage == {}
    with edge_runtime.Predictor(artifact) as predictor:
        row = {"number": number[125].item(), "color": color[125]}
        answer: Any = predictor.predict_one(row)
        probability = found[5] if values else found[5].max()
        assert (answer if values else answer.probability) == pytest.approx(probability, rel=1e-5)


def test_one_row_has_values_of_pythons_own_types() -> None:
    features = pd.DataFrame({"a": np.arange(9), "b": ["x"] * 9, "c": np.ones(9, bool)})
    row = ours.one_row(RealTable("t", features, pd.Series(np.arange(9.0)), True), 0)
    assert [type(value) for value in row.values()] == [int, str, bool]
