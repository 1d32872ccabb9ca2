"""A program for machines without Python: PyInstaller puts it, Python and the model into one folder.

pyinstaller --add-data model.onnx:. examples/frozen_app.py
dist/frozen_app/frozen_app -1 1
"""

import sys
from pathlib import Path

from edge_runtime import EdgePredictError, Predictor


def main() -> int:
    """Answer the row on the command line."""
    # In the folder that PyInstaller makes, the model lies beside this file too.
    predictor = Predictor(Path(__file__).with_name("model.onnx"), threads=1)
    try:
        label, probability = predictor.predict_one([float(word) for word in sys.argv[1:]])
    except (EdgePredictError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(label, f"{probability:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
