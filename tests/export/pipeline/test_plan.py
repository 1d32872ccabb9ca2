"""What one export makes, and from what."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pytest
from layers import layer, rows
from table_module import TASKS, Table, drawn_rows, signature

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.formats.choices import Format, Precision
from edge_export.options import Options, choose
from edge_export.pipeline.plan import Plan, make_plan
from edge_export.pipeline.reference import make_reference
from edge_export.verify.certify import arrays_sha256


def plan_of(program: Program, **options: Unpack[Options]) -> Plan:
    return make_plan(program, Path("folder"), "model", choose(options), {"checkpoint": "0"})


def test_where_files_go(table: Program) -> None:
    assert plan_of(table).path(Format.ORT, Precision.INT8) == Path("folder/model.int8.ort")
    assert plan_of(table).path(Format.ONNX, Precision.FLOAT32) == Path("folder/model.onnx")


def test_data_are_taken_as_the_program_takes_them_and_hashed(table: Program, tmp_path: Path) -> None:
    given = drawn_rows(6)
    plan = plan_of(table, data=given)
    assert plan.data is not None
    assert [values.dtype.name for values in plan.data.values()] == ["float32", "int64"]
    assert plan.hashes == {"checkpoint": "0", "data": arrays_sha256(plan.data)}
    np.savez(tmp_path / "rows.npz", **given)  # type: ignore[arg-type]
    assert plan_of(table, data=tmp_path / "rows.npz").hashes == plan.hashes
    assert plan_of(table).hashes == {"checkpoint": "0"}
    assert plan_of(table).data is None
    with pytest.raises(ExportError, match=r"^data lacks text; it holds x$"):
        plan_of(table, data={"x": given["x"]})


def test_what_a_program_decides(table: Program) -> None:
    binary = plan_of(table)
    assert binary.probabilities == ("probability",)
    assert binary.decide is not None
    assert binary.decide({"probability": np.array([[0.4], [0.6]])}).tolist() == [0, 1]
    three = plan_of(replace(table, signature=signature(TASKS[1])))
    assert three.decide is not None
    assert three.decide({"probability": np.array([[0.4, 0.5, 0.1], [0.1, 0.2, 0.7]])}).tolist() == [1, 2]
    for nothing in (plan_of(replace(table, signature=signature(TASKS[2]))), plan_of(replace(table, signature=None))):
        assert (nothing.decide, nothing.probabilities) == (None, ())


# ------------------------------------------------------------------------------------------------------- the reference


def test_a_module_that_fails_on_the_data() -> None:
    def forward(self: object, x: Any) -> Any:
        if x.shape[0] == 7:
            raise ValueError("seven rows")
        return x * 2

    program = capture(layer(forward), rows())
    data = {"x": np.ones((7, 3), np.float32)}
    for precisions in (["float32"], ["float16"]):
        with pytest.raises(ExportError, match=r"^the module itself fails on the data: ValueError: seven rows"):
            make_reference(plan_of(program, data=data, precisions=precisions))


def test_all_rows_of_the_data_are_tried_if_all_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: object, x: Any) -> Any:
        if x.shape[0] > 5:
            raise ValueError("many rows")
        return x * 2

    program = capture(layer(forward), rows())
    monkeypatch.setitem(vars(program), "cost", 2.0**22)
    data = {"x": np.ones((7, 3), np.float32)}
    # float32 is compared on as many rows as a call may have.
    assert make_reference(plan_of(program, data=data)).probes
    with pytest.raises(ExportError, match=r"^the module itself fails on the data: ValueError: many rows"):
        make_reference(plan_of(program, data=data, precisions=["float32", "float16"]))


def test_the_reference_of_a_plan(table: Program) -> None:
    found = make_reference(plan_of(table, finite_only=True))
    assert found.calls == sum(len(known.probe.calls) for known in found.probes) > 10
    assert all(len(known.calls) == len(known.probe.calls) for known in found.probes)
    assert found.workload is not None
    assert found.workload.independent
    assert all(tensor.finite_only for known in found.probes for call in known.calls for tensor in call.values())
    assert "rows with NaN or infinity" not in {known.probe.kind for known in found.probes}
    assert isinstance(table.module, Table)
