"""Saves an ONNX file as a model of MLflow: python save_mlflow_model.py FILE FOLDER."""

import importlib
import sys
from typing import Any

# By name, since they are in an environment of their own.
onnx: Any = importlib.import_module("onnx")
mlflow: Any = importlib.import_module("mlflow")

if __name__ == "__main__":
    importlib.import_module("mlflow.onnx").save_model(onnx.load(sys.argv[1]), sys.argv[2])
