"""What a model is, in plain Python types: the shell writes it as JSON, and so does the server."""

from typing import TYPE_CHECKING, Any

from edge_runtime.contract.errors import InvalidModel

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate
    from edge_runtime.predictor import Predictor


def description(predictor: "Predictor") -> dict[str, Any]:
    """What a model takes, returns and runs on, and all of its certificate but the arrays.

    If the certificate cannot be read, it is None, and `certificate_problem` says why.
    """
    certificate, problem = readable_certificate(predictor)
    return {
        "signature": None if predictor.signature is None else predictor.signature.to_dict(),
        "inputs": [{"name": spec.name, "type": spec.type, "shape": list(spec.shape)} for spec in predictor.inputs],
        "outputs": [{"name": spec.name, "type": spec.type, "shape": list(spec.shape)} for spec in predictor.outputs],
        "input_ranges": [one.to_dict() for one in predictor.input_ranges],
        "provider": predictor.provider,
        "certificate": None if certificate is None else certificate.summary(),
        **({} if problem is None else {"certificate_problem": problem}),
    }


def readable_certificate(predictor: "Predictor") -> tuple["Certificate | None", str | None]:
    """The certificate, and why it cannot be read: a model with a damaged or a newer one still answers."""
    try:
        return predictor.certificate, None
    except InvalidModel as error:
        return None, str(error)
