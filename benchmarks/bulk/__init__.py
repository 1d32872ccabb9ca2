"""Whole files, scored at the speed of reading: `python -m benchmarks.bulk`."""
