"""The peers take columns as they are: categories, unknown ones, missing values and dates."""

import numpy as np
import pandas as pd
import pytest
from benchmarks.quality import peers
from benchmarks.quality.peers import BOOSTING, CATBOOST, FOREST, LIGHTGBM, LINEAR, PEERS, REALMLP, TABM
from benchmarks.quality.real_tables import RealTable

INSTALLED = {CATBOOST: "catboost", LIGHTGBM: "lightgbm", REALMLP: "pytabkit", TABM: "pytabkit"}
TRAIN, HELD = np.arange(90), np.arange(90, 120)


def dirty(values: bool) -> RealTable:
    """The held-out rows have a category that training has not, and missing values where training has none."""
    random = np.random.default_rng(0)
    color = random.choice(["red", "green"], 120).astype(object)
    number, gone = random.normal(size=120), random.normal(size=120)
    color[[3, 95]], color[[96, 97]] = None, "blue"
    gone[5] = number[100] = np.nan
    days = pd.Timestamp("2025-12-31T12:00:00Z") + pd.to_timedelta(np.arange(120), unit="D")
    features = pd.DataFrame(
        {"color": color, "a, [number]": number, "gone": gone, "day": days.strftime("%Y-%m-%dT%H:%M:%SZ")}
    )
    target = np.nan_to_num(number) + (color == "red") + random.normal(size=120) / 10
    return RealTable("dirty", features, pd.Series(target if values else target > 0), values)


@pytest.mark.parametrize("values", [True, False])
@pytest.mark.parametrize("who", [BOOSTING, FOREST, LINEAR, *INSTALLED])
def test_every_peer_answers_a_dirty_table(who: str, values: bool) -> None:
    if who in INSTALLED:
        pytest.importorskip(INSTALLED[who])
    found, seconds = PEERS[who].answers(dirty(values), TRAIN, HELD)
    assert found.shape == (30,) if values else (30, 2)
    assert np.isfinite(found).all()
    assert values or np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert seconds > 0


def test_dates_are_days_and_names_have_no_marks() -> None:
    train, held = peers._plain(dirty(True).features, TRAIN, HELD)
    assert list(train) == ["c0", "c1", "c2", "c3"]
    assert train["c3"][0] == (pd.Timestamp("2025-12-31") - pd.Timestamp(0)).days + 0.5
    assert held["c3"][0] - train["c3"][89] == 1
    assert peers._days(pd.Series(["2025-12-31", "soon"])) is None


def test_unknown_categories_are_missing_except_where_the_peer_knows_them() -> None:
    train, held = peers._plain(dirty(True).features, TRAIN, HELD)
    assert list(peers.categorical(train, held)[1]["c0"].isna()[5:8]) == [True] * 3
    assert list(peers.worded(train, held)[1]["c0"][5:8]) == ["nan", "blue", "blue"]
    assert set(peers.coded(train, held)[0]["c0"].dropna()) == {0, 1}
    assert list(peers.coded(train, held)[1]["c0"].isna()[5:8]) == [True] * 3


def test_only_columns_with_many_categories_are_coded(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"few": ["a", "b", "a"], "many": ["a", "b", "c"]})
    monkeypatch.setattr(peers, "_MOST_CATEGORIES", 2)
    train, _ = peers.few_categories(frame, frame)
    assert train["few"].dtype == "category"
    assert list(train["many"]) == [0, 1, 2]


def test_missing_numbers_become_the_mean_of_training_and_a_mark() -> None:
    train, held = peers.imputed(pd.DataFrame({"x": [1, 3, np.nan]}), pd.DataFrame({"x": [np.nan, 7]}))
    assert train.to_dict("list") == {"x": [1, 3, 2], "x is missing": [0, 0, 1]}
    assert held.to_dict("list") == {"x": [2, 7], "x is missing": [1, 0]}
