"""What the handler of a signal raises is told from what a call raises by itself."""

import functools
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from paths import FOUR_BLOBS

from edge_runtime import InvalidInput, Predictor
from edge_runtime.contract.signals import is_from_handler

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system does not have the signal")


class OutOfTime(Exception):
    """As task queues have it."""


def stop(*_: object) -> None:
    raise OutOfTime


class Stopper:
    def stop(self, *_: object) -> None:
        stop()

    def __call__(self, *_: object) -> None:
        stop()


HANDLERS: dict[str, Callable[..., Any]] = {
    "function": stop,
    "lambda": lambda *_: stop(),
    "method": Stopper().stop,
    "object": Stopper(),
    "partial": functools.partial(functools.partial(stop, 1), 2),
}


@pytest.fixture(params=HANDLERS)
def handled(request: pytest.FixtureRequest) -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, HANDLERS[request.param])
    yield
    signal.signal(signal.SIGUSR1, before)


class Interrupted:
    """A value, or a file, that takes so long that a signal arrives."""

    def __float__(self) -> float:
        signal.raise_signal(signal.SIGUSR1)
        return 1.0

    def read(self, size: int = -1) -> bytes:
        return bytes(int(float(self)))


@pytest.mark.usefixtures("handled")
def test_from_a_handler() -> None:
    with pytest.raises(OutOfTime) as raised:
        signal.raise_signal(signal.SIGUSR1)
    assert is_from_handler(raised.value)
    predictor = Predictor(FOUR_BLOBS)
    for call in (
        lambda: predictor.predict([[1, Interrupted()]]),
        lambda: predictor.run({"x": [[1, Interrupted()]]}),
        lambda: Predictor(Interrupted()),  # type: ignore[arg-type]
    ):
        with pytest.raises(OutOfTime):
            call()


@pytest.mark.usefixtures("handled")
def test_not_from_a_handler() -> None:
    assert not is_from_handler(ValueError())
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int("a")
    assert not is_from_handler(raised.value)
    with pytest.raises(InvalidInput, match="division by zero"):
        Predictor(FOUR_BLOBS).predict([[1, type("Broken", (), {"__float__": lambda self: 1 / 0})()]])
