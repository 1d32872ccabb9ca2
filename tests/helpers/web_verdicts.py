"""What the npm package makes of artifacts, under Node or in a browser.

    .venv/bin/python tests/helpers/web_verdicts.py node|chromium|firefox PATH...

Each PATH is an .onnx or .ort file, or a folder of them. Prints one line of JSON for each artifact, in the order of the
paths and of the names in a folder:

    {"model": "build/everywhere/artifacts/four_blobs.onnx", "passed": true, "tolerance_used": 0.13, "problem": null}

`tolerance_used` is the largest fraction that an element's error is of its tolerance; null if it is infinite or not
known. `problem` is why the artifact did not open or did not pass. Exits with 1 if one did not pass, and with 3 and a
line on stderr where the host is not installed. The package must be built: `make runtime/web/dist/index.js`.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from browsers import CHROMIUM
from paths import ROOT
from web_pages import FIREFOX, PAGES, site

# passed, tolerance_used and problem, as above.
Verdict: TypeAlias = dict[str, Any]

NODE = shutil.which("node")
VERIFY = ROOT / "tests" / "web" / "verify.mjs"
# Takes the address of an artifact.
IN_A_PAGE = """async (path) => {
    const { verdict } = await import("/tests/web/verdicts.mjs");
    return verdict(new Uint8Array(await (await fetch(path)).arrayBuffer()));
}"""
CRASHED: Verdict = {"passed": False, "tolerance_used": None, "problem": "the program has crashed"}


def absent(host: str) -> str | None:
    """Why `host` cannot be used here; None if it can."""
    if host == "node":
        return None if NODE else "node is not installed"
    if host == "chromium" and find_spec("playwright") is None:
        return "playwright is not installed"
    return None if {"chromium": CHROMIUM, "firefox": FIREFOX}[host] else f"{host} is not installed"


def verdicts(host: str, paths: Sequence[Path]) -> list[Verdict]:
    """The verdicts on artifacts. After one with which ONNX Runtime crashes, a new program goes on with the others."""
    found: list[Verdict] = []
    while len(found) < len(paths):
        some = HOSTS[host](paths[len(found) :])
        found += some if some else [CRASHED]
    return found


def _under_node(paths: Sequence[Path]) -> list[Verdict]:
    assert NODE is not None
    result = subprocess.run([NODE, VERIFY, *paths], capture_output=True, text=True)
    return list(map(json.loads, result.stdout.splitlines()))


def _in_browser(host: str) -> Callable[[Sequence[Path]], list[Verdict]]:
    def verdicts(paths: Sequence[Path]) -> list[Verdict]:
        found: list[Verdict] = []
        with tempfile.TemporaryDirectory() as folder:
            for number, path in enumerate(paths):
                (Path(folder) / str(number)).symlink_to(path.absolute())
            with site(artifacts=Path(folder)) as address, PAGES[host](address) as evaluate:
                for number in range(len(paths)):
                    found.append(evaluate(IN_A_PAGE, f"/artifacts/{number}"))
                    if found[-1].get("crashed"):
                        break
        return found

    return verdicts


HOSTS = {"node": _under_node, "chromium": _in_browser("chromium"), "firefox": _in_browser("firefox")}


def main(host: str, *given: str) -> int:
    """Print the verdicts; the exit code."""
    if reason := absent(host):
        print(reason, file=sys.stderr)
        return 3
    paths: list[Path] = []
    for path in map(Path, given):
        inside = sorted(one for one in path.iterdir() if one.suffix in (".onnx", ".ort")) if path.is_dir() else [path]
        paths += inside
    found = verdicts(host, paths)
    for path, one in zip(paths, found, strict=True):
        print(json.dumps({"model": str(path), **{key: one[key] for key in CRASHED}}))
    return 0 if all(one["passed"] for one in found) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
