"""What a model is, in plain Python types: the shell writes it as JSON, and so does the server."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edge_runtime.contract.errors import InvalidModel

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate
    from edge_runtime.contract.tensors import TensorSpec
    from edge_runtime.predictor import Predictor


def description(predictor: "Predictor") -> dict[str, Any]:
    """What a model takes, returns and runs on, and all of its certificate but the arrays.

    If the certificate cannot be read, it is None, and `certificate_problem` says why.
    """
    certificate, problem = readable_certificate(predictor)
    return {
        "signature": None if predictor.signature is None else predictor.signature.to_dict(),
        "inputs": _plain(predictor.inputs),
        "overridable_initializers": _plain(predictor.overridable_initializers),
        "outputs": _plain(predictor.outputs),
        "input_ranges": [one.to_dict() for one in predictor.input_ranges],
        "metadata": vars(predictor.metadata) | {"custom": custom_metadata(predictor)},
        "provider": predictor.provider,
        "certificate": None if certificate is None else certificate.summary(),
        **({} if problem is None else {"certificate_problem": problem}),
    }


def custom_metadata(predictor: "Predictor") -> dict[str, str]:
    """What the maker of a file put into it, by key, without what edge-predict reads from it."""
    return {key: text for key, text in predictor.metadata.custom.items() if not key.startswith("edge_predict.")}


def _plain(specs: Sequence["TensorSpec"]) -> list[dict[str, Any]]:
    return [{"name": spec.name, "type": spec.type, "shape": list(spec.shape)} for spec in specs]


def readable_certificate(predictor: "Predictor") -> tuple["Certificate | None", str | None]:
    """The certificate, and why it cannot be read: a model with a damaged or a newer one still answers."""
    try:
        return predictor.certificate, None
    except InvalidModel as error:
        return None, str(error)
