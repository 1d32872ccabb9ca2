"""What a model is, and what the replay of its proof found: as text for people, or as JSON, one object in one line."""

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate
    from edge_runtime.contract.signature import Feature, Signature
    from edge_runtime.predictor import Predictor
    from edge_runtime.verification import Verification

# Of a feature's categories, the rest being counted.
_SHOWN = 10


def description_json(predictor: "Predictor") -> str:
    """What `predictor` takes, gives and runs on, and all of its certificate but the arrays.

    Raises:
        InvalidModel: the certificate is damaged, or newer than this version reads.
    """
    certificate = predictor.certificate
    return _json_line(
        {
            "signature": None if predictor.signature is None else predictor.signature.to_dict(),
            "inputs": [{"name": spec.name, "type": spec.type, "shape": list(spec.shape)} for spec in predictor.inputs],
            "outputs": [
                {"name": spec.name, "type": spec.type, "shape": list(spec.shape)} for spec in predictor.outputs
            ],
            "provider": predictor.provider,
            "certificate": None if certificate is None else certificate.summary(),
        }
    )


def description_text(predictor: "Predictor") -> str:
    """What `predictor` takes, gives and runs on, and what its certificate is about. Raises as `description_json`."""
    lines = [f"input     {spec}" for spec in predictor.inputs]
    lines += [f"output    {spec}" for spec in predictor.outputs]
    if predictor.signature is None:
        lines.append("signature none: Predictor.run takes the inputs by name and gives the outputs by name")
    else:
        lines += _signature_lines(predictor.signature)
    lines.append(f"provider  {predictor.provider}")
    if predictor.certificate is None:
        lines.append("verified  no: the model has no certificate")
    else:
        lines += _certificate_lines(predictor.certificate)
    return "\n".join(lines) + "\n"


def verification_json(verification: "Verification") -> str:
    """All of `verification`, and whether it and each of its checks passed; null stands for infinity."""
    checks = [
        {name: None if value == math.inf else value for name, value in vars(check).items()} | {"passed": check.passed}
        for check in verification.checks
    ]
    return _json_line({"passed": verification.passed, **vars(verification), "checks": checks})


def verification_text(verification: "Verification") -> str:
    """A line for each check, what they ran on, whether the file is whole, and, if it passed, that it did."""
    several = len({check.output for check in verification.checks}) > 1
    table = [("compared with torch", "rows", "farthest", "allowed", "used")]
    table += [
        (
            f"{check.kind}: {check.output}" if several else check.kind,
            f"{check.rows:,}",
            f"{check.error:.1e}",
            f"{check.tolerance:.1e}",
            f"{check.tolerance_used:.0%}",
        )
        for check in verification.checks
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join([cells[0].ljust(widths[0]), *(map(str.rjust, cells[1:], widths[1:]))]) for cells in table]
    at_export = verification.versions.get("onnxruntime", "unknown")
    lines += [
        f"provider  {verification.provider}, ONNX Runtime {verification.onnxruntime} ({at_export} at export)",
        f"file      {'as it was exported' if verification.intact else 'changed after its export'}",
    ]
    if verification.passed:
        lines.append(f"passed: {verification.rows} reference rows on {verification.provider}")
    return "\n".join(lines) + "\n"


def _signature_lines(signature: "Signature") -> list[str]:
    lines = [f"task      {signature.task}"]
    if signature.task == "binary_classification":
        low, high = signature.labels
        lines.append(f"labels    {low}, {high} ({high} where its probability is above {signature.threshold})")
    elif signature.task == "multiclass_classification":
        lines.append(f"labels    {', '.join(map(str, signature.labels))} (the one of the largest probability)")
    else:
        lines.append("value     a number, in the unit of the column that training learned from")
    return lines + [f"feature   {feature.name}: {_described(feature)}" for feature in signature.features]


def _described(feature: "Feature") -> str:
    parts: list[str] = [feature.kind]
    if feature.minimum is not None and feature.maximum is not None:
        parts.append(f"{feature.minimum:.6g} to {feature.maximum:.6g} in training")
    if feature.categories:
        # In one line, whatever they hold.
        parts.append(", ".join(" ".join(str(category).split()) for category in feature.categories[:_SHOWN]))
    if len(feature.categories) > _SHOWN:
        parts[-1] += f", ... {len(feature.categories) - _SHOWN} more"
    if feature.missing is not None:
        share = f"{feature.missing:.1%}".replace(".0%", "%") if feature.missing >= 0.001 else "less than 0.1%"
        parts.append(f"{share} missing in training" if feature.missing else "no gaps in training")
    return ", ".join(parts)


def _certificate_lines(certificate: "Certificate") -> list[str]:
    kinds = len({batch.kind for batch in certificate.reference})
    lines = [
        f"verified  {certificate.precision}, {certificate.rows} reference rows of {kinds} kinds (see --verify)",
        f"tolerance {certificate.tolerance_rule}",
    ]
    lines += [f"version   {name} {version}" for name, version in certificate.versions.items()]
    lines += [f"sha256    {name} {digits}" for name, digits in certificate.hashes.items()]
    lines += [f"budget    {name} {value}" for name, value in (certificate.budget or {}).items()]
    return lines


def _json_line(plain: dict[str, Any]) -> str:
    return json.dumps(plain, ensure_ascii=False) + "\n"
