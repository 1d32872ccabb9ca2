"""tests/runtime mirrors the runtime: each module with behaviour of its own has its test file, in the same room."""

from paths import ROOT

RUNTIME, TESTS = ROOT / "runtime" / "edge_runtime", ROOT / "tests" / "runtime"
# Definitions alone, or what others show: names and versions; what calls into ONNX Runtime without a check; one row's
# values, which the readers of words, CSV and JSON share.
WITHOUT = {
    "__main__.py",
    "contract/metadata_keys.py",
    "contract/version.py",
    "engine/private_calls.py",
    "rows/row.py",
    "scoring/options.py",
    "tables/blocks.py",
    "serve/limits.py",
}


def test_every_module_has_its_tests() -> None:
    modules = {path.relative_to(RUNTIME) for path in RUNTIME.rglob("*.py") if path.name != "__init__.py"}
    tested = {path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    missing = {module.as_posix() for module in modules if module.parent / f"test_{module.name}" not in tested}
    assert missing == WITHOUT


def test_no_test_file_is_in_a_room_that_is_not_there() -> None:
    rooms = {path.parent.relative_to(RUNTIME) for path in RUNTIME.rglob("*.py")}
    assert {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")} <= rooms
