"""What importing the runtime, opening a model and predicting do not do to the program around them."""

import subprocess
import sys

import pytest
from concurrency import HANG
from paths import FOUR_BLOBS, MODELS
from traced import bare_environment

# What a program may rely on: everything here is the same before and after. Each value is one that can be compared.
LOOK = """
import atexit, decimal, faulthandler, gc, locale, logging, os, random, signal, socket, sys, threading, time, warnings
import multiprocessing, tempfile
import numpy as np

def look(everything):
    mask = os.umask(0)
    os.umask(mask)
    found = {
        "signal handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "blocked signals": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "timers": signal.getitimer(signal.ITIMER_REAL),
        "locale": [locale.setlocale(kind) for kind in (locale.LC_ALL, locale.LC_NUMERIC, locale.LC_CTYPE)],
        "time zone": time.tzname,
        "filters of warnings": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "environment": {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"},
        "streams": [sys.stdin, sys.stdout, sys.stderr, sys.stdout.errors, sys.stdout.encoding],
        "mask of new files": mask,
        "numpy's errors": (np.geterr(), np.geterrcall()),
        "numpy's printing": np.get_printoptions(),
        "numpy's random state": [part if isinstance(part, (str, int, float)) else part.tolist()
                                 for part in np.random.get_state()],
        "random state": random.getstate(),
        "current folder": os.getcwd(),
        "path of modules": list(sys.path),
        "finders": [list(sys.meta_path), list(sys.path_hooks)],
        "hooks": [sys.excepthook, sys.unraisablehook, sys.displayhook, threading.excepthook, sys.gettrace(),
                  sys.getprofile()],
        "recursion": (sys.getrecursionlimit(), threading.stack_size(), sys.getswitchinterval()),
        "garbage collection": (gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.get_freeze_count(),
                               [id(one) for one in gc.callbacks]),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable,
                    logging.getLoggerClass(), logging.lastResort),
        "decimal": str(decimal.getcontext()),
        "sockets": socket.getdefaulttimeout(),
        "start method": multiprocessing.get_start_method(allow_none=True),
        "folder of temporary files": tempfile.tempdir,
        "faults": faulthandler.is_enabled(),
        "processors": os.sched_getaffinity(0),
        "niceness": os.nice(0),
        "threads of Python": [thread.name for thread in threading.enumerate()],
        # Numbers this small are zero for programs that set the processor so.
        "small numbers": float(np.float32(1e-40) * np.float32(1)),
        "rounding": (0.1 + 0.2).hex(),
    }
    if everything:
        found["open files"] = sorted(os.readlink(f"/proc/self/fd/{number}") for number in open_files())
        found["what runs at the end"] = atexit._ncallbacks()
    return found

def open_files():
    for name in os.listdir("/proc/self/fd"):
        try:
            os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # that of the folder itself
        yield name

def compare(before, after, step):
    for name, value in before.items():
        if repr(value) != repr(after[name]):
            print(f"{step} changes {name}: {value!r}, then {after[name]!r}"[:500])
"""
IMPORT = "import edge_runtime\nfrom edge_runtime import Predictor, EdgePredictError"
OPEN = f"predictors = [Predictor({str(FOUR_BLOBS)!r}), Predictor({str(MODELS / 'penguins.onnx')!r}, threads=1)]"
PREDICT = f"""
predictors[0].predict([[-1, 1]] * 100_000)
predictors[0].predict_one([-1, 1])
predictors[0].run({{"x": [[np.nan, np.inf]]}})
for wrong in ([[1, 2, 3]], [["a", 1]], None):
    try:
        predictors[0].predict(wrong)
    except EdgePredictError:
        pass
try:
    Predictor({__file__!r})
except EdgePredictError:
    pass
predictors[1].unseen({{"island": "Atlantis", "bill": 39.1, "mass": 3750, "ringed": True, "year": 2007}})
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks at what Linux shows")


def found(steps: str) -> str:
    """What a program prints that looks around before and after `steps`."""
    environment = bare_environment(FOUR_BLOBS.parent, PYTHONWARNINGS="default", TZ="Asia/Kolkata")
    result = subprocess.run(
        [sys.executable, "-c", LOOK + steps], env=environment, capture_output=True, text=True, timeout=HANG
    )
    assert (result.returncode, result.stderr) == (0, ""), result
    return result.stdout


def test_importing_opening_and_predicting_change_nothing() -> None:
    steps = f"""
before = look(False)
{IMPORT}
compare(before, look(False), "importing")
{OPEN}
compare(before, look(False), "opening")
opened = look(True)
del opened["threads of Python"]  # a large batch is computed by several
{PREDICT}
compare(opened, look(True), "predicting")
print("looked")
"""
    assert found(steps) == "looked\n"


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("signal.signal(signal.SIGUSR1, lambda *_: None)", "signal handlers"),
        ("warnings.simplefilter('ignore')", "filters of warnings"),
        ("os.environ['A'] = '1'", "environment"),
        ("np.seterr(all='ignore')", "numpy's errors"),
        ("np.random.rand()", "numpy's random state"),
        ("random.random()", "random state"),
        ("os.umask(0o777)", "mask of new files"),
        ("os.chdir('/')", "current folder"),
        ("logging.basicConfig()", "logging"),
        ("atexit.register(print)", "what runs at the end"),
        ("kept = os.open('/proc/self/maps', 0)", "open files"),
        ("kept = threading.Timer(60, print); kept.daemon = True; kept.start()", "threads of Python"),
    ],
)
def test_this_check_can_fail(step: str, name: str) -> None:
    assert f"it changes {name}: " in found(f"before = look(True)\n{step}\ncompare(before, look(True), 'it')")
