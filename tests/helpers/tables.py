"""The signatures and weights of the runtime's models of tables, and what they compute, in numpy."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_runtime import Feature, Input, Signature

MASS_G = Feature("mass", "numeric", 2700.0, 6300.0, missing=0.01)
BILL = Feature("bill", "numeric", 32.0, 60.0, missing=0.0)
RINGED = Feature("ringed", "boolean")
ISLAND = Feature("island", "categorical", missing=0.0, categories=("Biscoe", "Dream", "Torgersen", 'Ö=1, "ö"'))
YEAR = Feature("year", "categorical", missing=0.25, categories=(2007, 2008, 2009))

# A row is (island, bill, mass, ringed, year), and x holds (mass, bill, ringed).
PENGUINS = Signature(
    (Input("x", (MASS_G, BILL, RINGED)), Input("text", (ISLAND, YEAR))),
    "probabilities",
    ("Adelie", "Chinstrap", "Gentoo"),
    "multiclass_classification",
    columns=("island", "bill", "mass", "ringed", "year"),
)
ROWS: list[list[Any]] = [
    ["Torgersen", 39.1, 3750, True, 2007],
    ["Dream", None, 3000, False, None],
    [None, 50, None, 0, 2009],
    ["Foo", 46.5, 4500, "true", 1999],
]
MEAN = np.array([4200.0, 44.0, 0.5])
WEIGHT = np.array([[-0.002, 0.0, 0.002], [-0.0625, 0.125, 0.03125], [0.5, -0.25, 0.75]])
# For an unknown category, for a missing value, and for each category.
OF_ISLAND = np.array([[0.5, 0, -0.5], [0, 0.25, 0], [-2, 1, 3], [1, 2, -3], [4, -1, -2], [2, 2, 2.5]])
OF_YEAR = np.array([[0.25, 0.5, -0.25], [-0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1]])

ISLANDS = Signature((Input("text", (ISLAND, YEAR)),), "probability", ("no", "yes"))

MASS = Signature(
    (Input("x", (Feature("bill", "numeric", 32.0, 60.0), Feature("depth", "numeric", 13.0, 21.5, missing=0.1))),),
    "value",
    (),
    "regression",
)
MASS_MEAN = np.array([44.0, 17.0])
MASS_WEIGHT = np.array([[90.0], [-25.5]])


def named(row: list[Any]) -> dict[str, Any]:
    """A row of penguins by column name."""
    return dict(zip(PENGUINS.columns, row, strict=True))


def penguins(rows: Sequence[tuple[str, float, float, float, str]]) -> Any:
    """The probabilities of penguins.onnx, shape (rows, 3), of rows as the tensors hold them."""
    x = np.array([[mass, bill, ringed] for _, bill, mass, ringed, _ in rows])
    logits = np.where(np.isnan(x), MEAN, x) @ WEIGHT
    for feature, table, column in ((ISLAND, OF_ISLAND, 0), (YEAR, OF_YEAR, 4)):
        texts = ["", *map(str, feature.categories)]
        codes: dict[object, int] = {text: code for code, text in enumerate(texts, start=1)}
        logits = logits + table[[codes.get(row[column], 0) for row in rows]]
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def hostile_penguins(code: str) -> str:
    """The penguins' signature with `code` in names, categories and labels, and a word of JavaScript for a name."""
    island, year = PENGUINS.inputs[1].features
    island = dataclasses.replace(island, name=f"island {code}", categories=(code, *island.categories[1:]))
    year = dataclasses.replace(year, name="constructor")
    inputs = (PENGUINS.inputs[0], Input("text", (island, year)))
    columns = (island.name, *PENGUINS.columns[1:-1], year.name)
    labels = tuple(f"{label} {code}" for label in PENGUINS.labels)
    return dataclasses.replace(PENGUINS, inputs=inputs, columns=columns, labels=labels).to_json()
