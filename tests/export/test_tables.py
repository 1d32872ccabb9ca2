"""The cases, precisions, data and pages of models of tables, with texts and gaps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from table_module import NUMBERS, TASKS, TEXTS, OnlyNumbers, OnlyTexts, Table, example
from torch import Tensor, nn

from edge_export import Budget, BudgetExceeded, ExportError, export
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.cli.command import main
from edge_export.formats.torchscript_file import load_torchscript
from edge_export.inputs import model_files
from edge_export.inputs.data_files import fitted, read_data
from edge_export.verify.certify import arrays_sha256
from edge_export.verify.decision_boundary import decisions
from edge_export.verify.input_distributions import input_distributions
from edge_export.verify.missing_values import patterns
from edge_export.verify.probe_kinds import BOUNDARY, EVERY_CATEGORY, EXTREME, MISSING_VALUES
from edge_export.verify.probe_kinds import ProbeInputs as Case
from edge_export.verify.reference import References
from edge_export.verify.sampler import Sampler as Cases
from edge_runtime import Feature, InvalidInput, Predictor, Signature
from edge_runtime.contract.category_codes import encode
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.signature import Input, Task
from edge_train import TableNet

MAY_LACK = [feature.missing is not None for feature in (*NUMBERS, *TEXTS)]
SIZES = np.array([len(feature.categories) + 2 for feature in TEXTS])


def captured(kind: type[nn.Module] = Table, task: Task = TASKS[0]) -> Program:
    module = kind(task)
    return capture(module, example(module))


@pytest.fixture(scope="module")
def program() -> Program:
    return captured()


@pytest.fixture(scope="module")
def cases(program: Program) -> dict[str, Case]:
    return {case.name: case for case in Cases(program).all(References(program).exact)}


def joined(case: Case, name: str) -> np.ndarray[Any, Any]:
    return np.concatenate([batch[name] for batch in case.batches])


# ---------------------------------------------------------------------------------------------------------------- cases


def test_ordinary_rows(cases: dict[str, Case]) -> None:
    x, text = (joined(cases["rows like the training data"], name) for name in ("x", "text"))
    gaps = np.isnan(x).mean(axis=0)
    np.testing.assert_allclose(gaps, [0.1, 0, 0, 0, 0.3], atol=0.02)
    assert set(np.unique(x[:, [1, 3]])) == {0.0, 1.0}
    np.testing.assert_allclose(np.nanmean(x[:, [0, 2]], axis=0), [4.5, 2005], rtol=0.01)
    assert [sorted(set(column)) for column in text.T] == [[0, *range(1, 8)], [0, 2, 3, 4], [0, 2, 3, 4]]
    np.testing.assert_allclose((text == 0).mean(axis=0), 0.05, atol=0.02)
    np.testing.assert_allclose((text[:, 0] == 1).mean(), 0.05, atol=0.02)


def test_every_category(cases: dict[str, Case]) -> None:
    text = joined(cases[EVERY_CATEGORY], "text")
    assert [set(column) for column in text.T] == [set(range(size)) for size in SIZES]


def test_every_pattern_of_gaps(cases: dict[str, Case]) -> None:
    batch = cases[MISSING_VALUES].batches[0]
    gaps = np.concatenate([np.isnan(batch["x"]), batch["text"] == 1], axis=1)
    assert len(np.unique(gaps, axis=0)) == len(gaps) == 2 ** sum(MAY_LACK)
    assert not gaps[:, np.logical_not(MAY_LACK)].any()


def test_extremes_stay_within_each_column(cases: dict[str, Case]) -> None:
    text = joined(cases[EXTREME], "text")
    assert (text >= 0).all()
    assert (text < SIZES).all()
    for wanted in (np.zeros(3), SIZES - 1):
        assert (text == wanted).all(axis=1).any()


def test_the_boundary_moves_numbers_alone(program: Program, cases: dict[str, Case]) -> None:
    boundary = cases[BOUNDARY]
    x, text = joined(boundary, "x"), joined(boundary, "text")
    found = decisions(program, program.run({"x": x, "text": text}))
    assert found is not None
    assert 0.3 < found.mean() < 0.7
    assert set(np.unique(text[:, 1])) <= {0, 1, 2, 3, 4}
    assert np.isfinite(x[:, [1, 2, 3]]).all()


def test_gap_patterns() -> None:
    random = np.random.default_rng(0)
    assert patterns(3, 100, random).sum(axis=1).tolist() == [0, 1, 1, 2, 1, 2, 2, 3]
    assert len(np.unique(patterns(10, 5000, random), axis=0)) == 1024
    few = patterns(10, 7, random)
    assert (len(few), few.all(axis=1).sum(), (~few).all(axis=1).sum()) == (7, 1, 1)
    many = patterns(40, 5000, random)
    counts = many.sum(axis=1)
    assert len(many) == 1024
    assert (counts[:2].tolist(), set(counts[2:42]), set(counts[42:82])) == ([0, 40], {1}, {39})
    assert counts[82:].std() > 8
    assert len(patterns(40, 9, random)) == 9


class Unlocated(Table):
    mean_and_standard_deviation = None


def test_what_the_signature_knows_is_enough() -> None:
    known = input_distributions(captured(Unlocated), None)["x"]
    np.testing.assert_allclose(known.center, [4.5, 0.5, 2005, 0.5, 0])
    np.testing.assert_allclose(known.spread, [1, 0.5, 7.5, 0.5, 1])


@pytest.mark.parametrize("task", TASKS)
def test_only_texts(task: Task) -> None:
    program = captured(OnlyTexts, task)
    cases = {case.name: case for case in Cases(program).all(References(program).exact)}
    assert not cases[BOUNDARY].batches
    assert set(cases) >= {EVERY_CATEGORY, MISSING_VALUES, EXTREME}


# ----------------------------------------------------------------------------------------------- formats and precisions


def drawn(count: int = 200) -> dict[str, Any]:
    """Rows as somebody has them: gaps, and texts that are unknown or hard to see."""
    random = np.random.default_rng(5)
    x = random.normal([4.5, 0.5, 2005, 0.5, 0], [1, 0.5, 9, 0.5, 3], (count, 5)).astype(np.float32)
    x[:, [1, 3]] = x[:, [1, 3]] > 0.5
    x[random.random(count) < 0.5, 4] = np.nan
    words = [[*map(str, feature.categories), "", "unheard", " b", "Ünï "] for feature in TEXTS]
    text = np.array([[random.choice(known) for known in words] for _ in range(count)])
    return {"x": x, "text": text}


@pytest.mark.parametrize("task", TASKS)
def test_lower_precisions(tmp_path: Path, task: Task) -> None:
    module, data = Table(task), drawn()
    exports = export(
        module,
        example(module),
        tmp_path / "model.onnx",
        formats=["onnx", "ort"],
        precisions=["float32", "float16", "int8", "int8-dynamic"],
        data=data,
        budget=Budget(0.1, 0.2),
    )
    assert len(exports) == 8
    texts = {**data, "text": data["text"].astype(object)}
    with torch.no_grad():
        codes = torch.from_numpy(encode(texts["text"], TEXTS))
        expected = module(torch.from_numpy(data["x"]), codes).numpy()
    for made in exports:
        predictor = Predictor(made.path, verify=True)
        assert [spec.type for spec in predictor.inputs] == ["tensor(float)", "tensor(string)"]
        found = predictor.run(texts)[module.signature.output]
        np.testing.assert_allclose(found, expected, atol=0.2 * np.abs(expected).max())
        if made.measured is not None:
            assert (made.measured.change.flipped is None) == (task == "regression")


def test_a_regression_keeps_its_budget(tmp_path: Path) -> None:
    module = Table("regression")
    with pytest.raises(BudgetExceeded, match="changes an output by"):
        export(
            module,
            example(module),
            tmp_path / "model.onnx",
            precisions=["float16"],
            data=drawn(),
            budget=Budget(0, 1e-9),
        )


def test_int8_takes_gaps_but_no_other_nan(tmp_path: Path) -> None:
    module, data = Table(), drawn()
    data["x"][0, 2] = np.nan
    with pytest.raises(ExportError, match="the rows to calibrate int8 on hold NaN or infinity"):
        export(module, example(module), tmp_path / "model.onnx", precisions=["int8"], data=data)


def test_torchscript_takes_codes(tmp_path: Path) -> None:
    module = Table()
    (made,) = export(module, example(module), tmp_path / "model.onnx", formats=["torchscript"])
    program = capture(module, example(module))
    codes = {"x": np.full((2, 5), np.nan, np.float32), "text": np.array([[7, 4, 4], [0, 1, 2]])}
    found = load_torchscript(made.content, program)(codes)["probability"]
    np.testing.assert_allclose(found, program.run(codes)["probability"], atol=1e-6)


# Each kind of inputs and each task, not each with each: a page takes five seconds.
@pytest.mark.parametrize(
    ("kind", "task"), [(Table, TASKS[1]), (OnlyTexts, TASKS[2]), (OnlyNumbers, TASKS[0]), (OnlyNumbers, TASKS[2])]
)
def test_pages(tmp_path: Path, kind: type[nn.Module], task: Task) -> None:
    module = kind(task)
    report = tmp_path / "page.html"
    export(module, example(module), tmp_path / "model.onnx", formats=["onnx", "torchscript"], report=report)
    page = report.read_text()
    takes_texts, takes_numbers = kind is not OnlyNumbers, kind is not OnlyTexts
    assert ("TorchScript has no texts" in page) == takes_texts
    assert ("<td>string</td>" in page) == takes_texts
    assert ("São Tomé, a b,  , nan, Ünï, 日本" in page) == takes_texts
    assert ("2.5 to 6.5" in page) == takes_numbers
    assert ("30.0% of the rows" in page) == takes_numbers
    assert ("Regression:" in page) == (task == "regression")
    assert ('id="regions"' in page) == (kind is OnlyNumbers and task != "regression")
    assert ("text [&#39;" in page) == takes_texts


# ----------------------------------------------------------------------------------------------------------------- data


def test_data_are_texts_or_codes(program: Program) -> None:
    data = drawn(20)
    codes = encode(data["text"].astype(object), TEXTS)
    for given in (data["text"], data["text"].astype(object), data["text"].tolist(), codes, codes.astype(np.uint8)):
        taken = fitted({**data, "text": given}, program, "data")
        np.testing.assert_array_equal(taken["text"], codes)
        assert taken["text"].dtype == np.int64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ([["a", 5, "b"]], "data: text holds 5, and texts are needed"),
        ([[0, 5, 0]], "data: text holds 5, which is no code of kind; give texts"),
        ([[0, 0, -1]], "data: text holds -1, which is no code of plain; give texts"),
        ([[0.0, 0, 0]], "data: text is float64, and int64 is needed"),
        ([["a", "b"]], r"data: text has the shape \[1, 2\], and \[batch, 3\] is needed"),
        ([["a", "b", "c"]] * 2, "data: batch is 1 in one array and 2 in text"),
    ],
)
def test_texts_that_do_not_fit(program: Program, text: Any, message: str) -> None:
    values = np.array(text, object) if isinstance(text[0][0], str) else np.array(text)
    with pytest.raises(ExportError, match=message):
        fitted({"x": np.zeros((1, 5)), "text": values}, program, "data")


HEADER = "year,island,plain,ringed,kind,depth,mass,smoker,else\n"
EXPECTED_X = np.array([[4.25, 1, 2001, 0, np.nan], [np.nan, np.nan, 1999, 1, -3]], np.float32)
EXPECTED_TEXT = np.array([[2, 4, 3], [1, 0, 0]])  # readers take white space alone for a gap


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", HEADER + '2001,São Tomé,dream,true,12,,4.25,0,?\n1999," ",DREAM,,7,-3,"",True,\n'),
        (
            "rows.jsonl",
            json.dumps(dict(zip(HEADER.split(","), [2001, "São Tomé", "dream", True, 12, None, 4.25, 0], strict=False)))
            + "\n\n"
            + json.dumps(dict(zip(HEADER.split(","), [1999, " ", "DREAM", None, 7, -3, None, True], strict=False))),
        ),
    ],
)
def test_tables(tmp_path: Path, program: Program, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    read = read_data(tmp_path / name, program)
    np.testing.assert_array_equal(read["x"], EXPECTED_X)
    np.testing.assert_array_equal(read["text"], EXPECTED_TEXT)
    assert (read["x"].dtype, read["text"].dtype) == (np.float32, np.int64)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + "2001,a,b,true,1,,4,,\n", "line 2: smoker: the value is missing"),
        (HEADER + "2001,a,,true,1,,4,1,\n", "line 2: plain: the value is missing"),
        (HEADER + "2001,a,b,maybe,1,,4,1,\n", "line 2: ringed: 'maybe' is neither true nor false"),
        ("year\n1\n", "as a header the line lacks plain"),
        ('{"year": }\n', "line 1: not JSON"),
        ("{1}\n", "line 1: not JSON"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, program: Program, content: str, message: str) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(InvalidInput, match=message):
        read_data(tmp_path / "rows.csv", program)


def test_an_archive_of_texts(tmp_path: Path, program: Program) -> None:
    data = drawn(9)
    np.savez(tmp_path / "rows.npz", **data)
    codes = read_data(tmp_path / "rows.npz", program)["text"]
    np.testing.assert_array_equal(codes, encode(data["text"].astype(object), TEXTS))


def test_an_archive_of_objects(tmp_path: Path, program: Program) -> None:
    np.savez(tmp_path / "rows.npz", text=np.array([["a"]], object))
    with pytest.raises(ExportError, match="that can be read without running code from it; save texts as"):
        read_data(tmp_path / "rows.npz", program)


def test_hashes_of_texts() -> None:
    one, other = np.array([["a", "b"]], object), np.array([["a", "c"]], object)
    assert arrays_sha256({"text": one}) == arrays_sha256({"text": one.copy()}) != arrays_sha256({"text": other})


# ---------------------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("kind", [Table, OnlyTexts, OnlyNumbers])
def test_a_checkpoint(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type[nn.Module]
) -> None:
    module = kind()
    module.data_sha256 = "0" * 64
    monkeypatch.setattr(model_files, "load_checkpoint", lambda _: module)
    (tmp_path / "model.pt").write_bytes(b"")
    result = command(main, tmp_path / "model.pt", "--format", "onnx")
    assert (result.code, result.err) == (0, "")
    assert MISSING_VALUES in result.out
    predictor = Predictor(tmp_path / "model.onnx", verify=True)
    assert predictor.signature == module.signature
    assert predictor.certificate is not None
    assert predictor.certificate.hashes["training_data"] == "0" * 64


# -------------------------------------------------------------------------------------------------------- other modules


class TwoTexts(nn.Module):
    """Its arguments stand in another order than in its signature, and one of two texts has one column."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        inputs = (Input("x", NUMBERS[2:3]), Input("words", TEXTS[:1]), Input("text", TEXTS[1:]))
        self.signature = Signature(inputs, "value", (), "regression")
        self.tables = nn.ModuleList(nn.Embedding(len(feature.categories) + 2, 1) for feature in TEXTS)

    def forward(self, text: Tensor, words: Tensor, x: Tensor) -> Tensor:
        codes = torch.cat([words, text], dim=1)
        return x + sum(table(codes[:, column]) for column, table in enumerate(self.tables))


