import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_runtime import Certificate, InvalidModel, Limits, ReferenceBatch
from edge_runtime.contract import data_file
from edge_runtime.contract.certificate import content_sha256, seal

Make = Callable[..., Certificate]

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=6,
)


@st.composite
def reference_batches(draw: st.DrawFn) -> ReferenceBatch:
    arrays = st.dictionaries(
        st.text(), hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, min_side=0)), min_size=1, max_size=2
    )
    expected = draw(arrays)
    tolerances = st.floats(0, width=32)
    tolerance = {name: draw(hnp.arrays("f4", array.shape, elements=tolerances)) for name, array in expected.items()}
    return ReferenceBatch(draw(st.text()), draw(arrays), expected, tolerance)


@given(
    reference=st.lists(reference_batches(), max_size=2).map(tuple),
    plain=st.dictionaries(st.text(), json_values, max_size=3),
    strings=st.dictionaries(st.text(), st.text(), max_size=2),
    signature_sha256=st.none() | st.text(),
)
def test_round_trip(
    reference: tuple[ReferenceBatch, ...], plain: dict[str, Any], strings: Any, signature_sha256: Any
) -> None:
    written = Certificate("int8", "ö", reference, (plain,), plain, strings, strings, signature_sha256)
    read = Certificate.from_json(written.to_json())
    assert read.to_json() == written.to_json()
    assert (read.precision, read.tolerance_rule, read.comparisons, read.budget) == ("int8", "ö", (plain,), plain)
    assert (read.versions, read.hashes, read.signature_sha256) == (strings, strings, signature_sha256)
    for before, after in zip(reference, read.reference, strict=True):
        assert before.kind == after.kind
        for part in ("inputs", "expected", "tolerance"):
            for name, array in getattr(before, part).items():
                np.testing.assert_array_equal(getattr(after, part)[name], array, strict=True)


def test_the_order_in_memory_does_not_matter(certificate: Make) -> None:
    ordered = np.arange(6, dtype=np.float32).reshape(2, 3)
    written = []
    for array in (ordered, np.asfortranarray(ordered), ordered.astype(">f4"), np.repeat(ordered, 2, axis=1)[:, ::2]):
        batch = ReferenceBatch("c", {"x": array}, {"y": array}, {"y": array})
        written.append(certificate(reference=(batch,)).to_json())
    assert len(set(written)) == 1
    assert '"data": "AAAAAAAAgD8AAABAAABAQAAAgEAAAKBA", "dtype": "float32", "shape": [2, 3]' in written[0]


def test_what_json_cannot_hold(certificate: Make) -> None:
    with pytest.raises(ValueError, match="JSON"):
        certificate(budget={"error": float("nan")}).to_json()
    for array, kind in (
        (np.array(["text", 5], object), TypeError),
        (np.array(["\ud800"], object), ValueError),
        (np.array(["text"], np.str_), TypeError),
        (np.array(["2020-01-01"], np.datetime64), TypeError),
    ):
        with pytest.raises(kind):
            certificate(reference=(ReferenceBatch("c", {"x": array}, {}, {}),)).to_json()


def test_strings(certificate: Make) -> None:
    strings = np.array([["Biscoe", ""], ["ö \U0001f427", 'a "quoted"\nline'], ["nan", "3"]], object)
    tolerance = np.zeros((3, 1), np.float32)
    batch = ReferenceBatch("c", {"text": np.asfortranarray(strings)}, {"y": tolerance}, {"y": tolerance})
    empty = ReferenceBatch("none", {"text": strings[:0]}, {"y": tolerance[:0]}, {"y": tolerance[:0]})
    written = certificate(reference=(batch, empty)).to_json()
    plain = json.loads(written.encode().decode())
    assert plain["schema_version"] == 2
    assert plain["reference"][0]["inputs"]["text"] == {
        "dtype": "string",
        "shape": [3, 2],
        "data": strings.ravel().tolist(),
    }
    read = Certificate.from_json(written)
    assert read.to_json() == written
    for index, expected in enumerate((strings, strings[:0])):
        np.testing.assert_array_equal(read.reference[index].inputs["text"], expected, strict=True)


def test_without_strings_older_versions_read_it(certificate: Make) -> None:
    assert json.loads(certificate().to_json())["schema_version"] == 1
    assert certificate().summary()["schema_version"] == 1


def test_unknown_keys_are_ignored(certificate: Make) -> None:
    plain = json.loads(certificate().to_json())
    assert Certificate.from_json(json.dumps({**plain, "colour": "green"})).to_json() == certificate().to_json()


