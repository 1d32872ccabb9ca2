"""Models that are too large for one file, with a limit of a few kilobytes in place of two gigabytes."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from quick_exports import few_probes
from torch import nn

from edge_export import Export, ExportError, ParityError, export
from edge_export.formats import external_data
from edge_export.pipeline import certified
from edge_runtime import CannotWrite, InvalidModel, ModelNotFound, Predictor
from edge_runtime.contract.atomic_files import prepare_file
from edge_runtime.contract.certificate import content_sha256

IDS = {"input": np.array([[1, 2, 999]])}

# In a process of its own, whose peak memory is this export's; it takes about a minute.
LARGE = """
import resource, sys, torch
from torch import nn
from edge_export import export

torch.manual_seed(1)
module = nn.Sequential(nn.Embedding(550_000, 1000), nn.Flatten(), nn.Linear(3000, 4))
(made,) = export(module, torch.randint(550_000, (2, 3)), sys.argv[1])
print(made.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_data, "MOST_BYTES", 4000)


def table(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Embedding(1000, 10), nn.Flatten(), nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 4))


def made_in(folder: Path, module: nn.Module, **options: Any) -> list[Export]:
    with few_probes():
        return export(module, torch.randint(1000, (2, 3)), folder / "model.onnx", finite_only=True, **options)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Export:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(external_data, "MOST_BYTES", 4000)
        (made,) = made_in(tmp_path_factory.mktemp("pair"), table())
    return made


@pytest.fixture
def copied(pair: Export, tmp_path: Path) -> Path:
    """The .onnx file of a pair of its own."""
    for file in pair.path.parent.iterdir():
        shutil.copy(file, tmp_path)
    return tmp_path / "model.onnx"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_files_are_made(pair: Export) -> None:
    assert pair.data == pair.path.with_name("model.onnx.data")
    assert names(pair.path.parent) == ["model.onnx", "model.onnx.data"]
    assert pair.content == pair.path.read_bytes()
    assert pair.size == len(pair.content) + pair.data.stat().st_size
    size = f"{pair.size / 1e3:.0f} kB"
    assert str(pair).startswith(f"<Export {pair.path}, model.onnx.data {size}: verified against torch on ")
    with torch.no_grad():
        expected = table()(torch.from_numpy(IDS["input"])).numpy()
    np.testing.assert_allclose(Predictor(pair.path).run(IDS)["output"], expected, atol=1e-6)


def test_any_tool_reads_them(pair: Export) -> None:
    onnx.checker.check_model(pair.path, full_check=True)
    model = onnx.load(pair.path)
    tables = [onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    assert any(np.array_equal(values, table()[0].weight.detach().numpy()) for values in tables)  # type: ignore[index]
    for tensor in onnx.load(pair.path, load_external_data=False).graph.initializer:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        assert not entries or int(entries["offset"]) % 64 == 0


def test_large_weights_lie_where_memory_is_mapped_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_data, "_LARGE", 2000)
    (made,) = made_in(tmp_path, table())
    model = onnx.load(made.path, load_external_data=False)
    offsets = [
        int(entry.value) for one in model.graph.initializer for entry in one.external_data if entry.key == "offset"
    ]
    assert len(offsets) > 1
    assert all(offset % 2**16 == 0 for offset in offsets)
    assert Predictor(made.path, verify=True)


def test_the_hash_covers_both_files(copied: Path) -> None:
    found = Predictor(copied)
    assert found.verify().passed
    data = copied.with_name("model.onnx.data")
    assert found.certificate is not None
    assert found.certificate.content_sha256 == content_sha256(copied, data) != content_sha256(copied)
    content = bytearray(data.read_bytes())
    content[0] ^= 1  # of a row that no reference row looks up, perhaps
    data.write_bytes(content)
    verification = Predictor(copied).verify()
    assert not verification.intact
    assert "the file was changed after its export" in verification.failure


def test_equal_modules_give_equal_files(pair: Export, tmp_path: Path) -> None:
    (again,) = made_in(tmp_path, table())
    assert again.data is not None
    assert pair.data is not None
    assert again.content == pair.content
    assert again.data.read_bytes() == pair.data.read_bytes()


def test_copies_of_a_predictor(pair: Export) -> None:
    predictor = Predictor(pair.path)
    expected = predictor.run(IDS)["output"]
    for other in (pickle.loads(pickle.dumps(predictor)), copy.copy(predictor), copy.deepcopy(predictor)):
        np.testing.assert_array_equal(other.run(IDS)["output"], expected)
    assert len(pickle.dumps(predictor)) < 1000


def test_the_content_needs_the_folder_of_the_data_file(pair: Export, tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match=r"^the model has its weights in model\.onnx\.data; open it by the path"):
        Predictor(pair.content)
    with pytest.raises(ModelNotFound, match="has no such file; copy it there, under that name"):
        Predictor(pair.content, data_folder=tmp_path)
    assert pair.data is not None
    predictor = Predictor(pair.content, verify=True, data_folder=pair.data.parent)
    for one in (predictor, pickle.loads(pickle.dumps(predictor))):
        np.testing.assert_array_equal(one.run(IDS)["output"], Predictor(pair.path).run(IDS)["output"])


def test_another_tools_pair_by_its_content(pair: Export) -> None:
    model = onnx.load(pair.path, load_external_data=False)
    del model.metadata_props[:]
    with pytest.raises(InvalidModel, match="has its weights in other files: open it by its path"):
        Predictor(model.SerializeToString())


