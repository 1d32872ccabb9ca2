r"""Reads a row of comma-separated numbers from each line of stdin, and answers it at once.

printf -- '-1,1\n1,1\n' | python examples/sensor_loop.py model.onnx
"""

import sys

from edge_runtime import EdgePredictError, Predictor

predictor = Predictor(sys.argv[1], threads=1)
for line in sys.stdin:
    try:
        prediction = predictor.predict_one([float(cell) for cell in line.split(",")])
    except (EdgePredictError, ValueError) as error:
        print(f"not answered: {error}", flush=True)
    else:
        print(prediction.label, f"{prediction.probability:.2f}", flush=True)