def test_a_newer_schema_is_refused() -> None:
    with pytest.raises(InvalidModel, match=r"the certificate has schema version 4.*upgrade"):
        Certificate.from_json('{"schema_version": 4, "reference": "whatever version 4 means by that"}')


ARRAY = {"dtype": "float32", "shape": [1, 2], "data": "AACAvwAAgD8="}


@pytest.mark.parametrize(
    "array",
    [
        None,
        {},
        [],
        {**ARRAY, "dtype": "object"},
        {**ARRAY, "dtype": "O"},
        {**ARRAY, "dtype": ["float32"]},
        {**ARRAY, "dtype": "complex64"},
        {**ARRAY, "dtype": "float64"},
        {**ARRAY, "shape": [2, 2]},
        {**ARRAY, "shape": [-1, 2]},
        {**ARRAY, "shape": [-1, -2]},
        {**ARRAY, "shape": [True, 2]},
        {**ARRAY, "shape": [1.0, 2]},
        {**ARRAY, "shape": [2, 10**30, 0], "data": ""},
        {**ARRAY, "shape": [2, 10**18, 10**18]},
        {**ARRAY, "shape": 100 * [1] + [2]},
        {**ARRAY, "shape": "12"},
        {**ARRAY, "shape": 2},
        {**ARRAY, "data": "AACAvwAAgD8"},
        {**ARRAY, "data": "AACAvwAAgD8=\n"},
        {**ARRAY, "data": "AACAvwAAgD=="},
        {**ARRAY, "data": "ÄACAvwAAgD8="},
        {**ARRAY, "data": 5},
        {"dtype": "bool", "shape": [1], "data": "Ag=="},
        {"dtype": "string", "shape": [2], "data": "ab"},
        {"dtype": "string", "shape": [2], "data": {"a": 1, "b": 2}},
        {"dtype": "string", "shape": [2], "data": ["a"]},
        {"dtype": "string", "shape": [2], "data": ["a", 5]},
        {"dtype": "string", "shape": [2], "data": ["a", None]},
        {"dtype": "string", "shape": [-1], "data": ["a"]},
    ],
)
def test_damaged_arrays(certificate: Make, array: Any) -> None:
    plain = json.loads(certificate().to_json())
    plain["reference"][0]["inputs"]["x"] = array
    with pytest.raises(InvalidModel, match="the certificate is damaged"):
        Certificate.from_json(json.dumps(plain))


def zeros(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("expected", "tolerance"),
    [
        ({}, {}),
        ({"y": zeros(2)}, {}),
        ({}, {"y": zeros(2)}),
        ({"y": zeros(2)}, {"z": zeros(2)}),
        ({"y": zeros(2)}, {"y": zeros(2, 1)}),
        ({"y": zeros(2)}, {"y": zeros(3)}),
        ({"y": zeros(2)}, {"y": zeros(2, dtype="float64")}),
        ({"y": zeros(2)}, {"y": zeros(2) - 1}),
        ({"y": zeros(2)}, {"y": zeros(2) + np.float32("nan")}),
    ],
)
def test_tolerances_that_fit_nothing(certificate: Make, expected: Any, tolerance: Any) -> None:
    written = certificate(reference=(ReferenceBatch("c", {"x": zeros(2)}, expected, tolerance),)).to_json()
    with pytest.raises(InvalidModel, match="the certificate is damaged"):
        Certificate.from_json(written)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "{}", "[" * 100_000, '{"schema_version": 1}', "\ud800"])
def test_not_a_certificate(text: str) -> None:
    with pytest.raises(InvalidModel, match="the certificate is damaged"):
        Certificate.from_json(text)


def test_numbers_that_are_not_json(certificate: Make) -> None:
    for number in ("NaN", "-Infinity", "1e999"):
        written = certificate(budget={"error": 0.125}).to_json().replace("0.125", number)
        with pytest.raises(InvalidModel, match=f"{number} is not a finite number"):
            Certificate.from_json(written)


