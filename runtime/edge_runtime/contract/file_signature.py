"""The signature in a model file, checked against the tensors that the file declares."""

from collections.abc import Mapping, Sequence

from edge_runtime.contract.errors import InvalidModel
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.signature import Signature
from edge_runtime.contract.tensors import TensorSpec


def signature_in(
    metadata: Mapping[str, str], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> Signature | None:
    """The signature of a model file; None if it does not carry one.

    Args:
        metadata: what the file says about itself, by key.
        inputs: the input tensors that it declares.
        outputs: the output tensors that it declares.

    Raises:
        InvalidModel: the signature cannot be read, or describes other tensors, so that answers would be wrong.
    """
    text = metadata.get(SIGNATURE_KEY)
    if text is None:
        return None
    signature = Signature.from_json(text)
    described = {
        tensor.name: ("O" if tensor.holds_strings else "i" if tensor.holds_dates else "f", tensor.feature_count)
        for tensor in signature.inputs
    }
    declared = {spec.name: _kind_and_columns(spec) for spec in inputs}
    # Numbers are read as one type, and no other integers hold the seconds of dates.
    types = {spec.type for spec in inputs if declared[spec.name][0] == "f"}
    integers = {spec.type for spec in inputs if declared[spec.name][0] == "i"}
    fits = described == declared and len(types) <= 1 and integers <= {"tensor(int64)"}
    if not signature.has_features:
        fits = described.keys() == declared.keys()
    given = {spec.name: _kind_and_columns(spec) for spec in outputs}
    columns = len(signature.labels) if signature.task == "multiclass_classification" else 1
    scale = None if signature.conformal is None else signature.conformal.scale
    fits = fits and given.get(signature.output) == ("f", columns) and (scale is None or given.get(scale) == ("f", 1))
    if not fits:
        raise InvalidModel("the signature does not describe this graph; export the model again")
    return signature


def _kind_and_columns(spec: TensorSpec) -> tuple[str | None, int | str | None]:
    """The kind of the numpy type of `spec`, and its number of columns if it is a matrix."""
    return None if spec.dtype is None else spec.dtype.kind, spec.shape[1] if len(spec.shape) == 2 else None
