"""Opening a session of ONNX Runtime on the first provider that starts, with the settings for it."""

import contextlib
import functools
import mmap
import os
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from edge_runtime.contract.errors import DeviceUnavailable
from edge_runtime.engine.devices import CPU, CUDA, candidates, library_problem, provider_problem
from edge_runtime.engine.ort_errors import loading_error, reason_of
from edge_runtime.engine.processor_limits import available_processors

# A signal handler may open a model while one is opened.
_REDIRECTING = threading.RLock()


def open_session(
    ort: ModuleType,
    source: str | bytes,
    name: str,
    device: str,
    wanted: list[tuple[str, dict[str, str]]],
    threads: int | None,
    data: Path | None = None,
) -> tuple[Any, dict[str, str]]:
    """Open a session on the first provider that starts.

    Args:
        ort: the onnxruntime module.
        source: the path of the model, or its content.
        name: what to call the model in messages.
        device: what the user asked for.
        wanted: the providers to try, with their options.
        threads: the most processors that one call may use on the CPU; None for all of this process.
        data: the data file of the model, if it has one.

    Returns:
        The session, and the options of its provider.

    Raises:
        DeviceUnavailable: none of the providers starts.
        InvalidModel, ModelNotFound: the model cannot be opened on any device.
    """
    problem: str | None = None
    for provider, options in wanted:
        if problem := provider_problem(ort, provider, source):
            continue
        try:
            session = _new_session(ort, source, provider, options, threads, data)
        except Exception as error:
            if provider == CPU:
                raise loading_error(error, name) from error
            problem = reason_of(error)
            continue
        # ONNX Runtime silently falls back to the CPU: only the opened session tells.
        if session.get_providers()[0] == provider:
            return session, options
        problem = library_problem(ort, provider)
    # If the model cannot be opened on the CPU either, that is the error to report.
    open_session(ort, source, name, "cpu", candidates("cpu"), 1, data)
    raise DeviceUnavailable(f"device {device!r} cannot be used: {problem}")


def _new_session(
    ort: ModuleType,
    source: str | bytes,
    provider: str,
    options: dict[str, str],
    threads: int | None,
    data: Path | None,
) -> Any:
    settings = _settings(ort, provider, threads)

    def opened() -> Any:
        if provider == CPU:
            return ort.InferenceSession(source, settings, providers=[provider])
        # ONNX Runtime prints messages about missing libraries to stdout, which is for answers. One thread at a time
        # redirects it: two would undo each other in the wrong order.
        with _REDIRECTING, contextlib.redirect_stdout(sys.stderr):
            if provider == CUDA and hasattr(ort, "preload_dlls"):
                ort.preload_dlls()
            return ort.InferenceSession(source, settings, providers=[(provider, options)], enable_fallback=0)

    try:
        return opened()
    except Exception:
        # Some versions refuse a data file that a link leads to, unless it is handed to them, which takes more memory.
        if data is None or not hasattr(settings, "add_external_initializers_from_files_in_memory"):
            raise
    with data.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        settings.add_external_initializers_from_files_in_memory([data.name], [content], [len(content)])
        return opened()


def _settings(ort: ModuleType, provider: str, threads: int | None) -> Any:
    settings = ort.SessionOptions()
    settings.inter_op_num_threads = 1
    # ONNX Runtime would keep a memory pattern for each number of rows.
    settings.enable_mem_pattern = False
    if provider == CPU and _can_spin_briefly(ort) and threads != 1 and (most := available_processors()) > 1:
        wanted = min(most, threads or most)
        # With 0 ONNX Runtime gives each thread a processor of its own, which is right if all processors are ours.
        settings.intra_op_num_threads = 0 if wanted == _all_processors() else wanted
        # Waking up takes longer than most calls, so threads wait this long for the next call before they sleep.
        settings.add_session_config_entry("session.intra_op.spin_duration_us", "200")
    else:
        settings.intra_op_num_threads = 1
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Errors are raised, so ONNX Runtime need not print them too.
    settings.log_severity_level = 4
    return settings


@functools.cache
def _all_processors() -> int | None:
    # Asking takes longer than all settings.
    return os.cpu_count()


def _can_spin_briefly(ort: ModuleType) -> bool:
    """Whether this ONNX Runtime can let idle threads sleep soon; in older ones they spin for long, or never."""
    return _numbers(ort.__version__) >= (1, 26)


@functools.cache
def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))
