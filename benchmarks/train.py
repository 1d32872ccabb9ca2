"""Measure training: how good with default flags on scikit-learn's tables, and how fast beside plain torch.

    .venv/bin/python -m benchmarks.train [--rounds 20] [--only quality speed importance]

Run it on a machine that does nothing else. It makes no judgement by its exit code.
"""

import argparse
import itertools
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.machine import machine
from benchmarks.timing import Quartiles, interleaved, ratio, summary
from edge_train import (
    Column,
    Dataset,
    Part,
    Settings,
    find_columns,
    find_target,
    four_blobs,
    split,
    table_defaults,
    train,
)
from edge_train.importance import permutation_importance
from edge_train.loop.settings import EXAMPLE_DEFAULTS
from edge_train.networks.answers import answers

Array = npt.NDArray[Any]

PARTS = ("quality", "speed", "importance")
TABLES = ("iris", "wine", "breast_cancer", "digits", "diabetes")
FOLDS = 5
OURS, MLP, UNSCALED, BOOSTING = "edge-train", "MLP, standardised", "MLP, raw", "HistGradientBoosting"

ROWS, COLUMNS, BATCH, HIDDEN, EPOCHS = 200_000, 20, 256, (64, 32), 5


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="of each comparison of times (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    # scikit-learn's networks stop at 200 epochs by default, and say that it was too early.
    warnings.simplefilter("ignore")
    if "quality" in options.only:
        print_quality()
    if "speed" in options.only:
        print_example(options.rounds)
        print_large(max(3, options.rounds // 4))
    if "importance" in options.only:
        print_importance()


def print_quality() -> None:
    """Five folds of each table, the same for all: accuracy, or R² for diabetes, with the standard error of the mean."""
    print(
        f"\n{'accuracy or R², ' + str(FOLDS) + ' folds':<24}"
        + "".join(f"{name:>24}" for name in (OURS, MLP, UNSCALED, BOOSTING))
    )
    at_mlp, at_best = 0, 0
    for name in TABLES:
        scores = {who: np.array(values) for who, values in quality(name).items()}
        means = {who: values.mean() for who, values in scores.items()}
        errors = {who: values.std(ddof=1) / len(values) ** 0.5 for who, values in scores.items()}
        best = max(means, key=lambda who: means[who])
        at_mlp += means[OURS] >= means[MLP]
        at_best += means[OURS] >= means[best] - errors[best]
        print(f"{name:<24}" + "".join(f"{means[who]:>15.4f} ± {errors[who]:.4f}" for who in scores), flush=True)
    print(f"goal: at or above the standardised MLP on every table: {at_mlp} of {len(TABLES)}")
    print(f"goal: within one standard error of the best on most: {at_best} of {len(TABLES)}")


def quality(name: str) -> dict[str, list[float]]:
    """The scores of every contestant on the folds of one table."""
    data = getattr(datasets, f"load_{name}")()
    x, y = data.data.astype(np.float32), data.target
    values = name == "diabetes"
    score = r2_score if values else accuracy_score
    network, boosting = (
        (MLPRegressor, HistGradientBoostingRegressor) if values else (MLPClassifier, HistGradientBoostingClassifier)
    )
    peers: Mapping[str, Callable[[], Any]] = {
        MLP: lambda: make_pipeline(StandardScaler(), network(random_state=0)),
        UNSCALED: lambda: network(random_state=0),
        BOOSTING: lambda: boosting(random_state=0),
    }
    scores: dict[str, list[float]] = {who: [] for who in (OURS, *peers)}
    folds = (KFold if values else StratifiedKFold)(FOLDS, shuffle=True, random_state=0)
    for rows, held in folds.split(x, y):
        scores[OURS].append(score(y[held], _ours(x, y, rows, held)))
        for who, make in peers.items():
            scores[who].append(score(y[held], make().fit(x[rows], y[rows]).predict(x[held])))
    return scores


def _ours(x: Array, y: Array, rows: Array, held: Array) -> Array:
    """What `edge-train` with default flags learns from `rows` and says of `held`; it needs no rows for a test here."""
    table = pa.table({**{f"x{place}": column for place, column in enumerate(x[rows].T)}, "y": y[rows]})
    target = find_target(table, "y", "the table")
    columns = [column for column in find_columns(table.drop_columns(["y"]), "the table") if isinstance(column, Column)]
    dataset = split(columns, target, seed=0, test=False)
    model = train(dataset, table_defaults(len(dataset.train))).model
    taken = [int(feature.name.removeprefix("x")) for feature in dataset.signature.features]
    found = answers(model, Part({"x": x[held][:, taken]}, y[held]))
    if not model.signature.labels:
        return found
    labels: Array = np.array(model.signature.labels)[model.signature.predicted(found)]
    return labels


def print_example(rounds: int) -> None:
    """The example's epochs beside the loop that everybody writes, which ends on the same bits."""
    dataset = four_blobs(0)
    expected, found = plain_loop(dataset), train(dataset)
    same = found.losses == expected[1] and all(
        torch.equal(one, other) for one, other in zip(found.model.parameters(), expected[0].parameters(), strict=True)
    )
    times = interleaved({"ours": lambda: train(dataset), "plain": lambda: plain_loop(dataset)}, rounds, 120)
    over, seconds = ratio(times["ours"], times["plain"]), {name: summary(values) for name, values in times.items()}
    print(f"\nthe example's {EXAMPLE_DEFAULTS.epochs:,} epochs, {'the same bits' if same else 'OTHER BITS'}")
    for name, value in seconds.items():
        print(
            f"  {name:<28} {value['median'] * 1000:8.1f} ms  ({value['low'] * 1000:.1f} to {value['high'] * 1000:.1f})"
        )
    print(f"goal: at most 0.7 of the plain loop's time: {over['median']:.2f} ({over['low']:.2f} to {over['high']:.2f})")


def plain_loop(dataset: Dataset) -> tuple[nn.Module, list[float]]:
    """The example as torch's tutorials would train it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1), nn.Sigmoid())
    x, y = torch.from_numpy(dataset.train.inputs["x"]), torch.from_numpy(dataset.train.target)
    criterion, optimizer = nn.BCELoss(), torch.optim.SGD(model.parameters(), lr=EXAMPLE_DEFAULTS.learning_rate)
    losses = []
    for _ in range(EXAMPLE_DEFAULTS.epochs):
        optimizer.zero_grad()
        loss = criterion(model(x).squeeze(1), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def print_large(rounds: int) -> dict[str, Quartiles]:
    """Rows a second on a generated table, preparations included, beside torch's DataLoader and scikit-learn.

    Returns:
        Ours over the DataLoader's, by our settings.
    """
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    y = (x @ random.normal(size=COLUMNS) + 3 * np.sin(3 * x[:, 0]) > 0).astype(np.int64)
    table = pa.table({**{f"x{place}": column for place, column in enumerate(x.T)}, "y": y})
    target = find_target(table, "y", "the table")
    found = find_columns(table.drop_columns(["y"]), "the table")
    columns = [column for column in found if isinstance(column, Column)]
    dataset = split(columns, target, seed=0, test=False)
    settings = replace(table_defaults(ROWS), hidden=HIDDEN, batch_size=BATCH, epochs=EPOCHS, members=1, validation=0.0)
    calls: dict[str, Callable[[], object]] = {
        "ours, as by default": lambda: train(dataset, settings),
        "ours, without dropout": lambda: train(dataset, replace(settings, dropout=0)),
        "torch DataLoader": lambda: loader_loop(x, y, settings),
        "scikit-learn's MLP": lambda: MLPClassifier(HIDDEN, batch_size=BATCH, max_iter=EPOCHS, random_state=0).fit(
            x, y
        ),
    }
    times = interleaved(calls, rounds, 600)
    print(f"\n{ROWS:,} rows of {COLUMNS} columns, batches of {BATCH}, hidden layers {HIDDEN}, {EPOCHS} epochs")
    for name, values in times.items():
        value = summary(EPOCHS * ROWS / value for value in values)
        print(f"  {name:<28} {value['median']:>10,.0f} rows/s  ({value['low']:,.0f} to {value['high']:,.0f})")
    gains = {ours: ratio(times["torch DataLoader"], times[ours]) for ours in list(calls)[:2]}
    for ours, gain in gains.items():
        low, high = gain["low"], gain["high"]
        print(f"goal: at least 5 times the DataLoader's rows, {ours}: {gain['median']:.1f} ({low:.1f} to {high:.1f})")
    return gains


def print_importance() -> None:
    """How long the importance of columns takes beside the training before it."""
    print(f"\n{'importance of columns':<32}{'training':>12}{'importance':>12}")
    for rows, columns in ((1000, 10), (10_000, 20), (10_000, 100), (5000, 1000)):
        random = np.random.default_rng(0)
        x = random.normal(size=(rows, columns)).astype(np.float32)
        table = pa.table({**{f"x{place}": column for place, column in enumerate(x.T)}, "y": x[:, 0] * x[:, 1]})
        target = find_target(table, "y", "the table")
        found = find_columns(table.drop_columns(["y"]), "the table")
        dataset = split([column for column in found if isinstance(column, Column)], target, seed=0)
        assert dataset.test is not None
        start = time.perf_counter()
        run = train(dataset, table_defaults(len(dataset.train)))
        trained = time.perf_counter()
        permutation_importance(run.model, dataset.test, seed=0)
        measured = time.perf_counter()
        print(f"  {f'{rows:,} rows of {columns:,} columns':<30}{trained - start:>10.1f} s{measured - trained:>10.1f} s")


def loader_loop(x: Array, y: Array, settings: Settings) -> None:
    """Epochs as torch's tutorials would write them, of the same network and optimizer without dropout."""
    first, second = settings.hidden
    model = nn.Sequential(
        nn.Linear(COLUMNS, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 1)
    )
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    rows = TensorDataset(torch.from_numpy(x), torch.from_numpy(y.astype(np.float32)))
    criterion = nn.BCEWithLogitsLoss()
    loader = DataLoader(rows, settings.batch_size, shuffle=True)
    for inputs, target in itertools.chain.from_iterable(itertools.repeat(loader, settings.epochs)):
        optimizer.zero_grad()
        criterion(model(inputs).squeeze(1), target).backward()
        optimizer.step()


if __name__ == "__main__":
    main()
