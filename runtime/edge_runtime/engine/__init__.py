"""ONNX Runtime: where a model runs, and the fastest way to call it."""
