"""The corpus, inputs that were found before, and how inputs are read once."""

import faulthandler
from collections.abc import Sequence
from pathlib import Path

from fuzzing import ROOT
from fuzzing.findings import raised
from fuzzing.target import Target

CORPUS = ROOT / "tests" / "fuzz" / "corpus"
# These end the process, as long as ONNX Runtime is what it is.
CRASHES = "onnxruntime-"


def corpus_of(target: str) -> list[bytes]:
    """The inputs of a target that were found before, without those that crash ONNX Runtime."""
    return [path.read_bytes() for path in _files(target)]


def crashes() -> list[Path]:
    """Models that crash ONNX Runtime, or did so in one of its versions."""
    return sorted(CORPUS.glob(f"*/{CRASHES}*"))


def _files(target: str) -> list[Path]:
    return [path for path in sorted((CORPUS / target).glob("*")) if not path.name.startswith(CRASHES)]


def replayed(targets: Sequence[Target], files: Sequence[Path]) -> int:
    """Read `files`, or all seeds and the corpus, once for each target, in this process, and print what goes wrong.

    Returns:
        How many inputs were not in order.
    """
    faulthandler.enable()
    wrong = 0
    for target in targets:
        check = target.prepare()
        named = [(str(place), data) for place, data in enumerate(() if files else target.seeds())]
        named += [(path.name, path.read_bytes()) for path in files or _files(target.name)]
        for name, data in named:
            try:
                check(data)
            except Exception as error:
                if (finding := raised(error, data)) is not None:
                    wrong += 1
                    print(f"{target.name}, {name}: {finding.cause}\n{finding.text}")
        print(f"{target.name}: {len(named)} inputs", flush=True)
    return wrong
