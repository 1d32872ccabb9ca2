"""Opening a session of ONNX Runtime: on the first provider that really comes up, with the settings for it."""

import contextlib
import os
import sys
import threading
from types import ModuleType
from typing import Any

from edge_runtime.contract.errors import (
    DeviceUnavailable,
)
from edge_runtime.engine.devices import CPU, CUDA, candidates, library_problem, provider_problem
from edge_runtime.engine.ort_errors import loading_error, one_line
from edge_runtime.engine.processor_limits import available_processors

_REDIRECTING = threading.Lock()


def open_session(
    ort: ModuleType,
    source: str | bytes,
    name: str,
    device: str,
    wanted: list[tuple[str, dict[str, str]]],
    threads: int | None,
) -> tuple[Any, dict[str, str]]:
    """A session on the first candidate that really comes up, and its options."""
    problem: str | None = None
    for provider, options in wanted:
        if problem := provider_problem(ort, provider, source):
            continue
        try:
            session = _new_session(ort, source, provider, options, threads)
        except Exception as error:
            if provider == CPU:
                raise loading_error(error, name) from error
            problem = one_line(error)
            continue
        # ONNX Runtime falls back to the CPU without a word: only the finished session tells.
        if session.get_providers()[0] == provider:
            return session, options
        problem = library_problem(ort, provider)
    # Is it the device, or a model that opens nowhere? Then that is what has to be said.
    open_session(ort, source, name, "cpu", candidates("cpu"), 1)
    raise DeviceUnavailable(f"device {device!r} cannot be used: {problem}")


def _new_session(
    ort: ModuleType, source: str | bytes, provider: str, options: dict[str, str], threads: int | None
) -> Any:
    settings = ort.SessionOptions()
    settings.inter_op_num_threads = 1
    # A pattern would be kept for every number of rows that is ever called.
    settings.enable_mem_pattern = False
    if provider == CPU and _can_spin_briefly(ort) and threads != 1 and (most := available_processors()) > 1:
        wanted = min(most, threads or most)
        # Left to itself ONNX Runtime gives each thread a processor of its own, which is right where all are ours.
        settings.intra_op_num_threads = 0 if wanted == os.cpu_count() else wanted
        # Threads that sleep take longer to wake up than most calls take; so long they wait for the next call, no more.
        settings.add_session_config_entry("session.intra_op.spin_duration_us", "200")
    else:
        settings.intra_op_num_threads = 1
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Errors reach the caller as exceptions; ONNX Runtime need not print them as well.
    settings.log_severity_level = 4
    if provider == CPU:
        return ort.InferenceSession(source, settings, providers=[provider])
    # What ONNX Runtime prints about missing libraries goes to stdout, which belongs to the answers. One redirection at
    # a time: two would undo each other in the wrong order.
    with _REDIRECTING, contextlib.redirect_stdout(sys.stderr):
        if provider == CUDA and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        return ort.InferenceSession(source, settings, providers=[(provider, options)], enable_fallback=0)


def _can_spin_briefly(ort: ModuleType) -> bool:
    """Whether this ONNX Runtime can let idle threads sleep soon; older ones spin for long, or lose by not spinning."""
    return tuple(map(int, ort.__version__.split(".")[:2])) >= (1, 26)
