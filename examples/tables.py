"""Writes tables to train on: five of scikit-learn's, and one made up of strings, booleans and missing values.

.venv/bin/python examples/tables.py tables
make train export DATA=tables/birds.csv TARGET=species OUTPUT=birds
.venv/bin/edge-predict birds/model.onnx --input tables/birds.csv
"""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from sklearn import datasets

TARGETS = {
    "iris": "species",
    "wine": "cultivar",
    "breast_cancer": "diagnosis",
    "digits": "digit",
    "diabetes": "progression",
    "birds": "species",
}


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def write_scikit_learn(name: str, path: Path) -> None:
    """Write one of scikit-learn's tables, with the names that it has for columns and classes."""
    data = getattr(datasets, f"load_{name}")()
    target = data.target if name in ("digits", "diabetes") else data.target_names[data.target]
    rows = ([*row, one] for row, one in zip(data.data.tolist(), target.tolist(), strict=True))
    write(path, [*data.feature_names, TARGETS[name]], rows)


def write_birds(path: Path) -> None:
    """Write 400 made-up birds of three species: strings, numbers, a boolean, and missing values."""
    random = np.random.default_rng(0)
    kinds = {
        "Adélie": (["Île Sud", "Dream", "Torgersen"], 38.8, 18.3, 190, 3700),
        "Chinstrap": (["Dream"], 48.8, 18.4, 196, 3733),
        "Gentoo": (["Île Sud"], 47.5, 15.0, 217, 5076),
    }
    rows = []
    for species in random.choice(list(kinds), 400, p=[0.44, 0.2, 0.36]):
        islands, bill, depth, flipper, mass = kinds[str(species)]
        row: list[object] = [
            species,
            random.choice(islands),
            round(random.normal(bill, 2.7), 1),
            round(random.normal(depth, 1.1), 1),
            int(random.normal(flipper, 6.5)),
            int(random.normal(mass, 400)),
            random.choice(["male", "female"]),
            bool(random.random() < 0.3),
            int(random.integers(1, 6)),
        ]
        # Nobody weighed some birds, and looked for no ring on others.
        rows.append([cell if place < 2 or random.random() > 0.04 else "NA" for place, cell in enumerate(row)])
    write(path, ["species", "island", "bill_mm", "depth_mm", "flipper_mm", "mass_g", "sex", "ringed", "observer"], rows)


def main() -> None:
    """Write all of them into the folder that the command line names."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "tables")
    folder.mkdir(parents=True, exist_ok=True)
    for name in TARGETS:
        path = folder / f"{name}.csv"
        if name == "birds":
            write_birds(path)
        else:
            write_scikit_learn(name, path)
        print(f"wrote {path}, whose target is {TARGETS[name]}")


if __name__ == "__main__":
    main()
