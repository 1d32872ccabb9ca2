"""Writes scikit-learn's breast-cancer data (569 rows, 30 features) as a table to train on.

.venv/bin/python examples/breast_cancer.py breast_cancer.csv
make train export DATA=breast_cancer.csv TARGET=diagnosis OUTPUT=cancer
.venv/bin/edge-predict cancer/model.onnx --input breast_cancer.csv
"""

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer

data = load_breast_cancer()
with Path(sys.argv[1] if len(sys.argv) > 1 else "breast_cancer.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow([*data.feature_names, "diagnosis"])
    for row, kind in zip(data.data.tolist(), data.target_names[data.target], strict=True):
        writer.writerow([*row, kind])
