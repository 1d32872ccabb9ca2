"""The programs of docs/hosts.md answer what edge-predict answers, and pass and refuse what `--verify` does.

    make test-hosts

They are built and run with the commands of the page, with what tests/hosts/packages.py has laid out, so `make test`
does not collect this file.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sales
from certificates import OUTPUTS, appended, reference_batch
from markdown_pages import blocks
from paths import FOUR_BLOBS, MODELS, ROOT
from penguin_rows import TEXT, X

from edge_runtime import Certificate, Predictor, ReferenceBatch
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY

PACKAGES = ROOT / "build" / "hosts"
# The model in the page's commands.
BIRDS = "birds/model.onnx"
# The Adélie's island and the others, a bird that was not weighed.
ROW = ("Dream", "48.4", "19.1", "196", "NA", "female", "false", "2")

NEEDS = {
    "cpp": ("g++ -fsyntax-only -include openssl/evp.h -x c++ /dev/null", ("c", "json"), "g++ and libssl-dev"),
    "java": ("javac -version", ("java",), "a JDK of version 17 or later"),
}


@dataclass(frozen=True)
class Host:
    """The programs of one language, built in `folder`."""

    folder: Path
    environment: dict[str, str]
    answer: str
    replay: str

    def run(self, command: str, model: Path) -> subprocess.CompletedProcess[str]:
        assert BIRDS in command
        return bash(command.replace(BIRDS, str(model)), self.folder, self.environment)


def bash(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )


def commands_of(language: str) -> list[str]:
    """Those that the page gives after a program in `language`, one a line."""
    found = list(blocks((ROOT / "docs" / "hosts.md").read_text()))
    place = next(place for place, block in enumerate(found) if block.language == language)
    after = next(block for block in found[place:] if block.language == "sh")
    return after.text.replace("\\\n", "").splitlines()


@pytest.fixture(scope="session", params=NEEDS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Host:
    probe, parts, needed = NEEDS[request.param]
    missing = [part for part in parts if not (PACKAGES / part).exists()]
    if missing:
        pytest.skip(f"build/hosts has no {' and no '.join(missing)}: make test-hosts says why")
    environment = {
        **os.environ,
        "ONNXRUNTIME": str(PACKAGES / "c"),
        "CPLUS_INCLUDE_PATH": str(PACKAGES / "json"),
        "LD_LIBRARY_PATH": str(PACKAGES / "c" / "lib"),
        "CLASSPATH": str(PACKAGES / "java" / "onnxruntime.jar"),
    }
    folder = tmp_path_factory.mktemp(request.param)
    if bash(probe, folder, environment).returncode:
        pytest.skip(f"there is no {needed} on this machine")
    shutil.copytree(ROOT / "examples" / "hosts", folder / "examples" / "hosts")
    *builds, answer, replay = commands_of(request.param)
    for command in builds:
        built = bash(command, folder, environment)
        assert built.returncode == 0, f"{command}\n{built.stderr}"
    return Host(folder, environment, answer, replay)


@pytest.fixture(scope="session")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("birds")
    commands = Path(sys.executable).parent
    for command in (
        (sys.executable, str(ROOT / "examples" / "tables.py"), "tables"),
        (str(commands / "edge-train"), "tables/birds.csv", "--target", "species", "--output", "birds"),
        (str(commands / "edge-export"), "birds/model.pt"),
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / BIRDS


def certified(model: Path, folder: Path, *inputs: dict[str, Any]) -> Path:
    """A copy of `model` with a certificate of what it answers here."""
    predictor = Predictor(model, device="cpu")
    batches = []
    for number, feed in enumerate(inputs):
        expected = {name: np.asarray(found) for name, found in predictor.run(feed).items()}
        tolerance = {name: np.full(found.shape, 1e-4, np.float32) for name, found in expected.items()}
        batches.append(ReferenceBatch(f"rows of kind {number}", feed, expected, tolerance))
    return written(folder / model.name, model.read_bytes(), *batches)


def written(path: Path, content: bytes, *batches: ReferenceBatch) -> Path:
    certificate = Certificate("float32", "rule", batches, (), None, {}, {}, None)
    path.write_bytes(seal(appended(content, CERTIFICATE_KEY, certificate.to_json())))
    return path


def test_a_row_has_the_answer_of_edge_predict(host: Host, birds: Path) -> None:
    expected = subprocess.run(
        [Path(sys.executable).parent / "edge-predict", birds, *ROW], capture_output=True, text=True, check=True
    )
    found = host.run(host.answer, birds)
    assert (found.stdout, found.returncode) == (expected.stdout, 0), found.stderr


def test_artifacts_pass(host: Host, birds: Path, tmp_path: Path) -> None:
    for model in (
        birds,
        FOUR_BLOBS,
        # Numbers, strings and dates, with missing values.
        certified(MODELS / "penguins.onnx", tmp_path, {"x": X, "text": TEXT}),
        certified(MODELS / "sales.onnx", tmp_path, sales.feed(sales.HELD), sales.feed(sales.HELD[:1])),
    ):
        found = host.run(host.replay, model)
        assert found.returncode == 0, (model, found)
        first, *used, last = found.stdout.splitlines()
        certificate = Predictor(model, device="cpu").certificate
        assert certificate is not None
        assert first == "unchanged since its export"
        assert [line.partition(":")[0] for line in used] == [batch.kind for batch in certificate.reference]
        assert last.startswith("passed on ONNX Runtime 1.")


def test_other_answers_are_found(host: Host, tmp_path: Path) -> None:
    feed = sales.feed(sales.HELD)
    value = Predictor(MODELS / "sales.onnx", device="cpu").run(feed)["value"]
    for place, moved in ((3, 0.011), (0, np.nan), (2, np.inf)):
        expected = value.copy()
        expected[place, 0] += moved
        batch = ReferenceBatch("moved", feed, {"value": expected}, {"value": np.full(value.shape, 0.01, np.float32)})
        found = host.run(host.replay, written(tmp_path / "moved.onnx", (MODELS / "sales.onnx").read_bytes(), batch))
        assert found.returncode == 1, found
        assert found.stdout.startswith("unchanged since its export\nmoved: "), found
        assert "NOT PASSED" in found.stdout
    # Elements that are not compared.
    batch = ReferenceBatch("moved", feed, {"value": expected}, {"value": np.full(value.shape, np.inf, np.float32)})
    found = host.run(host.replay, written(tmp_path / "free.onnx", (MODELS / "sales.onnx").read_bytes(), batch))
    assert found.returncode == 0, found


def test_a_changed_byte_is_found(host: Host, tmp_path: Path) -> None:
    content = bytearray(FOUR_BLOBS.read_bytes())
    place = content.index(b"tolerance_rule")
    content[place + 20] ^= 1
    (tmp_path / "changed.onnx").write_bytes(content)
    found = host.run(host.replay, tmp_path / "changed.onnx")
    assert found.returncode == 1, found
    assert found.stdout.startswith("CHANGED since its export\n")
    assert not Predictor(tmp_path / "changed.onnx", device="cpu").verify().passed


def test_what_a_program_does_not_read_is_refused(host: Host, tmp_path: Path) -> None:
    found = host.run(host.replay, MODELS / "penguins.onnx")
    assert found.returncode > 0
    assert "no certificate of version 1 or 2" in found.stderr
    integers = written(tmp_path / "outputs.onnx", OUTPUTS.read_bytes(), reference_batch("rows", [[1, 2]]))
    found = host.run(host.replay, integers)
    assert found.returncode > 0
    newer = tmp_path / "newer.onnx"
    text = json.dumps({"schema_version": 3, "content_sha256": "0" * 64, "reference": []})
    newer.write_bytes(appended(OUTPUTS.read_bytes(), CERTIFICATE_KEY, text))
    found = host.run(host.replay, newer)
    assert "no certificate of version 1 or 2" in found.stderr
