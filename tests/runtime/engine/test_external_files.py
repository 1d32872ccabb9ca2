"""Files that a model refers to: all are found, and none is read but what lies below its folder and is certified."""

import contextlib
import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from certificates import appended
from external_models import (
    PLACES,
    WEIGHTS,
    among_the_weights,
    certified_alone,
    certified_pair,
    certified_with,
    external_tensor,
    in_a_function,
    model_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import MODELS
from written_models import message, node, tensor, varint

from edge_runtime import ContentMismatch, InvalidModel, Limits, OpenedModel, Predictor
from edge_runtime.contract.data_file import finished
from edge_runtime.contract.metadata_keys import DATA_KEY
from edge_runtime.engine import external_files, opening
from edge_runtime.engine.external_files import References, references_in
from edge_runtime.engine.installation import import_onnxruntime, numbers
from edge_runtime.engine.model_outline import outline_of
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.protobuf import Bytes, FileBytes, fields

Place = Callable[[str], bytes]
EVERYWHERE = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
ZEROS = {"x": np.zeros(2, np.float32)}
TAKES_FOLDERS = numbers(import_onnxruntime().__version__) >= (1, 21)


def references(data: Bytes) -> References:
    """What a model refers to."""
    return references_in(data, outline_of(data, Limits(), "the model"), "the model")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with weights, which is the current one, and weights beside it."""
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    for name in ("weights", "folder/weights", "folder/sub/weights"):
        (tmp_path / name).write_bytes(WEIGHTS.tobytes())
    monkeypatch.chdir(tmp_path / "folder")
    return tmp_path / "folder"


@EVERYWHERE
@pytest.mark.parametrize("location", ["weights", "sub/weights", "./weights"])
def test_weights_below_the_folder_are_found(place: Place, location: str, folder: Path) -> None:
    content = place(location)
    (folder / "model.onnx").write_bytes(content)
    assert references(content) == References((location,))
    with FileBytes("model.onnx") as data:
        assert references(data) == References((location,))
    assert OpenedModel("model.onnx", "cpu").run(ZEROS)["y"].tolist() == [3, 4]
    with pytest.raises(InvalidModel, match=r"^the model has its weights in other files"):
        OpenedModel(content, "cpu")
    if TAKES_FOLDERS:
        assert OpenedModel(content, "cpu", data_folder=folder).run(ZEROS)["y"].tolist() == [3, 4]


@EVERYWHERE
@pytest.mark.parametrize(
    "location",
    [
        "../weights",
        "sub/../weights",
        "sub/../../weights",
        "/FOLDER/weights",
        "",
        "..\\weights",
        "C:weights",
        "weights\0",
    ],
)
def test_nothing_beyond_the_folder_is_read(place: Place, location: str, folder: Path) -> None:
    content = place(location.replace("/FOLDER", str(folder)))
    (folder / "model.onnx").write_bytes(content)
    for model, data_folder in ((folder / "model.onnx", None), (content, None), (content, folder)):
        with pytest.raises(InvalidModel, match=r"has its weights in .*, which is not a file below its folder"):
            OpenedModel(model, "cpu", data_folder=data_folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes among its files")
@EVERYWHERE
def test_what_is_not_a_regular_file_is_not_read(place: Place, folder: Path) -> None:
    # To hash one of these would never end.
    os.mkfifo(folder / "pipe")
    (folder / "device").symlink_to("/dev/zero")
    for location in ("pipe", "device", "sub", "."):
        (folder / "model.onnx").write_bytes(place(location))
        with pytest.raises(InvalidModel, match="is not a regular file"):
            ModelSource(folder / "model.onnx")
        with pytest.raises(InvalidModel, match="is not a regular file"):
            ModelSource(place(location), folder)


@EVERYWHERE
def test_no_memory_is_read(place: Place, folder: Path) -> None:
    # With an address as its offset, it would be what is there.
    (folder / "model.onnx").write_bytes(place("*/_ORT_MEM_ADDR_/*"))
    with pytest.raises(InvalidModel, match="which is not a file below its folder"):
        OpenedModel(folder / "model.onnx", "cpu")


@EVERYWHERE
def test_a_certified_model_has_no_weights_but_its_own(
    place: Place, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "model.onnx"
    data = folder / "model.onnx.data"
    assert Predictor(certified_pair(path), "cpu", verify=True).run(ZEROS)["y"].tolist() == [3, 4]
    made: list[object] = []
    monkeypatch.setattr(opening, "open_session", lambda *_: made.append(1))

    def refused(content: bytes, **arguments: Path) -> str:
        path.write_bytes(content)
        with pytest.raises(InvalidModel) as raised:
            Predictor(path, "cpu")
        if TAKES_FOLDERS:
            with pytest.raises(InvalidModel):
                Predictor(content, "cpu", data_folder=folder)
        assert not made
        return str(raised.value)

    said = "model.onnx has a certificate that does not cover its weights in"
    assert f"{said} weights; export the model again" in refused(certified_alone(place("weights")))
    # Beside the data file, which is named, or under another name of it.
    for location in ("weights", "./model.onnx.data", "sub//weights"):
        data.write_bytes(WEIGHTS.tobytes())
        assert f"{said} {location}" in refused(certified_with(data, place(location)))
    # An entry that is not the last one does not count.
    data.write_bytes(WEIGHTS.tobytes())
    hidden = appended(certified_with(data, place("model.onnx.data")), "more" * 2000, "text")
    assert f"{said} model.onnx.data" in refused(hidden)
    two = certified_with(data, place("model.onnx.data")) + message((7, message((5, tensor_in("weights")))))
    assert f"{said} weights" in refused(two)


def tensor_in(location: str) -> bytes:
    return message((1, 2), (2, 1), (8, "v"), (13, message((1, "location"), (2, location))), (14, 1))


def test_weights_under_the_certificate_are_hashed(folder: Path) -> None:
    path = certified_pair(folder / "model.onnx", in_a_function("model.onnx.data"))
    assert Predictor(path, "cpu").verify().passed
    data = folder / "model.onnx.data"
    content = bytearray(data.read_bytes())
    content[0] ^= 1
    data.write_bytes(content)
    verification = Predictor(path, "cpu").verify()
    assert not verification.intact
    assert not verification.passed


def test_weights_of_other_models_are_bound(folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(among_the_weights("sub/weights"))
    predictor, other = OpenedModel(path, "cpu"), OpenedModel(path, "cpu")
    pickled = pickle.dumps(predictor)
    assert pickle.loads(pickled).run(ZEROS)["y"].tolist() == [3, 4]
    (folder / "sub" / "weights").write_bytes(np.array([3, 5], np.float32).tobytes())
    assert not predictor._source.opens_the_same()
    with pytest.raises(ContentMismatch, match=r"^sub/weights is not what belongs to the model that was pickled"):
        pickle.loads(pickled)
    with pytest.raises(ContentMismatch, match=r"weights was changed after it was opened"):
        pickle.dumps(other)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ContentMismatch, match=r"^sha256 does not cover sub/weights: .* has weights in it"):
        OpenedModel(path, "cpu", sha256=digest)
    with pytest.raises(ContentMismatch, match="is not the model that was asked for"):
        OpenedModel(path, "cpu", sha256="0" * 64)


def test_weights_beside_the_data_file_are_bound_too(folder: Path) -> None:
    """Of a model without a certificate, which may have both."""
    path, data = folder / "model.onnx", folder / "model.onnx.data"
    data.write_bytes(WEIGHTS.tobytes())
    content = model_of((5, external_tensor("weights")), (5, external_tensor(data.name, name="more")))
    path.write_bytes(appended(content, DATA_KEY, finished(data).to_json()))
    pickled = pickle.dumps(OpenedModel(path, "cpu"))
    assert ModelSource(path).data_sha256.keys() == {"weights", "model.onnx.data"}
    with pytest.raises(ContentMismatch, match=r"^sha256 does not cover weights"):
        OpenedModel(path, "cpu", sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    (folder / "weights").write_bytes(bytes(8))
    with pytest.raises(ContentMismatch, match=r"^weights is not what belongs to the model that was pickled"):
        pickle.loads(pickled)


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_what_appears_beside_a_link_is_not_opened_unseen(folder: Path) -> None:
    """ONNX Runtime looks beside the link to a model first, and only then is the data file of its target given to it."""
    certified_pair(folder / "model.onnx")
    link = folder / "sub" / "model.onnx"
    link.symlink_to(folder / "model.onnx")
    source = ModelSource(link)
    assert source.data == folder / "model.onnx.data"
    (folder / "sub" / "model.onnx.data").write_bytes(WEIGHTS.tobytes())
    with pytest.raises(ContentMismatch, match="was changed after it was opened"), source.opening():
        raise AssertionError


ENGINE = ((1, "ep_cache_context"), (4, "engine.bin"))
CONTEXT = (
    (message(*ENGINE, (20, 3)), message((1, "embed_mode"), (20, 2)), ("engine.bin",)),
    (message(*ENGINE), message((1, "embed_mode"), (3, 0)), ("engine.bin",)),
    (message(*ENGINE), message((1, "embed_mode")) + b"\x18\x80\0", ("engine.bin",)),
    (message(*ENGINE), message((1, "embed_mode"), (3, 1)), ()),
    (message(*ENGINE), message((1, "embed_mode"), (3, 2**40)), ()),
    (message(*ENGINE), message((1, "main_context"), (3, 1)), ()),
)


@pytest.mark.parametrize(("context", "mode", "locations"), CONTEXT)
def test_a_file_that_a_provider_has_compiled(
    context: bytes, mode: bytes, locations: tuple[str, ...], folder: Path
) -> None:
    content = model_of(nodes=(node("EPContext", ["x"], ["w"], context, mode, domain="com.microsoft"),))
    assert references(content).locations == locations
    if locations:
        with pytest.raises(InvalidModel, match=r"^the model has its weights in other files"):
            OpenedModel(content, "cpu")
        with pytest.raises(InvalidModel, match=r"a certificate that does not cover its weights in engine\.bin"):
            OpenedModel(certified_alone(content), "cpu")


def test_what_only_a_reader_of_32_bits_sees_is_not_a_model(folder: Path) -> None:
    """ONNX Runtime takes this for the field with the graph."""
    whole = among_the_weights("../weights")
    graph = next(whole[start:stop] for number, _, start, stop in fields(whole, 0, len(whole)) if number == 7)
    hidden = whole.replace(message((7, graph)), varint(2**32 + (7 << 3 | 2)) + varint(len(graph)) + graph)
    (folder / "model.onnx").write_bytes(hidden)
    for model in (hidden, folder / "model.onnx"):
        with pytest.raises(InvalidModel, match=r"\(it is not an ONNX file, or damaged\)$"):
            OpenedModel(model, "cpu")


def test_values_and_metadata_are_not_searched() -> None:
    text = b"location" * 1000
    large = tensor("large", np.frombuffer(text, np.float32))
    plain = model_of((5, large), (5, tensor("w", WEIGHTS)))
    described = appended(plain, "key", "location" * 3)
    assert references(described) == References()
    # A text elsewhere is looked at.
    assert references(described + message((6, "location"))) == References()
    for content in (model_of((5, large), (5, tensor_in("a"))), model_of((5, tensor_in("a")), (5, large))):
        assert references(content) == References(("a",))


def test_too_many_parts_to_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_files, "_MOST_FIELDS", 100_000)
    for field in (1, ""):
        content = message((7, message((5, message((1, field)) * 100_001)))) + among_the_weights("in")
        with pytest.raises(InvalidModel, match="has weights in other files, and more than 100,000 parts"):
            references(content)
    # Numbers of attributes are not counted.
    forest = node("TreeEnsemble", ["x"], ["w"], message((8, 5)) * 100_001)
    content = message((7, message((1, forest)))) + among_the_weights("in")
    assert references(content).locations == ("in",)
    content = message((7, message((1, node("Neg", ["x"], [""] * 100_001))))) + among_the_weights("in")
    with pytest.raises(InvalidModel, match="has weights in other files, and more than 100,000 parts"):
        references(content)


@pytest.mark.parametrize("damage", [b"\x0b\x0c", b"\x0a\xff\xff\xff\xff\x0f", b"\x80"])
def test_what_is_not_a_message_is_refused(damage: bytes) -> None:
    """A group, which ONNX does not have but readers skip; and what is cut."""
    content = among_the_weights("weights") + damage
    with pytest.raises(InvalidModel, match="it is not an ONNX file, or damaged"):
        references(content)
    assert references((MODELS / "outputs.onnx").read_bytes() + damage) == References()


@settings(deadline=None)
@given(
    place=st.sampled_from(PLACES),
    sizes=st.lists(st.integers(0, 9000), max_size=6),
    at=st.integers(0, 6),
    metadata=st.lists(st.integers(0, 9000), max_size=3),
)
def test_a_reference_is_found_among_anything(place: Place, sizes: list[int], at: int, metadata: list[int]) -> None:
    around = [message((7, message((5, tensor(str(size), np.zeros(size, np.float32)))))) for size in sizes]
    around += [message((14, message((1, "key"), (2, "a" * size)))) for size in metadata]
    around.insert(min(at, len(around)), place("weights"))
    assert references(b"".join(around)) == References(("weights",))


@settings(deadline=None, max_examples=300)
@given(place=st.sampled_from(PLACES), data=st.data())
def test_damaged_models_raise_nothing_else(place: Place, data: st.DataObject) -> None:
    content = bytearray(place("weights"))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidModel):
        references(bytes(content))
