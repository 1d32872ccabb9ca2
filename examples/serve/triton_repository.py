"""Puts a model into a repository of Triton, whose ONNX Runtime backend runs the artifact as it is.

python examples/serve/triton_repository.py birds/model.onnx repository birds
tritonserver --model-repository=repository
"""

import shutil
import sys
from pathlib import Path

from edge_runtime import Predictor, TensorSpec

# By the names of ONNX Runtime.
TYPES = {"float": "FP32", "double": "FP64", "float16": "FP16", "bfloat16": "BF16"}


def config(name: str, predictor: Predictor) -> str:
    """The config.pbtxt of a model.

    Triton joins the requests of several callers along the first axis if it may have any size.
    """
    specs = (*predictor.inputs, *predictor.outputs)
    is_batched = all(spec.shape and not isinstance(spec.shape[0], int) for spec in specs)
    lines = [f'name: "{name}"', 'backend: "onnxruntime"', f"max_batch_size: {1024 if is_batched else 0}"]
    for part, tensors in (("input", predictor.inputs), ("output", predictor.outputs)):
        lines += [f"{part} [", ",\n".join(tensor(spec, is_batched) for spec in tensors), "]"]
    if is_batched:
        lines.append("dynamic_batching { }")
    return "\n".join(lines) + "\n"


def tensor(spec: TensorSpec, is_batched: bool) -> str:
    """A tensor in config.pbtxt, without the first axis if Triton joins requests along it."""
    element = spec.type.removeprefix("tensor(").removesuffix(")")
    sizes = [str(size) if isinstance(size, int) else "-1" for size in spec.shape[is_batched:]]
    kind = f"TYPE_{TYPES.get(element, element.upper())}"
    return f'  {{ name: "{spec.name}", data_type: {kind}, dims: [ {", ".join(sizes)} ] }}'


def main() -> None:
    """Write the folder of the model that the command line names."""
    model, repository, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    version = repository / name / "1"
    version.mkdir(parents=True, exist_ok=True)
    shutil.copy2(model, version / "model.onnx")
    (repository / name / "config.pbtxt").write_text(config(name, Predictor(model, device="cpu")))
    print(f"wrote {version / 'model.onnx'} and {repository / name / 'config.pbtxt'}")


if __name__ == "__main__":
    main()