def two_texts() -> TwoTexts:
    return TwoTexts()


ARGUMENTS = {"text": np.zeros((2, 2), np.int64), "words": np.zeros((2, 1), np.int64), "x": np.zeros((2, 1), np.float32)}


def assert_answers(path: Path) -> None:
    rows = {"text": [["12", "dream"]], "words": [["São Tomé"]], "x": [[3]]}
    found = Predictor(path, verify=True).run({name: np.array(row) for name, row in rows.items()})
    with torch.no_grad():
        expected = TwoTexts()(torch.tensor([[4, 3]]), torch.tensor([[2]]), torch.tensor([[3.0]]))
    np.testing.assert_allclose(found["value"], expected, atol=1e-6)


def test_arguments_in_another_order(tmp_path: Path) -> None:
    export(two_texts(), {name: torch.from_numpy(values) for name, values in ARGUMENTS.items()}, tmp_path / "model.onnx")
    assert_answers(tmp_path / "model.onnx")


def test_weights_of_somebodys_module(command: Callable[..., Any], tmp_path: Path) -> None:
    torch.save(TwoTexts().state_dict(), tmp_path / "model.pt")
    np.savez(tmp_path / "example.npz", **ARGUMENTS)
    place = ["--module", f"{__name__}:two_texts", "--example", tmp_path / "example.npz"]
    result = command(main, tmp_path / "model.pt", *place, "--format", "onnx")
    assert (result.code, result.err) == (0, "")
    assert_answers(tmp_path / "model.onnx")


