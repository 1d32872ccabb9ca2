"""Lower precisions of whole exports: calibrated on half of the data, measured on the other, held to a budget."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exports import the_one
from layers import layer, rows
from random_tables import random_rows, zeros
from table_module import STRINGS, TASKS, Table, drawn_rows, example
from tiers import mostly_slow
from torch import nn

from edge_export import Budget, BudgetExceeded, Export, ExportError, export
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.options import choose
from edge_export.pipeline import lower_precision
from edge_export.pipeline.plan import Plan, make_plan
from edge_export.pipeline.reference import Reference
from edge_export.tensors import Tensors
from edge_export.verify.reference import References
from edge_export.verify.sampler import Sampler
from edge_runtime import Predictor
from edge_runtime.contract.category_codes import encode
from edge_runtime.contract.signature import Feature, Input, Signature, Task
from edge_train import TableNet, four_blobs
from edge_train.networks.piecewise_linear import bin_columns

LOWER = ["float16", "int8", "int8-dynamic"]


def test_what_was_measured_is_in_the_certificate(example_exports: list[Export]) -> None:
    for precision in LOWER:
        for kind in ("onnx", "ort"):
            made = the_one(example_exports, kind, precision)
            assert made.measured is not None
            assert made.certificate is not None
            change = made.measured.change
            assert made.certificate.budget == {
                "max_flips": 0.01,
                "max_change": 0.05,
                "rows": 40,  # the other half calibrates
                "flips": change.flips,
                "change": change.largest,
                "data": "given",
            }
            assert 0 <= change.largest <= 0.05
            assert made.certificate.tolerance_rule.startswith("an output may differ from torch in float64 by twice the")
            (batch,) = made.certificate.reference
            assert batch.kind == "rows that the precision was measured on"
            assert not made.comparisons
            float32 = the_one(example_exports, kind)
            assert len(made.content) != len(float32.content)


@pytest.mark.parametrize("task", mostly_slow(TASKS, []))
def test_tables_of_every_task(tmp_path: Path, task: Task) -> None:
    module = Table(task)
    exports = export(
        module,
        example(module),
        tmp_path / "model.onnx",
        formats=["onnx", "ort"],
        precisions=["float32", *LOWER],
        data=drawn_rows(),
        budget=Budget(0.1, 0.2),
    )
    assert len(exports) == 8
    assert_answers(exports, module)


def test_a_table(table_exports: list[Export]) -> None:
    assert_answers([made for made in table_exports if made.certificate is not None], Table())


def assert_answers(exports: list[Export], module: Table) -> None:
    given = drawn_rows()
    strings = {**given, "text": given["text"].astype(object)}
    with torch.no_grad():
        codes = torch.from_numpy(encode(strings["text"], STRINGS))
        expected = module(torch.from_numpy(given["x"]), codes).numpy()
    for made in exports:
        predictor = Predictor(made.path, verify=True)
        assert [spec.type for spec in predictor.inputs] == ["tensor(float)", "tensor(string)"]
        found = predictor.run(strings)[module.signature.output]
        np.testing.assert_allclose(found, expected, atol=0.2 * np.abs(expected).max())
        if made.measured is not None:
            assert (made.measured.change.flipped is None) == (module.signature.task == "regression")


# ----------------------------------------------------------------------------------------------------------- the budget


def test_a_regression_keeps_its_budget(tmp_path: Path) -> None:
    options: Any = {"precisions": ["float16"], "budget": Budget(0, 1e-9)}
    with pytest.raises(BudgetExceeded, match="float16 changes an output by"):
        export(nn.Linear(3, 2), rows(), tmp_path / "model.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_the_float32_model_that_is_not_shipped_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lower precision of a model that is wrong in float32 is refused, whatever its budget."""

    def branch(self: object, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x, torch.eye(3)) * (1 if x.shape[0] <= 5 else -1)

    options: Any = {"precisions": ["float16"], "budget": Budget(1, 1e9)}
    with pytest.raises(AssertionError, match=r"^the float32 model does not compute what torch computes"):
        export(layer(branch), rows(), tmp_path / "model.onnx", **options)


# ------------------------------------------------------------------------------------------------------------- the rows


def plan_of(program: Program, data: Tensors | None) -> tuple[Plan, Reference]:
    choices = choose({} if data is None else {"data": data})
    plan = make_plan(program, Path(), "m", choices, {})
    return plan, Reference(References(program), Sampler(program, plan.data), (), None)


@pytest.fixture(scope="module")
def program() -> Program:
    return capture(layer(lambda self, x: self.layer(x)), rows())


