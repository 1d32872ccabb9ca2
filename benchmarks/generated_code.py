"""One row in generated code and in a browser, beside `predict_one`, `session.run` and other generators of C.

    .venv/bin/python -m benchmarks.generated_code [--rounds 40]

Run it on a machine that does nothing else. emx-onnx-cgen comes with `make bench`; onnx2c is timed where it is on the
PATH, Node and Chromium where they are installed and the npm package is built.
"""

import argparse
import contextlib
import ctypes
import functools
import importlib.machinery
import importlib.util
import itertools
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from benchmarks.models import Model, prepared
from benchmarks.timing import ratio, summary
from edge_export import export
from edge_runtime import Predictor

ROOT = Path(__file__).parents[1]
OPTIONS = {"-O2": ("-O2",), "-O3 -march=native": ("-O3", "-march=native")}
OURS, OTHERS = "C function", ("emx-onnx-cgen's C", "onnx2c's C")
EXTENSION, ONE, SESSION = "extension, from a list", "predict_one, from a list", "session.run, from an array"
# Few weights, so that the source is compiled in seconds.
MODELS = ("2-5-1", "30-64-64-3", "CNN")
_ROWS, _SECONDS, _WARM_SECONDS = 16, 0.02, 0.5

# Gives the seconds that one of many calls takes.
Timed = Callable[[int], float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generated_code")
    parser.add_argument("--rounds", type=int, default=40, help="of each comparison (%(default)s)")
    rounds = parser.parse_args().rounds
    samples: dict[str, dict[str, list[float]]] = {}
    for model in prepared():
        if model.name in MODELS:
            with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
                samples[model.name] = measured(dict(contestants(model, Path(folder), opened)), rounds)
            print_table(model.name, samples[model.name])
    print_goals(samples)


def measured(calls: dict[str, Timed], rounds: int) -> dict[str, list[float]]:
    """Seconds of a call, a sample in each round, in random order."""
    counts = {name: _count(timed) for name, timed in calls.items()}
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name in random.sample(list(calls), len(calls)):
            found[name].append(calls[name](counts[name]))
    return found


def _count(timed: Timed) -> int:
    """How many calls take `_SECONDS`, after as many as a compiler at run time wants to see: V8 takes thousands."""
    count = 1
    while count * timed(count) < _WARM_SECONDS:
        count *= 2
    return max(1, round(_SECONDS / timed(count)))


def contestants(model: Model, folder: Path, opened: contextlib.ExitStack) -> Iterator[tuple[str, Timed]]:
    """All that can answer a row of `model`."""
    formats = ["onnx", "c", *(["extension"] if model.labelled else [])]
    example = torch.from_numpy(model.rows(1))
    signature = Predictor(model.onnx).signature if model.labelled else None
    exports = export(model.module(), example, folder / "net.onnx", formats=formats, signature=signature)
    made = {str(one.format): one.path for one in exports}
    rows = model.rows(_ROWS)
    for name, options in OPTIONS.items():
        call = f"net_run(rows + (row % {_ROWS}) * {rows[0].size}, answer)"
        source = ['#include "net.h"', _timer(call)]
        yield f"{OURS}, {name}", _compiled(folder, [made["c"]], source, (*options, f"-I{folder}"), rows)
    fixed = _of_one_row(made["onnx"], folder)
    for other, generate in zip(OTHERS, (_by_emx, _by_onnx2c), strict=True):
        if (generated := generate(fixed, folder)) is not None:
            for name, options in OPTIONS.items():
                call = f"model((void *)(rows + (row % {_ROWS}) * {rows[0].size}), (void *)answer)"
                source = ["void model();", _timer(call)]
                yield f"{other}, {name}", _compiled(folder, [generated], source, options, rows)
    # Threads that wait for the next call would take the time of the others.
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(made["onnx"], settings, providers=["CPUExecutionProvider"])
    predictor = Predictor(made["onnx"], device="cpu")
    row, name = rows[0].tolist(), session.get_inputs()[0].name
    yield SESSION, _python(functools.partial(session.run, None), {name: rows[:1]})
    if not model.labelled:
        return
    yield EXTENSION, _python(_module(made["extension"], folder).predict_one, row)
    yield ONE, _python(predictor.predict_one, row)
    if not (ROOT / "runtime" / "web" / "dist" / "index.js").exists():
        return
    if node := shutil.which("node"):
        yield "npm package under Node", _under_node(node, made["onnx"], row, opened)
    with contextlib.suppress(ImportError):
        if (timed := _in_chromium(folder, row, opened)) is not None:
            yield "npm package in Chromium", timed


def _timer(call: str) -> str:
    """C that makes many calls, and gives the nanoseconds that all of them took."""
    return f"""#include <time.h>
double timed(long count, const float *rows, float *answer, double *sum);
double timed(long count, const float *rows, float *answer, double *sum) {{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long row = 0; row < count; row++) {{
        {call};
        *sum += answer[0];
    }}
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
}}"""


def _compiled(folder: Path, sources: list[Path], lines: list[str], options: tuple[str, ...], rows: Any) -> Timed:
    with tempfile.TemporaryDirectory() as made:
        driver, library = Path(made, "driver.c"), Path(made, "timed.so")
        driver.write_text("\n".join(lines))
        command = ["cc", "-std=gnu11", "-w", *options, "-shared", "-fPIC", "-o", *map(str, [library, driver, *sources])]
        subprocess.run([*command, "-lm"], check=True)
        function = ctypes.CDLL(str(library)).timed
    function.restype = ctypes.c_double
    answer, total = np.zeros(1024, np.float32), ctypes.c_double()

    def timed(count: int) -> float:
        pointers = (one.ctypes.data_as(ctypes.c_void_p) for one in (rows, answer))
        nanoseconds: float = function(ctypes.c_long(count), *pointers, ctypes.byref(total))
        return nanoseconds / count / 1e9

    return timed


def _of_one_row(path: Path, folder: Path) -> Path:
    """The model with a batch of one, as other generators want it."""
    model = onnx.load(path)
    del model.metadata_props[:]
    for tensor in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for axis in tensor.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_value = 1
    onnx.save(model, folder / "fixed.onnx")
    return folder / "fixed.onnx"


def _by_emx(path: Path, folder: Path) -> Path | None:
    """The C of emx-onnx-cgen, which sums in float32 as the others do; None where it is not installed."""
    if importlib.util.find_spec("emx_onnx_cgen") is None:
        return None
    output = folder / "emx.c"
    command = [sys.executable, "-m", "emx_onnx_cgen", "compile", "--model-name", "model"]
    command += ["--fp32-accumulation-strategy", "simple", str(path), str(output)]
    subprocess.run(command, check=True, capture_output=True)
    return output


def _by_onnx2c(path: Path, folder: Path) -> Path | None:
    """The C of onnx2c; None where it is not installed or refuses the model."""
    if (program := shutil.which("onnx2c")) is None:
        return None
    done = subprocess.run([program, "-f", "model", str(path)], capture_output=True, text=True)
    if done.returncode:
        print(f"onnx2c: {done.stderr.strip()}")
        return None
    output = folder / "onnx2c.c"
    output.write_text(done.stdout)
    return output


def _python(function: Callable[[Any], object], argument: Any) -> Timed:
    """A function, without another function around it."""

    def timed(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            function(argument)
        return (time.perf_counter() - start) / count

    return timed


def _module(path: Path, folder: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        archive.extract("net.abi3.so", folder)
    loader = importlib.machinery.ExtensionFileLoader("net", str(folder / "net.abi3.so"))
    spec = importlib.util.spec_from_loader("net", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _under_node(node: str, path: Path, row: list[float], opened: contextlib.ExitStack) -> Timed:
    program = [node, str(ROOT / "benchmarks" / "one_row.mjs"), str(path), json.dumps(row)]
    process = opened.enter_context(subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    opened.callback(process.kill)

    def timed(count: int) -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        print(count, file=process.stdin, flush=True)
        return float(process.stdout.readline())

    return timed


def _in_chromium(folder: Path, row: list[float], opened: contextlib.ExitStack) -> Timed | None:
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    from browsers import CHROMIUM
    from web_pages import chromium_page, site

    if CHROMIUM is None:
        return None
    address = opened.enter_context(site(benchmarks=ROOT / "benchmarks", made=folder))
    evaluate = opened.enter_context(chromium_page(address))
    load = """async (row) => {
        const { opened } = await import("/benchmarks/one_row.mjs");
        globalThis.timed = await opened("/made/net.onnx", row);
    }"""
    evaluate(load, row)
    return lambda count: float(evaluate("(count) => globalThis.timed(count)", count))


def print_table(name: str, samples: dict[str, list[float]]) -> None:
    """Medians with quartiles, and each as a multiple of the first."""
    first = next(iter(samples.values()))
    print(f"\n{name:<34}{'us a row':>12}  quartiles           times the first")
    for contestant, values in samples.items():
        found, over = summary(values), ratio(values, first)
        quartiles = f"{found['low'] * 1e6:.3f} to {found['high'] * 1e6:.3f}"
        print(f"  {contestant:<32}{found['median'] * 1e6:12.3f}  {quartiles:<20}{over['median']:.2f}")


def print_goals(samples: dict[str, dict[str, list[float]]]) -> None:
    """Each goal, and what was measured."""
    print("\ngoals")
    for name, found in samples.items():
        for other, option in itertools.product(OTHERS, OPTIONS):
            if f"{other}, {option}" in found:
                over = ratio(found[f"{OURS}, {option}"], found[f"{other}, {option}"])["median"]
                print(f"  {name}: {OURS} over {other}, {option}: at most 1: {over:.2f}")
    example = samples["2-5-1"]
    print(f"  extension, the example from a list: at most 0.1 us: {summary(example[EXTENSION])['median'] * 1e6:.3f}")
    part = ratio(example[EXTENSION], example[ONE])["median"]
    print(f"  extension over predict_one: at most 0.05: {part:.3f}")


if __name__ == "__main__":
    main()
