"""The threads of a server."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from edge_runtime.contract.errors import OutOfResources
from edge_runtime.serve.refusals import Refused

Result = TypeVar("Result")


class Threads(ThreadPoolExecutor):
    """Threads that are made when they are first needed, or all at once before."""

    def __init__(self, count: int, name: str) -> None:
        super().__init__(count, name)
        self._count = count

    def start(self) -> None:
        """Make all of them now, so that no request finds that none can be made.

        Raises:
            OutOfResources: the system allows fewer.
        """
        together = threading.Barrier(self._count + 1)
        try:
            for _ in range(self._count):
                self.submit(together.wait)
        except RuntimeError as error:
            together.abort()
            raise OutOfResources(
                f"a server needs {self._count} threads of this kind, and the system does not give them ({error}); "
                "allow it more processes (ulimit -u) or memory"
            ) from error
        together.wait()


def in_thread(threads: Executor, work: Callable[..., Result], *arguments: object) -> asyncio.Future[Result]:
    """`work(*arguments)` on one of `threads`; or Refused (503), if none can be started now."""
    loop = asyncio.get_running_loop()
    try:
        return loop.run_in_executor(threads, work, *arguments)
    except RuntimeError as error:
        refused: asyncio.Future[Result] = loop.create_future()
        refused.set_exception(Refused(503, f"the server is short of threads: {error}", {"retry-after": "1"}))
        return refused
