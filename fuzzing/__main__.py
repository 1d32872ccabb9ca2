"""Feed hostile input to everything that reads.

    make fuzz SECONDS=720
    .venv/bin/python -m fuzzing --only signature certificate --seconds 60
    .venv/bin/python -m fuzzing --only signature --replay build/fuzz/signature/untyped-*.input

Exits with 1 if an input has crashed a process outside ONNX Runtime, hung, filled the memory, or raised an error that is
not one of edge-predict's.
"""

import argparse
import atexit
import contextlib
import io
import os
import sys
from pathlib import Path

from benchmarks.pages import write_between

from fuzzing.targets import MODULES


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="TARGET", default=[], help="these targets")
    parser.add_argument("--module", choices=MODULES, help="the targets of this file in fuzzing/targets")
    parser.add_argument("--seconds", type=float, default=720, help="of the whole run (%(default)g)")
    parser.add_argument("--inputs", type=int, default=sys.maxsize, help="the most for each target")
    parser.add_argument(
        "--jobs", type=int, default=len(os.sched_getaffinity(0)), help="targets at a time (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("build/fuzz"), help="folder of findings (%(default)s)")
    parser.add_argument("--page", type=Path, help="a page with the marks of the table, which is put between them")
    parser.add_argument("--plain", action="store_true", help="without atheris, also if it is installed")
    parser.add_argument(
        "--replay", nargs="*", type=Path, metavar="FILE", help="read these inputs once, or all seeds and the corpus"
    )
    parser.add_argument("--list", action="store_true", help="name the targets and stop")
    options = parser.parse_args()
    # Whatever is read is to be instrumented, and imported once for all processes; atheris names each module on stderr.
    with _instrumented(not options.plain and options.replay is None), contextlib.redirect_stderr(io.StringIO()):
        from fuzzing.findings import saved
        from fuzzing.replay import corpus_of, replayed
        from fuzzing.runner import Bounds, run
        from fuzzing.table import BEGIN, END, markdown
        from fuzzing.target import remove_scratch
        from fuzzing.targets import load

        found, missing = load([options.module] if options.module else MODULES)
    atexit.register(remove_scratch)
    for module, package in missing.items():
        print(f"{module} is not run, without {package}", file=sys.stderr)
    if unknown := sorted(set(options.only) - {target.name for target in found}):
        parser.error(f"no such target: {', '.join(unknown)}; --list names them")
    if options.page and (options.only or options.module):
        parser.error("--page takes the table of all targets; run it without --only and --module")
    chosen = [target for target in found if not options.only or target.name in options.only]
    if options.list:
        print("\n".join(target.name for target in chosen))
        return
    if options.replay is not None:
        sys.exit(replayed(chosen, options.replay))
    results = []
    bounds = Bounds(options.seconds, options.inputs)
    for result in run(chosen, bounds, options.output, corpus_of, options.jobs, options.seed):
        results.append(result)
        print(f"{result.target}: {result.inputs:,} inputs in {result.seconds:.0f} s", flush=True)
        for cause in saved(options.output / result.target):
            print(f"  {cause}", flush=True)
    text = markdown(results, missing, _machine(options.seconds))
    print(f"\n{text}")
    if options.page:
        try:
            write_between(options.page, BEGIN, END, text)
        except ValueError as error:
            raise SystemExit(str(error)) from error
    sys.exit(any(result.faults for result in results))


def _instrumented(wanted: bool) -> contextlib.AbstractContextManager[object]:
    """Whatever is imported within this counts which of its code runs, if that is `wanted` and atheris is installed."""
    if not wanted:
        return contextlib.nullcontext()
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: no coverage guides the search", file=sys.stderr)
        return contextlib.nullcontext()
    manager: contextlib.AbstractContextManager[object] = atheris.instrument_imports(
        include=["edge_runtime", "edge_train", "edge_export", "fuzzing.targets"], enable_loader_override=False
    )
    return manager


def _machine(seconds: float) -> str:
    from benchmarks.machine import machine

    found = machine()
    versions = f"Python {found['python']}, onnxruntime {found['onnxruntime']}"
    return f"Made by `make fuzz` in {seconds:g} seconds on {found['processor']}, cores: {found['cores']}, {versions}."


if __name__ == "__main__":
    main()