def test_every_other_row_calibrates_and_the_others_measure(program: Program) -> None:
    data = {"x": np.arange(21, dtype=np.float32).reshape(7, 3)}
    (calibration,), (test,) = lower_precision.calls_to_measure(*plan_of(program, data))
    assert calibration["x"][:, 0].tolist() == [0, 6, 12, 18]
    assert test["x"][:, 0].tolist() == [3, 9, 15]


def test_a_few_hundred_rows_are_enough_to_calibrate(program: Program) -> None:
    data = {"x": np.zeros((4000, 3), np.float32)}
    (calibration,), (test,) = lower_precision.calls_to_measure(*plan_of(program, data))
    assert (len(calibration["x"]), len(test["x"])) == (512, 2000)


def test_one_row_is_too_few(program: Program) -> None:
    with pytest.raises(
        ExportError, match=r"^at least two rows of data are needed: one to calibrate on, one to measure"
    ):
        lower_precision.calls_to_measure(*plan_of(program, {"x": np.zeros((1, 3), np.float32)}))


def test_rows_are_drawn_without_data(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    calibration, (test,) = lower_precision.calls_to_measure(*plan_of(program, None))
    assert (calibration, len(test["x"])) == ([], 1024)
    monkeypatch.setitem(vars(program), "cost", 2.0**16)
    assert len(lower_precision.calls_to_measure(*plan_of(program, None))[1][0]["x"]) == 64


def test_calls_without_a_batch() -> None:
    program = capture(layer(lambda self, x: self.layer(x)), rows(4, 3), {"x": ()})
    calibration, test = lower_precision.calls_to_measure(*plan_of(program, None))
    assert (calibration, [call["x"].shape for call in test]) == ([], [(4, 3)] * 32)
    data = {"x": np.ones((4, 3), np.float32)}
    calibration, test = lower_precision.calls_to_measure(*plan_of(program, data))
    assert len(calibration) == len(test) == 1
    np.testing.assert_array_equal(calibration[0]["x"], data["x"])


def test_drawn_rows_are_said_to_be_drawn(tmp_path: Path) -> None:
    (made,) = export(nn.Linear(3, 2), rows(), tmp_path / "model.onnx", precisions=["float16"])
    assert made.certificate is not None
    assert made.certificate.budget is not None
    assert made.certificate.budget["data"] == "drawn"
    assert "data" not in made.certificate.hashes


def test_int8_takes_missing_values_but_no_other_nan(tmp_path: Path) -> None:
    module, data = Table(), drawn_rows()
    data["x"][0, 2] = np.nan
    with pytest.raises(ExportError, match="the rows to calibrate int8 on hold NaN or infinity"):
        export(module, example(module), tmp_path / "model.onnx", precisions=["int8"], data=data)


def test_the_training_rows_are_read_as_the_file_has_them(example_exports: list[Export]) -> None:
    x = four_blobs(0).train.inputs["x"]
    made = the_one(example_exports, "onnx", "int8")
    assert made.certificate is not None
    (batch,) = made.certificate.reference
    measured = {tuple(row) for row in x[1::2].tolist()}
    assert {tuple(row) for row in batch.inputs["x"].tolist()} <= measured


@pytest.mark.slow
def test_a_network_of_members(tmp_path: Path) -> None:
    """Its layers are batched products, the first with rows that the members share, the others with rows of each."""
    features = (*(Feature(f"n{place}") for place in range(12)),)
    words = Feature("word", "categorical", categories=tuple(f"word {place:02}" for place in range(40)))
    signature = Signature(
        (Input("x", features), Input("text", (words,))), "probability", ("no", "yes"), "binary_classification"
    )
    data, target = random_rows(signature, np.random.default_rng(0))
    torch.manual_seed(0)
    model = TableNet(signature, [64, 32], members=3, bins=bin_columns(data["x"])).eval()
    model.fit(data, target)
    path = tmp_path / "model.onnx"
    exports = export(model, zeros(signature), path, formats=["onnx", "ort"], precisions=LOWER, data=data)
    assert len(exports) == 6
    for made in exports:
        assert made.measured is not None
        assert made.measured.size_ratio < (0.7 if made.precision == "float16" else 0.5)
        predictor = Predictor(made.path)
        assert predictor.verify().passed
        row = {**{feature.name: 0.5 for feature in features}, "word": "word 07"}
        assert predictor.predict(row) in ("no", "yes")
    (in_c,) = export(model, zeros(signature), path, formats=["c"], precisions=["int8"], data=data)
    assert in_c.measured is not None
    assert in_c.measured.size_ratio < 0.35
