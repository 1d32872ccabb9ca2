"""--limit: each name that is taken has an effect, and each of the others is refused."""

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line
from looping import FOR_EVER, looping
from paths import FOUR_BLOBS, MODELS

from edge_runtime import Limits
from edge_runtime.cli.command import main

Command = Callable[..., Any]

EVERYWHERE = {"model_bytes", "nodes", "metadata_bytes", "reference_batches", "call_seconds"}
EVERYWHERE |= {"line_bytes", "json_depth", "unpacked_bytes", "pipe_seconds"}
ISOLATED = {"isolated_bytes", "isolated_seconds"}


@pytest.mark.parametrize(
    ("limit", "arguments"),
    [
        ("model_bytes=1", [FOUR_BLOBS, "--describe"]),
        ("nodes=1", [FOUR_BLOBS, "--describe"]),
        ("metadata_bytes=1", [FOUR_BLOBS, "--describe"]),
        ("reference_batches=1", ["certified.onnx", "--verify"]),
        ("call_seconds=0.05", ["loops.onnx", *FOR_EVER]),
        ("line_bytes=1", [FOUR_BLOBS, "--input", "rows.csv"]),
        ("json_depth=1", [FOUR_BLOBS, "--input", "deep.json"]),
        ("unpacked_bytes=1", [MODELS / "tensors.onnx", "--input", "x.npz"]),
        ("pipe_seconds=0.01", [FOUR_BLOBS, "--input", "pipe"]),
    ],
)
def test_every_limit_has_an_effect(
    command: Command,
    certified: Callable[..., bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    arguments: list[object],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("certified.onnx").write_bytes(certified())
    Path("loops.onnx").write_bytes(looping())
    Path("rows.csv").write_text("-1,1\n")
    Path("deep.json").write_text("[[1, 2]]")
    np.savez_compressed("x.npz", x=np.zeros(100_000))
    if "pipe" in arguments:
        if not hasattr(os, "mkfifo"):
            pytest.skip("needs named pipes")
        os.mkfifo("pipe")
    name = limit.partition("=")[0]
    assert name in EVERYWHERE
    result = command(main, *arguments, "--device", "cpu", "--limit", limit)
    assert_one_line(result, 1, f"; if you trust it, raise the limit: limits=Limits({name}=...)")
    for many in ("nodes", "bytes", "levels", "batches"):
        assert f" 1 {many}" not in result.err, "it is in the singular"


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Limits)} - EVERYWHERE))
def test_a_limit_without_an_effect_is_refused(command: Command, name: str) -> None:
    result = command(main, FOUR_BLOBS, -1, 1, "--limit", f"{name}=2")
    if name in ISOLATED:
        assert_one_line(result, 2, f"error: --limit {name}=2 needs --isolate (see --help)\n")
    else:
        assert_one_line(result, 2, f"error: --limit: {name} has no effect here; the limits that have are ")
        assert all(one in result.err for one in EVERYWHERE)
        assert not any(one in result.err for one in ISOLATED)


@pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")
def test_with_isolation(command: Command) -> None:
    result = command(main, FOUR_BLOBS, -1, 1, "--isolate", "--limit", "columns=2")
    assert_one_line(result, 2, "columns has no effect here", ", isolated_bytes, isolated_seconds (see --help)")


def test_a_long_cell_at_the_shell(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(f"x1,x2,note\n-1,1,{'x' * 200_000}\n")
    answer = command(main, FOUR_BLOBS, -1, 1).out
    result = command(main, FOUR_BLOBS, "--input", rows)
    assert (result.code, result.out) == (0, answer)
    rows.write_text('-1,"' + 3000 * "x\n")
    result = command(main, FOUR_BLOBS, "--input", rows, "--limit", "line_bytes=2k")
    assert_one_line(result, 1, "rows.csv line 1")
