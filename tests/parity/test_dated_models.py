"""Models of dates against torch, from text, objects and files of dates to answers."""

import csv
import datetime
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from date_module import SIGNATURE, Dated, example
from hypothesis import given
from hypothesis import strategies as st
from quick_exports import few_probes
from random_tables import TASKS, random_rows, random_table_net
from tiers import mostly_slow

from edge_export import Export, export, export_checkpoint
from edge_runtime import Feature, Predictor
from edge_runtime.cli.command import main as edge_predict
from edge_runtime.contract.category_codes import UNKNOWN
from edge_runtime.contract.dates import MISSING_DATE
from edge_runtime.contract.signature import Task
from edge_train import save_checkpoint
from edge_train.networks.answers import named_outputs

EPOCH = datetime.datetime(1970, 1, 1)
moments = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59)).map(
    lambda moment: moment.replace(microsecond=0)
)


@pytest.fixture(scope="module")
def module() -> Dated:
    return Dated().eval()


@pytest.fixture(scope="module")
def made(module: Dated, tmp_path_factory: pytest.TempPathFactory) -> list[Export]:
    path = tmp_path_factory.mktemp("dates") / "model.onnx"
    with few_probes():
        return export(module, example(), path, formats=("onnx", "torchscript", "ort"))


def torchs(module: torch.nn.Module, dates: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = module(torch.from_numpy(dates)).numpy()
    return found


def seconds(moment: datetime.datetime | None) -> int:
    return MISSING_DATE if moment is None else (moment - EPOCH) // datetime.timedelta(seconds=1)


@given(st.lists(st.tuples(st.none() | moments, moments), min_size=1, max_size=9))
def test_every_way_in_gives_torchs_answers(
    module: Dated, made: list[Export], rows: list[tuple[datetime.datetime | None, datetime.datetime]]
) -> None:
    expected = torchs(module, np.array([[seconds(one) for one in row] for row in rows], np.int64))
    predictor = Predictor(made[0].path, device="cpu")
    texts = [["" if one is None else one.isoformat() for one in row] for row in rows]
    german = ["" if one is None else f"{one.day}.{one.month}.{one.year:04} {one:%H:%M:%S}" for one, _ in rows]
    for given_rows in (
        [list(row) for row in rows],
        texts,
        [[first, row[1]] for first, row in zip(german, texts, strict=True)],
        [dict(zip(("sold", "due"), row, strict=True)) for row in rows],
        np.array([[np.datetime64("NaT") if one is None else np.datetime64(one, "s") for one in row] for row in rows]),
    ):
        np.testing.assert_allclose(predictor.predict_proba(given_rows)[:, 1:], expected, rtol=0, atol=1e-6)


def test_a_module_of_dates_is_verified_and_carries_its_dates(made: list[Export]) -> None:
    for one in (one for one in made if one.certificate is not None):
        predictor = Predictor(one.path, device="cpu", verify=True)
        assert predictor.signature == SIGNATURE
        assert predictor.input_ranges == ()
        assert one.certificate is not None
        kinds = {batch.kind: batch for batch in one.certificate.reference}
        calendar = kinds["rows at the edges of the calendar"].inputs["date"]
        assert calendar.dtype == np.int64
        assert len(calendar) > 1
        assert (kinds["rows with missing values"].inputs["date"] == MISSING_DATE).any()


def test_a_changed_date_in_the_file_is_noticed(made: list[Export]) -> None:
    content = made[0].path.read_bytes()
    # The day of the signature is text.
    changed = content.replace(b"1622505600", b"1622505601")
    assert changed != content
    verification = Predictor(changed, device="cpu").verify()
    assert not verification.passed


@pytest.mark.parametrize(
    ("seed", "task"), mostly_slow([(1, "regression"), (2, TASKS[1]), (3, TASKS[0])], [(1, "regression")])
)
def test_dates_in_a_network_for_tables_from_the_checkpoint_to_the_shell(
    seed: int, task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = random_table_net(seed, dates=True)
    assert model.signature.task == task
    save_checkpoint(model, tmp_path / "model.pt")
    with few_probes():
        export_checkpoint(tmp_path / "model.pt", tmp_path, formats=("onnx",))
    inputs, _ = random_rows(model.signature, np.random.default_rng(5))
    for tensor in (one for one in model.signature.inputs if one.holds_strings):
        for column, feature in zip(inputs[tensor.name].T, tensor.features, strict=True):
            # White space around a word does not reach the model, which then does not know it.
            column[[_spelled(feature, code) != _spelled(feature, code).strip() for code in column]] = UNKNOWN
    with torch.no_grad():
        outputs = named_outputs(model, {name: torch.from_numpy(values) for name, values in inputs.items()})
        expected = outputs[model.signature.output].numpy()
    rows = [
        {
            feature.name: _spelled(feature, value)
            for tensor in model.signature.inputs
            for feature, value in zip(tensor.features, (inputs[tensor.name][row]).tolist(), strict=True)
        }
        for row in range(100)
    ]
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    capsys.readouterr()
    command = [str(tmp_path / "model.onnx"), "--input", str(tmp_path / "rows.csv"), "--format", "json"]
    assert edge_predict(command) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == 100
    predictor = Predictor(tmp_path / "model.onnx", device="cpu", verify=True)
    if task == "regression":
        found = predictor.predict(rows)[:, None]
        assert np.array([answer["value"] for answer in answers], np.float32).tolist() == found[:, 0].tolist()
    else:
        found = predictor.predict_proba(rows)
        assert [answer["label"] for answer in answers] == predictor.predict(rows).tolist()
        found = found[:, 1:] if expected.shape[1] == 1 else found
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def _spelled(feature: Feature, value: float) -> str:
    if feature.kind == "date":
        return str(np.datetime64(int(value), "s"))
    if feature.kind == "categorical":
        return str(["unheard of", "", *feature.categories][int(value)])
    return repr(value).replace(".", "." if feature.notation is None else feature.notation.decimal)
