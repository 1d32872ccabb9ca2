"""The isolated process itself: it confines itself, opens one model, and answers questions about it.

A question is a list: its name, its time in seconds or None, and its arguments. An answer is ["value", value] or
["error", name, message]; before it may come ["step"], any number of times. See `messages`.
"""

import pickle
import signal
import socket
from collections.abc import Callable
from typing import Any, NoReturn

from edge_runtime.contract.errors import EdgePredictError
from edge_runtime.contract.terminal import one_line, shortened
from edge_runtime.isolate import confinement, landlock, messages, seccomp
from edge_runtime.isolate.needed_files import needed_files
from edge_runtime.reloadable import opened

_MOST = 2**63


def main(descriptor: int) -> NoReturn:
    """Answer the questions on the socket `descriptor` until it ends."""
    confinement.end_with_parent()
    confinement.give_up_rights()
    # By these the system ends this process, at once and in silence; its parent may have blocked or ignored them.
    for number in (signal.SIGINT, signal.SIGALRM, signal.SIGIO):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    connection = socket.socket(fileno=descriptor)

    def receive(buffer: memoryview) -> None:
        while buffer:
            if not (count := connection.recv_into(buffer)):
                raise SystemExit
            buffer = buffer[count:]

    def send(*answer: Any) -> None:
        for part in messages.encoded(answer):
            connection.sendall(part)

    answers = _Answers(lambda: send("step"))
    while True:
        try:
            what, seconds, *arguments = messages.read(receive, _MOST)
        except MemoryError:
            send("error", "MemoryError", "")
            continue
        signal.setitimer(signal.ITIMER_REAL, seconds or 0)
        try:
            send("value", getattr(answers, what)(*arguments))
        except EdgePredictError as error:
            send("error", type(error).__name__, str(error))
        except Exception as error:
            send("error", type(error).__name__, shortened(one_line(error)))
        signal.setitimer(signal.ITIMER_REAL, 0)


class _Answers:
    """What can be asked."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step

    def start(self, most: int | None) -> int | None:
        """Load all that a model needs, and give up the rest; `confinement.limit` says how much memory is left."""
        from edge_runtime.engine.installation import import_onnxruntime
        from edge_runtime.opened_model import OpenedModel

        import_onnxruntime()
        self._kind = OpenedModel
        seccomp.give_up_sockets_and_processes()
        return confinement.limit(most)

    def open(self, pickled: bytes) -> dict[str, Any]:
        """Open the model that the parent has pickled, and say what it declares."""
        # Its parent is the one that is trusted.
        source, settings = pickle.loads(pickled)
        landlock.read_only(needed_files(source, settings))
        self._model = opened(self._kind, source, settings)
        session = self._model._runner.placement.main
        return {
            "version": session.version,
            "metadata": session.metadata,
            **{
                name: [[spec.name, spec.type, list(spec.shape)] for spec in getattr(session, name)]
                for name in ("inputs", "outputs", "overridable_initializers")
            },
        }

    def run(self, names: list[str], feed: dict[str, Any]) -> list[Any]:
        """The outputs with these names."""
        return list(self._model.run(feed, names).values())

    def metadata(self) -> dict[str, Any]:
        """`OpenedModel.metadata`."""
        return vars(self._model.metadata)

    def certificate(self) -> str | None:
        """The text of the certificate, if it can be read."""
        certificate = self._model.certificate
        return None if certificate is None else certificate.to_json()

    def verify(self) -> dict[str, Any]:
        """`OpenedModel.verify`."""
        found = self._model.verify(self._step)
        return {**vars(found), "checks": [vars(check) for check in found.checks]}
