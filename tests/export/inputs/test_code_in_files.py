"""Files that would run code where they are unpickled run nothing here, wherever in the file it is."""

import argparse
import copyreg
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pickled import PROTOCOLS, WRITERS, former
from torch import nn

from edge_export.inputs.checkpoint_reader import Placeholder, read_without_classes


class Options:
    """An object of the user's own class."""


class Records(list[Any]):
    pass


class Runs:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


class Hashed(Runs):
    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return self is other


class WithState:
    def __init__(self, state: object) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        return Options, (), self.state


class WithItems:
    def __init__(self, item: object) -> None:
        self.item = item

    def __reduce__(self) -> Any:
        return Records, (), None, iter([self.item])


# pathlib, os, builtins, and functions that lie in torch itself.
PAYLOADS: dict[str, Callable[[], Hashed]] = {
    "os.system": lambda: Hashed(os.system, "touch ran"),
    "Path.touch": lambda: Hashed(Path.touch, Path("ran")),
    "exec": lambda: Hashed(exec, "open('ran', 'w').close()"),
    "eval": lambda: Hashed(eval, "__import__('os').system('touch ran')"),
    "getattr": lambda: Hashed(Path("ran").touch),
    "torch.save": lambda: Hashed(torch.save, 1, "ran"),
    "bytes of torch.save": lambda: Hashed(
        torch.storage._load_from_bytes,
        former(Runs(os.system, "touch ran"), 2),
    ),
}
POSITIONS: dict[str, Callable[[Hashed], object]] = {
    "alone": lambda payload: payload,
    "a value": lambda payload: {"state_dict": {"weight": torch.ones(2), "bias": payload}},
    "a key": lambda payload: {payload: 1},
    "before the weights": lambda payload: {"hyper_parameters": payload, "weight": torch.ones(2)},
    "after the weights": lambda payload: {"weight": torch.ones(2), "hyper_parameters": payload},
    "in a list": lambda payload: [1, [payload]],
    "in a tuple": lambda payload: (1, (payload,)),
    "in a set": lambda payload: {payload},
    "in a state": lambda payload: WithState({"a": payload}),
    "a state": lambda payload: WithState(payload),
    "an item": lambda payload: WithItems(payload),
    "an argument": lambda payload: Runs(Options, payload),
    "the metadata": lambda payload: _with_metadata(payload),
    "in a namespace": lambda payload: argparse.Namespace(a=payload),
}


def _with_metadata(payload: object) -> object:
    state = nn.Linear(2, 1).state_dict()
    state._metadata = {"": payload}  # type: ignore[attr-defined]
    return state


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize("position", POSITIONS)
def test_nothing_runs_in_any_position(
    name: str, position: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for write in WRITERS:
        for protocol in PROTOCOLS:
            content = write(POSITIONS[position](PAYLOADS[name]()), protocol)
            assert not Path("ran").exists(), "writing ran it"
            try:
                read_without_classes(content)
            except Exception:  # a refusal is as good
                assert (name, position) not in {("os.system", "a value"), ("Path.touch", "after the weights")}
            assert not Path("ran").exists(), (write.__name__, protocol)


def test_this_check_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place, name in enumerate(PAYLOADS):
        content = pickle.dumps(POSITIONS["in a list"](PAYLOADS[name]()))
        pickle.loads(content)
        assert Path("ran").exists(), name
        Path("ran").rename(f"{place}")


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b"(S'touch ran'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch ran'\no.",
        b"\x80\x02cos\nsystem\nX\x09\x00\x00\x00touch ran\x85R.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09touch ran\x85R.",
        b"\x80\x04\x8c\x0ctorch.hub.os\x8c\x06system\x93\x8c\x09touch ran\x85R.",
        b"\x80\x04\x8c\x05torch\x8c\x0dhub.os.system\x93\x8c\x09touch ran\x85R.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09touch ran\x85\x81.",
        b"\x80\x02c__builtin__\ngetattr\ncos\nsystem\nX\x01\x00\x00\x00a\x86RX\x09\x00\x00\x00touch ran\x85R.",
    ],
)
def test_nothing_runs_by_any_instruction(opcodes: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        found = read_without_classes(opcodes)
    except pickle.UnpicklingError:
        found = Placeholder()
    assert isinstance(found, Placeholder)
    assert not Path("ran").exists()


def test_nothing_runs_by_its_number_in_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    copyreg.add_extension("posix", "system", 240)
    try:
        content = b"\x80\x02\x82\xf0X\x09\x00\x00\x00touch ran\x85R."
        pickle.loads(content)  # from now on, unpicklers know it without asking for its name
        Path("ran").unlink()
        assert isinstance(read_without_classes(content), Placeholder)
    finally:
        copyreg.remove_extension("posix", "system", 240)
    assert not Path("ran").exists()


def test_a_file_cannot_change_the_functions_that_it_may_call() -> None:
    # BUILD with a state of two dicts sets attributes; what it names is the function that makes tensors.
    opcodes = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__X\x01\x00\x00\x00as\x86b."
    before = torch._utils._rebuild_tensor_v2.__defaults__
    with pytest.raises(pickle.UnpicklingError, match="a function has no state"):
        read_without_classes(opcodes)
    assert torch._utils._rebuild_tensor_v2.__defaults__ == before


def test_no_module_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_by_a_file.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    found: Any = read_without_classes(b"\x80\x02cimported_by_a_file\nOptions\n)\x81.")
    assert found.origin == "imported_by_a_file.Options"
    assert "imported_by_a_file" not in sys.modules
