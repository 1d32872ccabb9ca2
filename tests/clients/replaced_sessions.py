"""Packages that carry ONNX models, with their session replaced by a Predictor: they give exactly what they gave.

    make test-clients

They are installed in an environment of its own, so `make test` does not collect this file.
"""

import importlib
import logging
import sys
import types
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from edge_runtime import Predictor

RAW = onnxruntime.InferenceSession


class Session:
    """What these packages use of onnxruntime.InferenceSession, over the public face of Predictor.

    Attributes:
        calls: how many calls there were, of all sessions.
    """

    calls = 0

    def __init__(self, path: str | bytes, *_: Any, **__: Any) -> None:
        # Predictor itself opens a session.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(onnxruntime, "InferenceSession", RAW)
            self._predictor = Predictor(path, device="cpu")

    def run(self, names: list[str] | None, feed: dict[str, Any], _: Any = None) -> list[Any]:
        Session.calls += 1
        return list(self._predictor.run(feed, outputs=names).values())

    def get_inputs(self) -> tuple[Any, ...]:
        return self._predictor.inputs

    def get_outputs(self) -> tuple[Any, ...]:
        return self._predictor.outputs

    def get_providers(self) -> list[str]:
        return [self._predictor.provider]

    def get_modelmeta(self) -> Any:
        return types.SimpleNamespace(custom_metadata_map=self._predictor.metadata.custom)


def package(name: str) -> Any:
    """A module, imported anew with what it has imported, so that it takes the session that there is now."""
    top = name.partition(".")[0]
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == top]:
        del sys.modules[loaded]
    return importlib.import_module(name)


def sound(seconds: float, rate: int) -> npt.NDArray[np.float32]:
    """Tones that glide, with overtones, and pauses between them."""
    time = np.arange(int(seconds * rate)) / rate
    pitch = 180 + 60 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tone = sum(np.sin(phase * overtone) / overtone for overtone in range(1, 8))
    noise = np.random.default_rng(0).normal(scale=0.02, size=len(time))
    return (0.2 * tone * (np.sin(2 * np.pi * 0.5 * time) > -0.3) + noise).astype(np.float32)


def picture(seed: int) -> npt.NDArray[np.uint8]:
    """A page with lines of text, a circle and noise, shape (height, width, 3)."""
    cv2 = importlib.import_module("cv2")
    random = np.random.default_rng(seed)
    image = random.integers(200, 256, (240, 420, 3)).astype(np.uint8)
    cv2.circle(image, (330, 150), 60, (90, 120, 200), -1)
    for line, text in enumerate(["Edge 2026", "tit 8.5 mm", "Total: 1,299"]):
        cv2.putText(image, text, (15, 60 + 70 * line), cv2.FONT_HERSHEY_SIMPLEX, 1.3, (20, 20, 20), 3)
    return image


# ------------------------------------------------------------------------------------------------------- what they give


def magika(_: Path) -> Any:
    detector = package("magika").Magika()
    random = np.random.default_rng(0)
    contents = [
        Path(__file__).read_bytes(),
        b'{"a": [1, 2, {"b": null}]}' * 20,
        b"<!DOCTYPE html><html><body><p>text</p></body></html>" * 9,
        b"col,other\n" + b"1,2\n" * 300,
        bytes(random.integers(0, 256, 4096, dtype=np.uint8)),
        b"#!/bin/sh\nset -e\nfor f in *; do echo $f; done\n" * 10,
        b"",
    ]
    found = [detector.identify_bytes(content) for content in contents]
    return [(one.output.label, one.score) for one in found]


def silero_vad(_: Path) -> Any:
    package("silero_vad")
    torch = importlib.import_module("torch")
    given = []
    for rate in (16000, 8000):
        model = sys.modules["silero_vad"].load_silero_vad(onnx=True)
        size = rate // 1000 * 32
        samples = torch.from_numpy(sound(3, rate))
        given.append([model(chunk, rate).numpy() for chunk in samples[: len(samples) // size * size].split(size)])
        given.append(sys.modules["silero_vad"].get_speech_timestamps(samples, model, sampling_rate=rate, threshold=0.2))
    return given


def swift_f0(_: Path) -> Any:
    found = package("swift_f0").SwiftF0().detect(sound(4, 16000), 16000)
    return {name: value for name, value in vars(found).items() if isinstance(value, np.ndarray | float)}


def basic_pitch(folder: Path) -> Any:
    # It warns, through the root logger, of each framework that is not installed.
    logging.getLogger().setLevel(logging.ERROR)
    path = folder / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes((sound(4, 22050) * 20000).astype("<i2").tobytes())
    inference = package("basic_pitch.inference")
    output, _, notes = inference.predict(path)
    return [output, notes]


def nudenet(_: Path) -> Any:
    detector = package("nudenet").NudeDetector()
    # Its thresholds drop all of such images, so the numbers themselves are compared too.
    blob = np.random.default_rng(1).random((2, 3, 320, 320)).astype(np.float32)
    return [detector.detect(picture(0)), detector.onnx_session.run(None, {detector.input_name: blob})]


def rapidocr(_: Path) -> Any:
    reader = package("rapidocr").RapidOCR()
    found = [reader(picture(seed)) for seed in range(2)]
    assert any("2026" in text for text in found[0].txts)
    return [(one.boxes, one.txts, one.scores) for one in found]


def same(found: Any, expected: Any) -> bool:
    """Whether all numbers have the same bits, and all else is equal."""
    if isinstance(expected, np.ndarray):
        is_same_type = found.dtype == expected.dtype and found.shape == expected.shape
        return is_same_type and bool(found.tobytes() == expected.tobytes())
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], one) for key, one in expected.items())
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return bool(found == expected)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("client", [magika, silero_vad, swift_f0, basic_pitch, nudenet, rapidocr])
def test_it_gives_what_it_gives_without(
    client: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = client(tmp_path)
    assert same(client(tmp_path), expected)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    before = Session.calls
    assert same(client(tmp_path), expected)
    assert Session.calls > before
