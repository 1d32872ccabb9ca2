"""Batches of strings are answered by codes once there are many rows: equally, bit for bit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coded_models import CODES, WORDS, text_model
from hypothesis import given
from hypothesis import strategies as st
from paths import MODELS

from edge_runtime import Feature, InvalidInput, IsolatedPredictor, Predictor
from edge_runtime.answering import Answering

pa = pytest.importorskip("pyarrow")

from edge_runtime.rows import record_batches  # noqa: E402 - it imports pyarrow

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
categories = st.one_of(
    st.lists(texts.map(str.strip).filter(bool), min_size=1, max_size=9, unique=True),
    st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=9, unique=True),
    st.lists(st.from_regex(r"0{1,3}[0-9]?", fullmatch=True), min_size=1, max_size=9, unique=True),
).map(tuple)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_batches, "_MANY", 2)


def codes_taken(predictor: Predictor) -> list[np.dtype[Any]]:
    """The types of the strings of all feeds that are answered from here on."""
    types: list[np.dtype[Any]] = []
    answering = predictor.answering
    whole = answering.outputs_of

    def watched(feed: dict[str, np.ndarray]) -> np.ndarray:
        types.append(feed["text"].dtype)
        return whole(feed)

    answering.outputs_of = watched  # type: ignore[method-assign,assignment]
    return types


def stream(predictor: Predictor, batches: Sequence[Any]) -> list[Any]:
    return list(predictor.stream(batches))


def batch(features: Sequence[Feature], rows: Sequence[Sequence[Any]], kind: Any = None) -> Any:
    columns = [pa.array(column, kind or pa.string()) for column in zip(*rows, strict=True)]
    mass = pa.array(np.linspace(-1, 1, len(rows)), pa.float32())
    return pa.RecordBatch.from_arrays([mass, *columns], names=["mass", *(one.name for one in features)])


@given(st.lists(categories, min_size=1, max_size=3), st.data())
def test_codes_are_answered_as_strings_are(known: list[tuple[Any, ...]], data: st.DataObject) -> None:
    features = [Feature(f"f{place}", "categorical", missing=0.1, categories=one) for place, one in enumerate(known)]
    predictor = Predictor(text_model(features), device="cpu")
    cells = [
        st.none()
        | st.sampled_from([str(one) for one in feature.categories])
        | (st.integers(-9, 9).map(str) if isinstance(feature.categories[0], int) else texts)
        for feature in features
    ]
    rows = data.draw(st.lists(st.tuples(*cells), min_size=1, max_size=20))
    types = codes_taken(predictor)
    # Two rows of the first batch are not many yet.
    before, after = stream(predictor, [batch(features, rows[:1]), batch(features, [*rows, *rows, *rows])])
    assert [dtype.kind for dtype in types] == ["O", "i"]
    (alone,) = stream(predictor, [batch(features, rows[:1])])
    assert before == alone
    expected = predictor.predict(batch(features, rows * 3).to_pylist())
    assert after.column(0).to_numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", [pa.dictionary(pa.int8(), pa.string()), pa.large_string(), pa.string_view()], ids=str)
def test_columns_of_every_kind_become_codes(kind: Any) -> None:
    predictor = Predictor(text_model(), device="cpu")
    rows: list[list[Any]] = [
        ["a", "5"],
        [" a ", "5.0"],
        ["", None],
        ["日本", "1"],
        ["7", "12"],
        ["007", " 1"],
        ["b", "012"],
    ]
    given = batch((WORDS, CODES), rows, kind)
    types = codes_taken(predictor)
    (found,) = stream(predictor, [given])
    assert [dtype.kind for dtype in types] == ["i"]
    assert found.column(0).to_numpy().tobytes() == predictor.predict(given.to_pylist()).tobytes()


def test_values_are_refused_alike() -> None:
    predictor = Predictor(text_model(), device="cpu")
    good = batch((WORDS, CODES), [["a", "5"]] * 3)
    with pytest.raises(InvalidInput, match=r"^row 4: code: 5.5 is not an integer$"):
        stream(predictor, [good, batch((WORDS, CODES), [["a", "5.5"]])])


def test_who_asks_what_is_new_is_answered_by_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_runtime.streaming import BatchAnswering

    predictor = Predictor(text_model(), device="cpu")
    monkeypatch.setattr(Answering, "take_codes", lambda _: pytest.fail("it was asked for codes"))
    answering = BatchAnswering(predictor, predictor.answering, flag_unseen=True)
    read = answering.reader.read(batch((WORDS, CODES), [["new", "5"]] * 4))
    assert "'new' was not seen in training" in answering.answers(read.feed, 4).column("unseen")[3].as_py()


@pytest.mark.parametrize(
    "opened", [lambda: Predictor(MODELS / "islands.onnx"), lambda: IsolatedPredictor(text_model())]
)
def test_others_go_on_with_strings(opened: Any) -> None:
    with opened() as predictor:
        types = codes_taken(predictor)
        names = predictor.signature.feature_names
        rows = pa.RecordBatch.from_pydict({name: ["5"] * 4 for name in names})
        first, second = stream(predictor, [rows, rows])
        assert [dtype.kind for dtype in types] == ["O", "O"]
        assert first == second


def test_a_table_is_scored_by_codes(tmp_path: Path) -> None:
    from edge_runtime import score

    rows = ["m,word,code", "1,a,5", "2,new,1", "3,,", "4,b,012"] * 3
    table = tmp_path / "rows.csv"
    table.write_text("mass,word,code\n" + "\n".join(row for row in rows if row[0] != "m") + "\n")
    predictor = Predictor(text_model(), device="cpu")
    types = codes_taken(predictor)
    summary = score(predictor, table, tmp_path / "out.csv")
    assert [dtype.kind for dtype in types] == ["i"]
    flagged = score(predictor, table, tmp_path / "flagged.csv", flag_unseen=True)
    assert [dtype.kind for dtype in types] == ["i", "O"]
    assert summary.unseen == flagged.unseen != {}
    answers = [line.partition(",")[0] for line in (tmp_path / "flagged.csv").read_text().splitlines()]
    assert (tmp_path / "out.csv").read_text().split() == answers