def test_a_file_that_is_missing_or_renamed(copied: Path) -> None:
    copied.with_name("model.onnx.data").rename(copied.with_name("other.onnx.data"))
    with pytest.raises(ModelNotFound, match="has no such file; copy it there"):
        Predictor(copied)
    with pytest.raises(ModelNotFound, match=r"call it model\.onnx again"):
        Predictor(copied.rename(copied.with_name("other.onnx")))


def test_a_mixed_pair_is_refused(copied: Path, tmp_path: Path) -> None:
    """As a crash between the two moves leaves it: the new data file, and the old .onnx file."""
    (tmp_path / "new").mkdir()
    (new,) = made_in(tmp_path / "new", table(1))
    assert new.data is not None
    shutil.copy(new.data, copied.parent)
    with pytest.raises(InvalidModel, match=r"belongs to another export than model\.onnx; copy both"):
        Predictor(copied)


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_links_of_a_cache(copied: Path, tmp_path: Path) -> None:
    """snapshots/…/model.onnx and model.onnx.data are links to blobs; ONNX Runtime refuses some of these by itself."""
    for both_in_one, folder in ((True, "one"), (False, "two")):
        snapshot = tmp_path / folder / "snapshot"
        snapshot.mkdir(parents=True)
        for name in ("model.onnx", "model.onnx.data"):
            blobs = tmp_path / folder / ("blobs" if both_in_one else f"blobs-{name}")
            blobs.mkdir(exist_ok=True)
            shutil.copy(copied.with_name(name), blobs / f"hash-of-{name}")
            (snapshot / name).symlink_to(blobs / f"hash-of-{name}")
        assert Predictor(snapshot / "model.onnx").verify().passed
    only_one = tmp_path / "link.onnx"
    only_one.symlink_to(copied)
    assert Predictor(only_one).verify().passed


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_links_in_the_way_stay_links(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    for name in ("model.onnx", "model.onnx.data"):
        (tmp_path / "disk" / f"real-{name}").write_bytes(b"old")
        (tmp_path / name).symlink_to(tmp_path / "disk" / f"real-{name}")
    (made,) = made_in(tmp_path, table())
    assert made.path.is_symlink()
    assert made.data is not None
    assert made.data.is_symlink()
    assert names(tmp_path / "disk") == ["real-model.onnx", "real-model.onnx.data"]
    assert Predictor(made.path).verify().passed


def test_a_crash_between_the_two_is_seen_and_undone(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = copied.read_bytes()
    replaced: list[str] = []
    replace = Path.replace

    def stopped(self: Path, target: Path) -> Path:
        if replaced:
            raise KeyboardInterrupt
        replaced.append(Path(target).name)
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            made_in(copied.parent, table(1))
    assert replaced == ["model.onnx.data"]
    assert copied.read_bytes() == before
    with pytest.raises(InvalidModel, match="belongs to another export"):
        Predictor(copied)
    # As the next export begins.
    prepare_file(copied)
    assert names(copied.parent) == ["model.onnx", "model.onnx.data"]
    assert Predictor(copied).verify()


def test_a_full_disk_leaves_the_old_pair(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(certified, "finished", full)
    with pytest.raises(CannotWrite, match=r"model\.onnx\.data cannot be written: No space left on device"):
        made_in(copied.parent, table(1))
    assert names(copied.parent) == ["model.onnx", "model.onnx.data"]
    assert Predictor(copied).verify().passed


def test_a_wrong_model_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move = external_data.move_weights

    def damaged(model: object, data: Path) -> None:
        move(model, data)  # type: ignore[arg-type]
        content = np.fromfile(data, np.float32)
        (content * 1.01).tofile(data)

    monkeypatch.setattr("edge_export.formats.onnx_file.move_weights", damaged)
    with pytest.raises(ParityError, match="does not compute what torch computes"):
        made_in(tmp_path, table(), reproduce=tmp_path / "shown")
    assert names(tmp_path) == ["shown"]
    assert {"refused.onnx", "model.onnx.data"} <= set(names(tmp_path / "shown"))


@pytest.mark.parametrize(
    "options", [{"formats": ["ort"]}, {"formats": ["onnx", "ort"]}, {"precisions": ["float32", "int8-dynamic"]}]
)
def test_what_such_a_model_cannot_be_made_into(tmp_path: Path, options: dict[str, list[str]]) -> None:
    with pytest.raises(ExportError, match=r"is larger than 2 GiB, too large for (ort|int8-dynamic); export it as onnx"):
        made_in(tmp_path, table(), **options)
    assert names(tmp_path) == []


def test_with_a_report_and_torchscript(tmp_path: Path) -> None:
    made = made_in(tmp_path, table(), formats=["onnx", "torchscript"], report=tmp_path / "report.html")
    assert names(tmp_path) == ["model.onnx", "model.onnx.data", "model.torchscript", "report.html"]
    assert [one.data is None for one in made] == [False, True]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory in Linux's unit")
def test_more_than_two_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    done = subprocess.run([sys.executable, "-c", LARGE, path], check=True, capture_output=True, text=True)
    size, peak = map(int, done.stdout.split())
    assert size > 2**31
    assert peak < 3 * size
    predictor = Predictor(path)
    assert predictor.verify().passed
    assert predictor.run({"input": [[0, 1, 549_999]]})["output"].shape == (1, 4)
