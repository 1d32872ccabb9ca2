"""From an ONNX graph to C99: source code without a heap, for devices without an operating system."""
