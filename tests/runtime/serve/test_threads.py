import asyncio
from typing import Any

import pytest

from edge_runtime import OutOfResources
from edge_runtime.serve.refusals import Refused
from edge_runtime.serve.threads import Threads, in_thread


def refuse(*_: Any) -> Any:
    raise RuntimeError("can't start new thread")


def test_all_are_made_at_once() -> None:
    with Threads(3, "t") as threads:
        threads.start()
        assert len(threads._threads) == 3
        assert asyncio.run(called(threads)) == 5


async def called(threads: Threads) -> int:
    return await in_thread(threads, sum, [2, 3])


def test_too_few_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with Threads(3, "t") as threads:
        submit = threads.submit
        count: list[int] = []

        def twice(*arguments: Any) -> Any:
            count.append(1)
            return submit(*arguments) if len(count) < 3 else refuse()

        monkeypatch.setattr(threads, "submit", twice)
        # The two that are there do not wait for the third for ever, or this would not end.
        with pytest.raises(OutOfResources, match=r"needs 3 threads .* allow it more"):
            threads.start()


def test_no_thread_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    with Threads(1, "t") as threads:
        monkeypatch.setattr(threads, "submit", refuse)
        with pytest.raises(Refused, match="short of threads: can't start") as refused:
            asyncio.run(called(threads))
        assert refused.value.status == 503
