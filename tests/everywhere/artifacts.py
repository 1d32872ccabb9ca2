"""Artifacts of many kinds: the example in every precision, tables, modules of the zoo.

    python -m tests.everywhere.artifacts KIND FOLDER PLACE COUNT

exports every COUNTth of them, from the PLACEth on, into FOLDER. KIND is onnx, for ONNX and ORT files, or c, for some of
them as C code, whose sizes are fixed.
"""

import functools
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORMATS = {"onnx": ["onnx", "ort"], "c": ["c"]}
TABLES = {"onnx": 6, "c": 3}
PRECISIONS = {"onnx": ["float32", "float16", "int8", "int8-dynamic"], "c": ["float32", "int8"]}
IN_C = ("convolutions", "residual", "GRU", "causal attention", "two inputs, two outputs")
# What an artifact depends on.
SOURCES = ("runtime/edge_runtime", "train/edge_train", "export/edge_export", "tests/helpers")


def made_artifacts(kind: str, folder: Path, processes: int) -> list[Path]:
    """The artifacts of a kind in `folder`, exported again if the code has changed since."""
    digest = hashlib.sha256()
    for path in (ROOT / "constraints.txt", Path(__file__), *(ROOT / source for source in SOURCES)):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix in (".py", ".j2", ".txt"):
                digest.update(file.read_bytes())
    stamp = folder / "made-by"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with ThreadPoolExecutor(processes) as threads:
            list(threads.map(functools.partial(_export_part, kind, folder, processes), range(processes)))
        stamp.write_text(digest.hexdigest())
    return sorted(path for path in folder.iterdir() if path.suffix.removeprefix(".") in FORMATS[kind])


def _export_part(kind: str, folder: Path, processes: int, place: int) -> None:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.everywhere.artifacts",
        kind,
        folder,
        str(place),
        str(processes),
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"artifacts cannot be exported: {result.stdout}{result.stderr}")


def main(kind: str, folder: Path, place: int, count: int) -> None:
    """Export one part of the artifacts."""
    # For the helpers, which import one another.
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    import torch
    from quick_exports import one_registry
    from random_tables import random_table_net, zeros
    from zoo import ZOO

    from edge_export import export, export_checkpoint
    from edge_train import four_blobs, save_checkpoint, train

    torch.set_num_threads(1)

    def example() -> None:
        data = four_blobs(0)
        save_checkpoint(train(data).model, folder / "four_blobs.pt")
        export_checkpoint(
            folder / "four_blobs.pt", formats=FORMATS[kind], precisions=PRECISIONS[kind], data=dict(data.train.inputs)
        )

    def table(seed: int) -> None:
        model = random_table_net(seed, dates=seed % 2 == 1)
        export(model, zeros(model.signature), folder / f"table_{seed}.{kind}", formats=FORMATS[kind])

    def module(name: str) -> None:
        torch.manual_seed(0)
        path = folder / f"{name.replace(',', '').replace(' ', '_')}.{kind}"
        exhibit = ZOO[name]
        options = {} if kind == "c" else exhibit.options
        export(exhibit.module(), exhibit.example(), path, formats=FORMATS[kind], finite_only=True, **options)

    jobs: list[Callable[[], None]] = [
        example,
        *(functools.partial(table, seed) for seed in range(TABLES[kind])),
        *(functools.partial(module, name) for name in (IN_C if kind == "c" else ZOO)),
    ]
    with one_registry():
        for job in jobs[place::count]:
            job()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
