"""Commands and programs in processes to which the system gives less than usual."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from concurrency import HANG

# A user who has no name, and may read what root may. Each process of tests has one of its own, since the system counts
# what all processes of a user have.
_NAMELESS = 40_000 + os.getpid() % 20_000
_MAY = "-all,+dac_read_search,+dac_override"
_SECONDS = 20


def command(name: str) -> list[str]:
    """How to start edge-predict, edge-serve, edge-train or edge-export."""
    module = {"edge-predict": "edge_runtime.cli", "edge-serve": "edge_runtime.serve"}
    home = module.get(name, f"{name.replace('-', '_')}.cli")
    return [sys.executable, "-c", f"import sys; from {home}.command import main; sys.exit(main())"]


def limited(words: Sequence[object], limit: int | None = None, most: int = 0, **more: object) -> "Ended":
    """Run a command with at most `most` of a resource (`resource.RLIMIT_...`), to its end.

    With too little address space, CPython may go round forever: it cannot have the few bytes that it needs to handle an
    exception, and tries again (`exception_unwind` in its ceval.c); or a library waits forever. Whether it comes to that
    depends on how far threads are. Such a run is ended after far more time than any command needs, and made again.
    """
    import resource

    is_memory = limit == resource.RLIMIT_AS

    def lower() -> None:
        if limit is not None:
            resource.setrlimit(limit, (most, most))
        if is_memory:
            resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, 2 * _SECONDS))

    def run() -> Any:
        seconds = 3 * _SECONDS if is_memory else HANG
        how = {"capture_output": True, "text": True, "timeout": seconds, "preexec_fn": lower, **more}
        try:
            return subprocess.run([str(word) for word in words], **how)  # type: ignore[call-overload]
        except subprocess.TimeoutExpired as waited:
            if not is_memory:
                raise
            return subprocess.CompletedProcess(waited.args, -signal.SIGXCPU)

    result = run()
    if result.returncode == -signal.SIGXCPU:
        result = run()
    return Ended(result.returncode, result.stdout or "", result.stderr or "")


class Ended:
    """How a process has ended.

    Attributes:
        code, out, err: its exit code and what it has written.
    """

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit code {self.code}, stdout {self.out[-300:]!r}, stderr {self.err[-3000:]!r}"

    def assert_right_or_one_line(self, right: str) -> None:
        """See `is_right_or_one_line`."""
        assert self.is_right_or_one_line(right), self

    def is_right_or_one_line(self, right: str) -> bool:
        """Whether it has answered `right`; or right until then, and says in one line why no more."""
        if self.code == 0:
            return (self.out, self.err) == (right, "")
        # ONNX Runtime has lines of its own while it is loaded. So has OpenBLAS, which ends the process by itself.
        lines = [line for line in self.err.splitlines() if not line.startswith("Schema error: ")]
        is_one_line = len(lines) == 1 and lines[0].startswith(("error: ", "OpenBLAS error: "))
        return self.code == 1 and right.startswith(self.out) and is_one_line


def nameless(words: Sequence[object], processes: int | None = None) -> list[object]:
    """`words` as a user without a name, who may have so many processes, threads among them."""
    if sys.platform != "linux" or os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can be somebody else, with setpriv")
    caps = ["--inh-caps", _MAY, "--ambient-caps", _MAY.removeprefix("-all,"), "--bounding-set", _MAY]
    user = ["setpriv", "--reuid", _NAMELESS, "--regid", _NAMELESS, "--clear-groups", *caps]
    return [*user, *([] if processes is None else ["prlimit", f"--nproc={processes}"]), *words]


def unshared(script: str, folder: Path, environment: Mapping[str, str] | None = None) -> "Ended":
    """Run a shell script with mounts of its own, in `folder`."""
    if sys.platform != "linux" or os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can mount something, with unshare")
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]
    return limited(words, cwd=folder, env={**os.environ, **(environment or {})})


def for_each(values: Sequence[int], check: Callable[[int], object]) -> None:
    """Check each value, and say which one it was that failed."""
    for value in values:
        try:
            check(value)
        except AssertionError as error:
            raise AssertionError(f"at {value}: {error}") from error
