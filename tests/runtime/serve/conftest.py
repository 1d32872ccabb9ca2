"""The packages of the extra `serve` are not in every environment that the runtime is tested in."""

import importlib.util

if importlib.util.find_spec("starlette") is None:
    collect_ignore_glob = ["test_*.py"]
