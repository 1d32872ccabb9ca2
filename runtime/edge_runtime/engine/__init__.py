"""ONNX Runtime: where a model runs, and the shortest way to call it."""
