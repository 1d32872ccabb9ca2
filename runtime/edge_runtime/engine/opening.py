"""Opening a session of ONNX Runtime on the first provider that starts, with the settings for it."""

import contextlib
import functools
import logging
import mmap
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from edge_runtime.contract.errors import DeviceUnavailable, EdgePredictError, InvalidInput, InvalidModel
from edge_runtime.contract.signals import is_from_handler
from edge_runtime.engine.devices import CPU, CUDA, candidates, library_problem, provider_problem
from edge_runtime.engine.installation import numbers
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.ort_errors import lacks_resources, lacks_threads, loading_error, reason_of
from edge_runtime.engine.processor_limits import available_processors
from edge_runtime.engine.session_settings import Provider, SessionSettings

_LOG = logging.getLogger("edge_runtime")

# A signal handler may open a model while one is opened.
_REDIRECTING = threading.RLock()


def open_session(ort: ModuleType, source: ModelSource, settings: SessionSettings) -> tuple[Any, dict[str, str]]:
    """Open a session on the first provider that starts.

    Args:
        ort: the onnxruntime module.
        source: the model.
        settings: how to open it.

    Returns:
        The session, and the options of its provider.

    Raises:
        UnknownDevice: no device has this name.
        DeviceUnavailable: none of the providers starts.
        InvalidModel, ModelNotFound: the model cannot be opened on any device.
        InvalidInput: ONNX Runtime does not take a setting.
    """
    # All of `providers` together, or one provider of a device after the other.
    attempts = [[one] for one in candidates(settings.device)] if settings.providers is None else [settings.providers]
    problem: str | None = None
    for providers in attempts:
        if problem := next(filter(None, (provider_problem(ort, name, source) for name, _ in providers)), None):
            _LOG.info("%r does not run on %s: %s", source, providers[0][0], problem)
            continue
        try:
            session = _new_session(ort, source, providers, settings)
        except EdgePredictError:
            raise
        except Exception as error:
            if is_from_handler(error):
                raise
            if providers[0][0] == CPU:
                if lacks_threads(error) and settings.threads != 1:
                    # `threads` is the most that a call may use.
                    _LOG.warning("%r runs on one thread: %s", source, reason_of(error))
                    return open_session(ort, source, replace(settings, threads=1))
                if not lacks_resources(error) and _opens_without_options(ort, source, settings):
                    raise InvalidInput(
                        f"session_options: ONNX Runtime does not open the model with them: {reason_of(error)}"
                    ) from error
                raise loading_error(error, source.name) from error
            problem = reason_of(error)
            _LOG.info("%r does not run on %s: %s", source, providers[0][0], problem)
            continue
        # ONNX Runtime silently falls back to the CPU: only the opened session tells.
        missing = [name for name, _ in providers if name not in session.get_providers()]
        if not missing:
            return session, providers[0][1]
        problem = library_problem(ort, missing[0])
        _LOG.warning("%r does not run on %s: %s", source, missing[0], problem)
    # If the model cannot be opened on the CPU either, that is the error to report.
    open_session(ort, source, replace(settings, device="cpu", providers=None, threads=1))
    raise DeviceUnavailable(f"{settings.shown_device} cannot be used: {problem}")


def _opens_without_options(ort: ModuleType, source: ModelSource, settings: SessionSettings) -> bool:
    """Whether only the session options are to blame for a model that cannot be opened on the CPU."""
    if not settings.session_options:
        return False
    try:
        _new_session(ort, source, [(CPU, {})], replace(settings, session_options={}, threads=1))
    except Exception:
        return False
    return True


def _new_session(ort: ModuleType, source: ModelSource, providers: Sequence[Provider], settings: SessionSettings) -> Any:
    names = [name for name, _ in providers]
    # Others may keep what they compile, under a name that they make of the path.
    with source.opening(by_path=not {*names} <= {CPU, CUDA}) as model:
        options = _session_options(ort, source, model, providers[0][0], settings)

        def opened() -> Any:
            if names == [CPU] and not providers[0][1]:
                return ort.InferenceSession(model, options, providers=names, enable_fallback=0)
            # ONNX Runtime prints messages about missing libraries to stdout, which is for answers. One thread at a time
            # redirects it: two would undo each other in the wrong order.
            with _REDIRECTING, contextlib.redirect_stdout(sys.stderr):
                if CUDA in names and hasattr(ort, "preload_dlls"):
                    ort.preload_dlls()
                return ort.InferenceSession(model, options, providers=list(providers), enable_fallback=0)

        data = source.data
        try:
            return opened()
        except Exception:
            # Some versions refuse a data file that a link leads to, unless it is handed to them, which takes more
            # memory.
            if data is None or not hasattr(options, "add_external_initializers_from_files_in_memory"):
                raise
        with data.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            options.add_external_initializers_from_files_in_memory([data.name], [content], [len(content)])
            return opened()


def _session_options(
    ort: ModuleType, source: ModelSource, model: str | bytes, provider: str, settings: SessionSettings
) -> Any:
    options = ort.SessionOptions()
    options.inter_op_num_threads = 1
    # ONNX Runtime would keep a memory pattern for each number of rows.
    options.enable_mem_pattern = False
    if provider == CPU and source.has_small_rows:
        # Unless tensors have tens of megabytes, ONNX Runtime's own allocator takes longer than the system's.
        options.enable_cpu_mem_arena = False
    if provider == CPU and (wanted := cpu_threads(ort, settings.threads)) > 1:
        # With 0 ONNX Runtime gives each thread a processor of its own, which is right if all processors are ours.
        options.intra_op_num_threads = 0 if wanted == _all_processors() else wanted
        # Waking up takes longer than most calls, so threads wait this long for the next call before they sleep.
        options.add_session_config_entry("session.intra_op.spin_duration_us", "200")
    else:
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Errors are raised, so ONNX Runtime need not print them too.
    options.log_severity_level = 4
    if isinstance(model, bytes):
        _set_data_folder(ort, options, source)
    settings.apply(options)
    return options


def _set_data_folder(ort: ModuleType, options: Any, source: ModelSource) -> None:
    """Say where the files are that a model's content refers to; without a folder, nowhere: not in the current one."""
    if numbers(ort.__version__) >= (1, 21):
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(source.data_folder or os.devnull)
        )
    elif source.refers_to_files:
        raise InvalidModel(
            f"the model has its weights in other files, and ONNX Runtime {ort.__version__} finds them only beside the "
            "file of the model; open it by its path, or upgrade onnxruntime to 1.21"
        )


def cpu_threads(ort: ModuleType, most: int | None) -> int:
    """How many threads a session on the CPU has, of `most` that it may have; None for one per processor."""
    if most == 1 or not _can_spin_briefly(ort):
        return 1
    return min(available_processors(), most or available_processors())


@functools.cache
def _all_processors() -> int | None:
    # Asking takes longer than all settings.
    return os.cpu_count()


def _can_spin_briefly(ort: ModuleType) -> bool:
    """Whether this ONNX Runtime can let idle threads sleep soon; in older ones they spin for long, or never."""
    return numbers(ort.__version__) >= (1, 26)
