"""Networks for tables, with columns, sizes and weights drawn at random."""

import numpy as np
import torch

from edge_export.verify.date_draws import range_of
from edge_runtime import Notation
from edge_runtime.contract.category_codes import MISSING
from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND
from edge_runtime.contract.signature import Feature, Input, Kind, Order, Signature, Task
from edge_train import TableNet
from edge_train.networks.piecewise_linear import bin_columns

TASKS: tuple[Task, ...] = ("binary_classification", "multiclass_classification", "regression")
NOTATIONS = (None, Notation(grouping=",", prefix="$"), Notation(",", " "), None, Notation(suffix="%"))
WORDS = ("a", "b ", " c", "São Tomé", "Ünï", "日本", "NA?", "x\ty", "male", "Male", "0", "007")


def random_table_net(seed: int, strings: bool = True, dates: bool = False) -> TableNet:
    """An untrained network of a random task, for up to 12 numbers or booleans and, with `strings`, up to 4 categories.

    With `dates` it has up to 3 dates besides, of days or of times, within a week or within centuries.

    It has up to 3 members, half of the networks encode numbers in bins, and half of the regressions have a scale.

    Numbers span six orders of magnitude, weights two; half of the columns have missing values in training.
    """
    random = np.random.default_rng(seed)
    count, categorical = int(random.integers(1, 13)), int(random.integers(0, 5)) if strings else 0
    if strings and categorical and random.random() < 0.2:
        count = 0
    missing = [float(random.random() < 0.5) * 0.1 for _ in range(count + categorical)]
    kinds: list[Kind] = ["numeric" if random.random() < 0.7 else "boolean" for _ in range(count)]
    numbers = tuple(
        Feature(
            f"n{place}",
            kind,
            missing=missing[place],
            # Of their text alone: the network does not see it.
            notation=NOTATIONS[place % len(NOTATIONS)] if kind == "numeric" else None,
            words=("nein", "ja") if kind == "boolean" and place % 2 else None,
        )
        for place, kind in enumerate(kinds)
    )
    words = tuple(
        Feature(f"t{place}", "categorical", missing=missing[count + place], categories=_words(random))
        for place in range(categorical)
    )
    moments = tuple(_date(f"d{place}", random) for place in range(random.integers(1, 4))) if dates else ()
    groups = (("x", numbers), ("text", words), ("date", moments))
    inputs = tuple(Input(name, features) for name, features in groups if features)
    task = TASKS[random.integers(len(TASKS))]
    labels = {TASKS[0]: ("no", "yes"), TASKS[1]: tuple(range(random.integers(3, 9))), TASKS[2]: ()}[task]
    output = {TASKS[0]: "probability", TASKS[1]: "probabilities", TASKS[2]: "value"}[task]
    torch.manual_seed(seed)
    signature = Signature(inputs, output, labels, task)
    hidden = random.integers(1, 65, random.integers(0, 4)).tolist()
    rows, target = random_rows(signature, random)
    bins = bin_columns(rows["x"]) if count and random.random() < 0.5 else None
    model = TableNet(signature, hidden, members=int(random.integers(1, 4)), bins=bins, scaled=seed % 2 == 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(10 ** random.uniform(-1, 1))
    model.fit(rows, target)
    return model.eval()


def random_rows(signature: Signature, random: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A hundred rows without missing values, and targets for them, as a network is fitted to."""
    inputs = {}
    for tensor in signature.inputs:
        if tensor.holds_strings:
            inputs[tensor.name] = np.stack(
                [
                    random.integers(MISSING + (not feature.missing), MISSING + 1 + len(feature.categories), 100)
                    for feature in tensor.features
                ],
                1,
            )
            continue
        if tensor.holds_dates:
            inputs[tensor.name] = np.stack([_dates(feature, random) for feature in tensor.features], 1)
            continue
        scale, mean = 10 ** random.uniform(-3, 3, size=(2, len(tensor.features)))
        x = mean + scale * random.normal(size=(100, len(tensor.features)))
        boolean = [feature.kind == "boolean" for feature in tensor.features]
        inputs[tensor.name] = np.where(boolean, x > mean, x).astype(np.float32)
    if signature.task == "regression":
        return inputs, (10 ** random.uniform(-2, 4) * random.normal(size=100)).astype(np.float32)
    return inputs, random.integers(0, len(signature.labels), 100)


def zeros(signature: Signature) -> dict[str, torch.Tensor]:
    """Two rows of zeros, to capture a network with."""
    return {
        tensor.name: torch.zeros(
            2, len(tensor.features), dtype=torch.int64 if tensor.holds_strings or tensor.holds_dates else torch.float32
        )
        for tensor in signature.inputs
    }


def _date(name: str, random: np.random.Generator) -> Feature:
    first = int(random.integers(FIRST_SECOND // 2, LAST_SECOND // 4))
    last = first + int(10 ** random.uniform(5.8, 10))
    unit = 86400 if random.random() < 0.5 else 1
    missing = 0.1 if random.random() < 0.5 else None
    order: Order = ("ymd", "dmy", "mdy")[random.integers(3)]
    return Feature(name, "date", first // unit * unit, last // unit * unit, missing, order=order)


def _dates(feature: Feature, random: np.random.Generator) -> np.ndarray:
    low, high = range_of(feature)
    unit = 86400 if low % 86400 == 0 else 1
    return random.integers(low // unit, high // unit + 1, 100) * unit


def _words(random: np.random.Generator) -> tuple[str, ...] | tuple[int, ...]:
    count = random.integers(1, len(WORDS))
    if random.random() < 0.3:
        return tuple(sorted(random.choice(100, count, replace=False).tolist()))
    return tuple(sorted(random.choice(WORDS, count, replace=False).tolist()))