def places(plain: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key below `plain`."""
    for key in plain if isinstance(plain, dict) else range(len(plain)):
        yield plain, key
        if isinstance(plain[key], dict | list):
            yield from places(plain[key])


@given(st.data())
def test_whatever_is_damaged_is_read_or_refused(certificate: Make, data: st.DataObject) -> None:
    plain = json.loads(certificate().to_json())
    container, key = data.draw(st.sampled_from(list(places(plain))))
    if data.draw(st.booleans()):
        container[key] = data.draw(json_values)
    else:
        del container[key]
    with contextlib.suppress(InvalidModel):
        Certificate.from_json(json.dumps(plain)).to_json()


def test_seal(certificate: Make) -> None:
    written = certificate().to_json().encode()
    assert written.count(b'"content_sha256": "' + 64 * b"0" + b'"') == 1
    content = b"\x08\x08graph" + written + b"weights\xff\x00"
    sealed = seal(content)
    assert len(sealed) == len(content)
    digest = content_sha256(sealed)
    assert digest == content_sha256(content)
    assert digest
    assert sealed == content.replace(64 * b"0", digest.encode())
    assert Certificate.from_json(sealed[7:-9].decode()).content_sha256 == digest
    assert seal(sealed) == sealed
    start = sealed.index(digest.encode())
    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1
        in_digits = start <= position < start + 64
        assert in_digits or content_sha256(bytes(damaged)) != digest, position


def test_files_are_hashed_in_blocks(certificate: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal that lies across two blocks is found once, wherever it lies."""
    content = b"graph" + certificate().to_json().encode() + b"weights"
    (tmp_path / "model.onnx").write_bytes(content)
    (tmp_path / "data").write_bytes(b"more weights")
    for size in (1, 7, 64, 83, 84, 1000):
        monkeypatch.setattr(data_file, "_BLOCK", size)
        assert content_sha256(tmp_path / "model.onnx") == content_sha256(content)
        assert content_sha256(content, tmp_path / "data") == hashlib.sha256(content + b"more weights").hexdigest()
    (tmp_path / "twice").write_bytes(content + content)
    assert content_sha256(tmp_path / "twice") is None


def test_nothing_to_seal(certificate: Make) -> None:
    written = certificate().to_json().encode()
    for content in (b"", b"model", 2 * written, written.replace(64 * b"0", 63 * b"0"), written.replace(b"000", b"00G")):
        assert content_sha256(content) is None
        with pytest.raises(InvalidModel, match="exactly one certificate"):
            seal(content)


def test_a_string_that_looks_like_the_seal(certificate: Make) -> None:
    text = f'"content_sha256": "{64 * "0"}"'
    assert content_sha256(certificate(tolerance_rule=text).to_json().encode()) is not None


def test_the_hash_is_that_of_the_file_with_zeros_for_its_digits(certificate: Make) -> None:
    content = b"graph" + certificate().to_json().encode() + b"weights"
    assert content_sha256(seal(content)) == hashlib.sha256(content).hexdigest()


def test_batches_of_reference_rows_are_limited(certificate: Make) -> None:
    array = np.zeros((30_000, 2), np.float32)
    text = certificate(reference=(ReferenceBatch("c", {"x": array}, {"y": array}, {"y": array}),) * 4).to_json()
    assert Certificate.from_json(text, Limits(reference_batches=4)).rows == 120_000
    with pytest.raises(InvalidModel) as raised:
        Certificate.from_json(text, Limits(reference_batches=3))
    assert str(raised.value) == (
        "the certificate has 4 batches of reference rows; the limit is 3; if you trust it, raise the limit: "
        "limits=Limits(reference_batches=...), at the shell --limit reference_batches=..."
    )
    # They are counted before arrays are made of them, which takes long.
    document = json.loads(certificate().to_json())
    empty = {"dtype": "float32", "shape": [0], "data": ""}
    batch = {"kind": "c", "inputs": {"x": empty}, "expected": {"y": empty}, "tolerance": {"y": empty}}
    with pytest.raises(InvalidModel, match="has 100,000 batches of reference rows; the limit is 10,000; "):
        Certificate.from_json(json.dumps({**document, "reference": [batch] * 100_000}))


def test_numbers_that_are_not_stored_are_limited(certificate: Make) -> None:
    generated = {"seed": 1, "offset": 0, "scale": 1, "steps": 2}
    batch = {
        "kind": "c",
        "inputs": {"x": {"dtype": "int8", "shape": [1, 2**26], "generated": generated}},
        "expected": {"y": {"dtype": "float32", "shape": [0], "data": ""}},
        "tolerance": {"y": {"dtype": "float32", "shape": [0], "data": ""}},
    }
    document = {**json.loads(certificate().to_json()), "schema_version": 3}
    with pytest.raises(InvalidModel, match="damaged: its reference rows have 603,979,776 numbers"):
        Certificate.from_json(json.dumps({**document, "reference": [batch] * 9}))


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_deeply_nested_json_is_damaged(depth: int) -> None:
    with pytest.raises(InvalidModel, match="the certificate is damaged"):
        Certificate.from_json('{"schema_version": 1, "more": ' + "[" * depth + "]" * depth + "}")
