"""Whole tables answered: `edge_runtime.score` and `edge-predict --input`. It needs pyarrow (the extra `tables`)."""
