"""Models whose pages are opened: those of the runtime's tests, and some with names and weights of their own."""

import dataclasses

import numpy as np
import tables
from certificates import appended
from image_models import colours_model
from paths import FOUR_BLOBS, MODELS

from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.signature import Input

HOSTILE = "</script><script>hacked = 1</script>\"'><img src=x onerror='hacked = 1'>${hacked = 1}`"


def content_of(name: str) -> bytes:
    if name == "colours":
        return colours_model()
    if name == "hostile":
        return appended((MODELS / "penguins.onnx").read_bytes(), SIGNATURE_KEY, hostile_signature())
    if name == "wide":
        return appended((MODELS / "penguins.onnx").read_bytes(), SIGNATURE_KEY, wide_signature())
    if name == "changed":
        # A bit of the last weight.
        content = bytearray(FOUR_BLOBS.read_bytes())
        place = content.index(np.float32(weight_of(content)).tobytes())
        content[place + 3] ^= 0x40
        return bytes(content)
    return (MODELS / f"{name}.onnx").read_bytes()


def weight_of(content: bytes) -> np.float32:
    """A weight of a model whose largest initializer is one of float32."""
    import onnx

    model = onnx.load_from_string(bytes(content))
    arrays = [onnx.numpy_helper.to_array(one) for one in model.graph.initializer]
    found = max((one for one in arrays if one.dtype == np.float32), key=lambda one: one.size)
    return found.ravel()[0]  # type: ignore[no-any-return]


def hostile_signature() -> str:
    """Names, categories and labels that would be code, if the page took them for markup."""
    signature = tables.PENGUINS
    island, year = signature.inputs[1].features
    island = dataclasses.replace(island, name=f"island {HOSTILE}", categories=(HOSTILE, *island.categories[1:]))
    year = dataclasses.replace(year, name="constructor")
    inputs = (signature.inputs[0], Input("text", (island, year)))
    columns = (island.name, *signature.columns[1:-1], year.name)
    labels = tuple(f"{label} {HOSTILE}" for label in signature.labels)
    return dataclasses.replace(signature, inputs=inputs, columns=columns, labels=labels).to_json()


def wide_signature() -> str:
    """Thousands of categories."""
    signature = tables.PENGUINS
    island, year = signature.inputs[1].features
    island = dataclasses.replace(island, categories=("Biscoe", *(f"Insel Nº {number} — ö" for number in range(5000))))
    return dataclasses.replace(signature, inputs=(signature.inputs[0], Input("text", (island, year)))).to_json()
