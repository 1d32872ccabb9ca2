import os
import subprocess
import sys
import time

import pytest
from benchmarks.soak.report import problems, slopes
from benchmarks.soak.slope import fit
from benchmarks.soak.watch import Watch, sample

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched in Linux's /proc")

# It says so after each step, so that the clock has no part in it.
GROWS = """
import os, sys, time
kept, files = [], []
while True:
    if "leak" in sys.argv:
        kept.append(bytearray(os.urandom(1 << 14)) * 2)
    if "open" in sys.argv:
        files.append(open(os.devnull))
    time.sleep(1 / 32)
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["leak", "open", "none"])
def test_a_megabyte_a_second_and_open_files_are_found(what: str) -> None:
    watch = Watch(0.05)
    process = subprocess.Popen([sys.executable, "-c", GROWS, what])
    try:
        watch.add({"one": process.pid})
        time.sleep(12)
    finally:
        watch.end()
        process.kill()
        process.wait()
    memory, files, threads = slopes([list(one) for one in watch.samples["one"]])
    assert memory.grows(3) == (what == "leak")
    assert files.grows(4) == (what == "open")
    assert not threads.grows(2)
    if what == "leak":
        assert 0.2 * 3600 < memory.per_hour < 1.5 * 3600


def test_a_process_that_has_ended_has_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert sample(process.pid) is None
    own = sample(os.getpid())
    assert own is not None
    assert own.megabytes > 5
    assert own.descriptors >= 3
    assert own.threads >= 1
    assert fit([0.0], [1.0]).begin == 1
    assert callable(problems)
