"""Export diagnostics: the operation or the line of code that is behind torch's long messages."""

import re
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path

from torch.nn.utils.rnn import PackedSequence


def cause(error: BaseException) -> str:
    """In one line, why torch could not export a module: the operation, or the line in it, and the reason."""
    functions = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    text = _without_color("\n".join([*_messages(error), *functions, *_packed(error)]))
    matches = [(re.search(pattern, text), wording) for pattern, wording in _PATTERNS]
    found = [wording.format(*filter(None, match.groups())) for match, wording in matches if match]
    place = re.search(r'File "([^"<]+)", line (\d+), in (\w+)\n\s*(.+)', text)
    where = f" (at {place[1]}, line {place[2]}: {place[4].strip()})" if place else _last_own_line(error)
    reason = found[0] if found else _first_line(error)
    return f"{reason}{where}"


_PATTERNS = (
    (
        r"\b_detect_is_causal_mask\b",
        "a Transformer layer looks into its mask to see whether it is causal: pass is_causal=True or False",
    ),
    (
        r"Could not guard on data-dependent expression|data-dependent (?:branching|control flow)",
        "it branches on the values of a tensor, and only one branch would be kept; torch.cond keeps both",
    ),
    (r"No ONNX function found for <OpOverload\(op='([\w.]+)'", "ONNX has no counterpart of the operation {0}"),
    (r"Error when translating node %?(\w+) .*?target=torch\.ops\.([\w.]+)\]", "the operation {1} cannot be translated"),
    (r"[Dd]ynamic shape operator: ([\w.]+)", "the size of the result of {0} depends on the values of a tensor"),
    (
        r"Could not find an implementation for (\w+)\(",
        "it has no kernel on the CPU for {0} in the types of this module: export it in float32, with module.float()",
    ),
    (
        r"references nonexistent attribute \w+ of (?:.+\.)?(\w+)",
        "torch.export reserves the name {0}, and a part of the module has it: rename that part",
    ),
    (
        r"Found <class '(?:.+\.)?(\w+)'> in output|Unsupported input type <class '(?:.+\.)?(\w+)'>",
        "torch.export cannot look into {0}: use a dict or a tuple, or torch.export.register_dataclass",
    ),
    (r"Must provide a tree_name", "torch.export cannot take **kwargs whose sizes change: name the arguments"),
    (
        r"torch\.classes\.quantized",
        "the module is quantized: export it in float32, and choose the precision of the files",
    ),
    (
        r"\bPackedSequence\b",
        "the sizes within a packed sequence depend on the lengths: run the layer on the padded rows instead, and "
        "choose or mask its results by the lengths, such as output[torch.arange(len(lengths)), lengths - 1]",
    ),
)


_OTHERS = re.compile(
    rf"/(torch|onnx|onnxruntime|onnxscript|onnx_ir|edge_export|edge_runtime)/|{re.escape(sysconfig.get_path('stdlib'))}/(?!site-packages/)|^<"
)


def _messages(error: BaseException) -> list[str]:
    messages = [str(error)]
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
        messages.append(str(error))
    return messages


def _packed(error: BaseException) -> list[str]:
    """The name of the class PackedSequence if a function that the error came through holds one."""
    frames = traceback.walk_tb(error.__traceback__)
    held = any(isinstance(value, PackedSequence) for frame, _ in frames for value in list(frame.f_locals.values()))
    return [PackedSequence.__name__] if held else []


def own_frames(frames: Iterable[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Those of `frames` that lie in code outside torch, its exporters and Python's own library."""
    return [frame for frame in frames if not _OTHERS.search(Path(frame.filename).as_posix()) and frame.line]


def place_of(frame: traceback.FrameSummary | None) -> str:
    """A line of code as it stands behind a message: " (at net.py, line 7: if x.sum() > 0:)"."""
    return "" if frame is None else f" (at {frame.filename}, line {frame.lineno}: {frame.line})"


def _last_own_line(error: BaseException) -> str:
    frames = own_frames(traceback.extract_tb(error.__traceback__))
    return place_of(frames[-1] if frames else None)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in _without_color(str(error)).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _without_color(text: str) -> str:
    return re.sub(r"\x1b\[\d+m", "", text)
