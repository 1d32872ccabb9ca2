"""A folder that shows a mismatch to anybody: the refused file, the program, the inputs, and a script to run."""

import copy
import io
from pathlib import Path

import numpy as np
import torch

from edge_export.capture.program import Program
from edge_export.formats.external_data import Content
from edge_export.formats.string_inputs import string_features
from edge_export.verify.comparison import Element
from edge_runtime.contract.atomic_files import make_folder, write_files

_SCRIPT = '''\
"""Shows where {artifact} differs from torch. Needs torch, numpy and onnxruntime only:  python reproduce.py"""

from pathlib import Path

import numpy as np
import torch

here = Path(__file__).parent
program = torch.export.load(here / "program.pt2")
args, kwargs = program.example_inputs
{inputs}
outputs = {outputs!r}
output, index = {output!r}, {index!r}


def flat(results):
    return [leaf for leaf in torch.utils._pytree.tree_leaves(results) if isinstance(leaf, torch.Tensor)]


def from_torch():
    with torch.no_grad():
        results = program.module(check_guards=False)(*args, **kwargs)
    return dict(zip(outputs, (leaf.numpy() for leaf in flat(results))))


def from_artifact():
{run}


expected, found = from_torch()[output], from_artifact()[output]
print("{artifact} among {kind}")
if found.shape != expected.shape:
    raise SystemExit(f"  {{output}} has the shape {{list(found.shape)}}, torch: {{list(expected.shape)}}")
print(f"  {{output}}{{list(index)}}: {{found[index]}}, torch: {{expected[index]}}, in float64: {float64!r}")
print(f"  the tolerance is {tolerance:.3g}")
same = (found == expected) | (np.isnan(found) & np.isnan(expected))
with np.errstate(invalid="ignore"):
    apart = np.where(same, 0.0, np.abs(found.astype(np.float64) - expected.astype(np.float64)))
print(f"  {{np.sum(~same)}} of {{same.size}} elements differ from torch in this call, by at most {{apart.max():.3g}}")
'''

_INPUTS = 'inputs = dict(np.load(here / "inputs.npz"))  # the same, by name'
_STRING_INPUTS = """\
inputs = dict(np.load(here / "inputs.npz"))  # the same, by name, with the strings that torch is given the codes of
inputs = {name: values.astype(object) if values.dtype.kind == "U" else values for name, values in inputs.items()}"""

_RUN_ONNX = """\
    import os

    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    session = onnxruntime.InferenceSession(here / "{artifact}", providers=["CPUExecutionProvider"])
    return dict(zip(outputs, session.run(outputs, inputs)))
"""

_RUN_TORCHSCRIPT = """\
    module = torch.jit.load(here / "{artifact}")
    with torch.no_grad():
        return dict(zip(outputs, (leaf.numpy() for leaf in flat(module(*args, **kwargs)))))
"""


def write_reproduction(folder: Path, program: Program, artifact: str, content: Content, mismatch: Element) -> None:
    """Write reproduce.py and what it needs into `folder`.

    Args:
        folder: made if it is missing.
        program: what was exported.
        artifact: the file name of what was refused.
        content: its bytes; its data file, if it has one, is moved.
        mismatch: its worst element.

    Raises:
        CannotWrite: it cannot be written there.
    """
    inputs, exported = io.BytesIO(), io.BytesIO()
    # Objects would have to be unpickled.
    plain = {
        name: values.astype(str) if values.dtype == object else values for name, values in mismatch.strings.items()
    }
    np.savez(inputs, **plain)  # type: ignore[arg-type]
    shown = copy.copy(program.exported)
    shown.example_inputs = program.captured_arguments(mismatch.tensors)
    torch.export.save(shown, exported)
    run = _RUN_TORCHSCRIPT if artifact.endswith(".torchscript") else _RUN_ONNX
    script = _SCRIPT.format(
        artifact=artifact,
        outputs=list(program.outputs),
        output=mismatch.output,
        index=mismatch.index,
        kind=mismatch.kind,
        float64=mismatch.float64,
        tolerance=mismatch.tolerance,
        inputs=_STRING_INPUTS if string_features(program.signature) else _INPUTS,
        run=run.format(artifact=artifact),
    )
    files: dict[Path, bytes | Path] = {
        folder / "reproduce.py": script.encode(),
        folder / "inputs.npz": inputs.getvalue(),
        folder / "program.pt2": exported.getvalue(),
        folder / artifact: content if isinstance(content, bytes) else content.model,
    }
    if not isinstance(content, bytes):
        files[folder / content.data.name] = content.data
    make_folder(folder)
    write_files(files)
