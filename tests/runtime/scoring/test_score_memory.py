"""Memory does not grow with the table."""

import sys
from pathlib import Path

import pytest
from bounded import run_bounded
from paths import MODELS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="its way to measure memory")]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_table_fifty_times_as_large(tmp_path: Path, name: str) -> None:
    peaks = []
    for times in (1, 50):
        rows = tmp_path / "rows.csv"
        with rows.open("w") as file:
            file.write("id,x1,x2\n")
            for _ in range(times):
                file.writelines(f"{row},{row % 97 / 10},{row % 89 / 10}\n" for row in range(100_000))
        words = [MODELS / "four_blobs.onnx", "--input", rows, "--output", tmp_path / name, "--keep", "id"]
        ended = run_bounded("edge_runtime", *words)
        assert ended.code == 0, ended
        peaks.append(ended.peak)
    assert peaks[1] < 1.3 * peaks[0] + 40 * 2**20, peaks
