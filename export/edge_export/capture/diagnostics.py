"""Export diagnostics: the operation or the line of code that is behind torch's long messages."""

import re
import sysconfig
import traceback
from pathlib import Path


def cause(error: BaseException) -> str:
    """In one line, why torch could not export a module: the operation, or the line in it, and the reason."""
    functions = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    text = _without_color("\n".join([*_messages(error), *functions]))
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
)


_OTHERS = re.compile(
    rf"/(torch|onnx|onnxscript|onnx_ir|edge_export)/|{re.escape(sysconfig.get_path('stdlib'))}/(?!site-packages/)|^<"
)


def _messages(error: BaseException) -> list[str]:
    messages = [str(error)]
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
        messages.append(str(error))
    return messages


def _last_own_line(error: BaseException) -> str:
    """Where in code outside torch, its exporters and Python's own library the error came from."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not _OTHERS.search(Path(frame.filename).as_posix()) and frame.line
    ]
    return f" (at {frames[-1].filename}, line {frames[-1].lineno}: {frames[-1].line})" if frames else ""


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in _without_color(str(error)).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _without_color(text: str) -> str:
    return re.sub(r"\x1b\[\d+m", "", text)
