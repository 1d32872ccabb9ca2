"""Wheels as pip installs them."""

import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from edge_export.c_code.wheel import wheel, wheel_name


def test_names_say_for_what_the_module_is() -> None:
    assert wheel_name("my-model").startswith("my_model-1.0-cp311-abi3-")
    assert wheel_name("class").startswith("class_2-1.0-")


def test_equal_binaries_give_equal_wheels_with_a_record_of_all_files() -> None:
    made = wheel(b"binary", "net")
    assert made == wheel(b"binary", "net")
    with zipfile.ZipFile(BytesIO(made)) as archive:
        names = archive.namelist()
        record = archive.read("net-1.0.dist-info/RECORD").decode().splitlines()
        assert archive.read("net.abi3.so") == b"binary"
    assert [line.split(",")[0] for line in record] == names


@pytest.mark.slow
def test_pip_installs_it(tmp_path: Path) -> None:
    path = tmp_path / wheel_name("net")
    path.write_bytes(wheel(b"binary", "net"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--target",
        str(tmp_path / "site"),
        str(path),
    ]
    subprocess.run(command, check=True)
    assert (tmp_path / "site" / "net.abi3.so").read_bytes() == b"binary"