def test_a_saved_program(command: Callable[..., Any], tmp_path: Path) -> None:
    arguments = tuple(torch.from_numpy(values) for values in ARGUMENTS.values())
    rows = torch.export.Dim("rows")
    exported = torch.export.export(TwoTexts().eval(), arguments, dynamic_shapes=[{0: rows}] * 3)
    extra = {SIGNATURE_KEY: TwoTexts().signature.to_json()}
    torch.export.save(exported, tmp_path / "model.pt2", extra_files=extra)
    result = command(main, tmp_path / "model.pt2", "--format", "onnx")
    assert (result.code, result.err) == (0, "")
    assert_answers(tmp_path / "model.onnx")


def test_a_costly_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Program, "cost", 2.0**20)
    program = captured()
    cases = {case.name: case for case in Cases(program).all(References(program).exact)}
    assert {len(batch["x"]) for name in cases.keys() - {BOUNDARY} for batch in cases[name].batches} <= {1, 2, 3, 4}
    assert [set(column) for column in joined(cases[EVERY_CATEGORY], "text").T] == [set(range(size)) for size in SIZES]


def test_thousands_of_categories_are_all_compared() -> None:
    """Points of categories are weights: what is made of them alone costs nothing for a row, whatever their number."""
    feature = Feature("city", "categorical", missing=0.0, categories=tuple(f"c{place}" for place in range(3000)))
    model = TableNet(Signature((Input("text", (feature,)),), "probability", ("no", "yes")), (8,)).eval()
    program = capture(model, {"text": torch.zeros(2, 1, dtype=torch.int64)})
    assert program.cost < 2000
    case = Cases(program).categories()
    assert set(np.concatenate([batch["text"][:, 0] for batch in case.batches]).tolist()) == set(range(3002))
