"""Models whose pages are opened: those of the runtime's tests, and some with names and weights of their own."""

import dataclasses

import tables
from certificates import appended
from image_models import colours_model
from paths import FOUR_BLOBS, MODELS
from sales import SALES

from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.signature import Input

HOSTILE = "</script><script>hacked = 1</script>\"'><img src=x onerror='hacked = 1'>${hacked = 1}`"


def content_of(name: str) -> bytes:
    if name == "colours":
        return colours_model()
    if name == "hostile":
        return appended((MODELS / "penguins.onnx").read_bytes(), SIGNATURE_KEY, tables.hostile_penguins(HOSTILE))
    if name == "endless":
        return appended((MODELS / "sales.onnx").read_bytes(), SIGNATURE_KEY, endless_signature())
    if name == "wide":
        return appended((MODELS / "penguins.onnx").read_bytes(), SIGNATURE_KEY, wide_signature())
    if name == "changed":
        return with_another_weight(FOUR_BLOBS.read_bytes())
    return (MODELS / f"{name}.onnx").read_bytes()


def with_another_weight(content: bytes) -> bytes:
    """A model with a bit changed in the exponent of a weight."""
    import onnx

    arrays = [onnx.numpy_helper.to_array(one) for one in onnx.load_from_string(content).graph.initializer]
    place = content.index(max(arrays, key=lambda one: one.size).tobytes())
    return content[: place + 3] + bytes([content[place + 3] ^ 0x40]) + content[place + 4 :]


def endless_signature() -> str:
    """Dates from the first that there is to the last one."""
    numbers, texts, (sold, paid) = *SALES.inputs[:2], SALES.inputs[2].features
    sold = dataclasses.replace(sold, minimum=float(FIRST_SECOND), maximum=float(LAST_SECOND))
    return dataclasses.replace(SALES, inputs=(numbers, texts, Input("date", (sold, paid)))).to_json()


def wide_signature() -> str:
    """Thousands of categories."""
    signature = tables.PENGUINS
    island, year = signature.inputs[1].features
    island = dataclasses.replace(island, categories=("Biscoe", *(f"Insel Nº {number} — ö" for number in range(5000))))
    return dataclasses.replace(signature, inputs=(signature.inputs[0], Input("text", (island, year)))).to_json()
