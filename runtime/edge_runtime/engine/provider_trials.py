"""Whether the providers of ONNX Runtime really start: each computes a tiny model, in a process of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterable

from edge_runtime.engine.devices import CPU, CUDA, library_problem, provider_problem
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.ort_errors import reason_of

# y = x @ w, of opset 13: x and y are float32 of shape (1, 2), w is [[1, 2], [3, 4]].
MODEL = bytes.fromhex(
    "08073a610a110a01780a017712017922064d61744d756c120570726f62652a1b0802080210014201774a100000803f0000004000004040"
    "000080405a130a0178120e0a0c080112080a0208010a02080262130a0179120e0a0c080112080a0208010a02080242040a00100d"
)
ROW, PRODUCT = [[1.0, 10.0]], [[31.0, 42.0]]
# Starting CUDA for the first time may take this long.
SECONDS = 60
_CHILD = "import sys; sys.path[:] = {path!r}; from edge_runtime.engine.provider_trials import main; main({provider!r})"


def trials(providers: Iterable[str]) -> dict[str, str | None]:
    """Why each provider cannot be used; None for one that computes.

    A library that is missing or broken may end a process, or print to the terminal. So the CPU alone is tried in this
    one; all others at the same time, each in one of its own.
    """
    children = {
        name: subprocess.Popen(
            [sys.executable, "-c", _CHILD.format(path=sys.path, provider=name)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for name in providers
        if name != CPU
    }
    return {name: _said(children[name]) if name in children else trial(name) for name in providers}


def trial(provider: str) -> str | None:
    """Why `provider` cannot be used; None if it computes a tiny model."""
    import numpy as np

    ort = import_onnxruntime()
    if problem := provider_problem(ort, provider, ModelSource(MODEL)):
        return problem
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    settings.intra_op_num_threads = 1
    if provider != CPU:
        settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        if provider == CUDA and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        session = ort.InferenceSession(MODEL, settings, providers=[provider], enable_fallback=0)
        if session.get_providers()[0] != provider:
            return library_problem(ort, provider)
        (found,) = session.run(None, {"x": np.array(ROW, np.float32)})
    except Exception as error:
        reason = reason_of(error)
        return "it leaves even a matrix product to the CPU" if "fallback to CPU" in reason else reason
    return None if found.tolist() == PRODUCT else f"it computes {found.tolist()} where {PRODUCT} is right"


def main(provider: str) -> None:
    """Write what `trial` returns as JSON, in a line of its own: ONNX Runtime may have written too."""
    sys.stdout.write(f"\n{json.dumps(trial(provider))}\n")


def _said(child: "subprocess.Popen[str]") -> str | None:
    try:
        printed, _ = child.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return f"it does not start within {SECONDS} seconds"
    if child.returncode == 0:
        return json.loads(printed.splitlines()[-1])  # type: ignore[no-any-return]
    how = signal.Signals(-child.returncode).name if child.returncode < 0 else f"exit code {child.returncode}"
    return f"it ends the process that tries it ({how})"
