"""What a model is, and the result of its verification: as text for people, or as one JSON object."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.cli.json_lines import json_line
from edge_runtime.contract.terminal import aligned, printable
from edge_runtime.description import custom_metadata, description, readable_certificate

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate
    from edge_runtime.contract.signature import Feature, Signature
    from edge_runtime.predictor import Predictor
    from edge_runtime.verification import Verification

# What a line is about, and what it says.
_Line: TypeAlias = tuple[str, object]

# How many labels, or categories of a feature, are shown; the others are counted.
_SHOWN = 10
# How many characters of a text in the metadata are shown.
_TEXT_SHOWN = 60


def description_json(predictor: "Predictor") -> str:
    """The model's SHA-256 and its `description` as JSON."""
    return json_line({"sha256": predictor.sha256, **description(predictor)})


def description_text(predictor: "Predictor", details: bool = False) -> str:
    """What a model takes, returns and runs on, and how it was verified.

    Args:
        predictor: the opened model.
        details: whether to show the model's SHA-256, and the tolerance rule, versions, hashes and the budget of the
            certificate too.
    """
    certificate, problem = readable_certificate(predictor)
    lines: list[_Line] = [("input", spec) for spec in predictor.inputs]
    lines += [("weight", f"{spec} (may be overridden)") for spec in predictor.overridable_initializers]
    lines += [("range", one) for one in predictor.input_ranges]
    lines += [("output", spec) for spec in predictor.outputs]
    if predictor.signature is None:
        lines += _metadata_lines(predictor)
        lines.append(("signature", "none; --input and Predictor.run take and return tensors by name"))
    else:
        lines += _signature_lines(predictor.signature)
    lines.append(("provider", predictor.provider))
    if problem is not None:
        lines.append(("verified", f"unknown: {problem}"))
    elif certificate is None:
        lines.append(("verified", "no; the model has no certificate"))
    else:
        lines += _certificate_lines(certificate, details)
    if details:
        # As `sha256sum` prints it of the file, and `Predictor(path, sha256=...)` takes it.
        lines.append(("sha256", f"model {predictor.sha256}"))
    return _text(lines)


def verification_json(verification: "Verification") -> str:
    """All of `verification`, and whether it and each of its checks passed; infinity becomes null."""
    checks = [
        {name: None if value == math.inf else value for name, value in vars(check).items()} | {"passed": check.passed}
        for check in verification.checks
    ]
    return json_line({"passed": verification.passed, **vars(verification), "checks": checks})


def verification_text(verification: "Verification") -> str:
    """A line for each check, what the model ran on, whether the file is unchanged, and whether it passed."""
    several = len({check.output for check in verification.checks}) > 1
    table = [("compared with torch", "rows", "largest error", "tolerance", "tolerance used")]
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
    at_export = verification.versions.get("onnxruntime", "unknown")
    lines: list[_Line] = [
        ("provider", f"{verification.provider}, ONNX Runtime {verification.onnxruntime} ({at_export} at export)"),
        ("file", "as it was exported" if verification.intact else "changed after its export"),
    ]
    passed = f"passed: {verification.rows} reference rows on {verification.provider}\n" if verification.passed else ""
    return "".join(f"{line}\n" for line in aligned(table, right=range(1, 5))) + _text(lines) + passed


def _metadata_lines(predictor: "Predictor") -> list[_Line]:
    metadata = predictor.metadata
    lines: list[_Line] = [("producer", metadata.producer)] if metadata.producer else []
    if metadata.opsets:
        lines.append(("opset", ", ".join(f"{domain} {version}" for domain, version in metadata.opsets.items())))
    for key, text in custom_metadata(predictor).items():
        shown = text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN]}... {len(text):,} characters"
        lines.append(("metadata", f"{key}: {shown}"))
    return lines


def _text(lines: list[_Line]) -> str:
    return "".join(f"{name:<10}{printable(said)}\n" for name, said in lines)


def _signature_lines(signature: "Signature") -> list[_Line]:
    lines: list[_Line] = [("task", signature.task)]
    if signature.task == "binary_classification":
        low, high = signature.labels
        lines.append(("labels", f"{low}, {high} ({high} if its probability is above {signature.threshold})"))
    elif signature.task == "multiclass_classification":
        lines.append(("labels", f"{_first(signature.labels)} (the one with the largest probability)"))
    else:
        lines.append(("value", "a number, in the unit of the training target"))
    return lines + [("feature", f"{feature.name}: {_described(feature)}") for feature in signature.features]


def _described(feature: "Feature") -> str:
    parts: list[str] = [feature.kind]
    if feature.notation is not None:
        parts.append(f"written like {feature.notation.example}")
    if feature.words is not None:
        parts.append(f"{feature.words[1]} or {feature.words[0]}")
    if feature.minimum is not None and feature.maximum is not None:
        low, high = (_shown(bound, feature) for bound in (feature.minimum, feature.maximum))
        parts.append(f"{low} to {high} in training")
    if feature.categories:
        parts.append(_first(feature.categories))
    if feature.missing is not None:
        fraction = f"{feature.missing:.1%}".replace(".0%", "%") if feature.missing >= 0.001 else "less than 0.1%"
        parts.append(f"{fraction} missing in training" if feature.missing else "never missing in training")
    return ", ".join(parts)


def _shown(bound: float, feature: "Feature") -> str:
    if feature.kind != "date":
        return f"{bound:.6g}"
    from edge_runtime.contract.dates import date_text

    return date_text(bound)


def _first(names: Sequence[object]) -> str:
    shown = ", ".join(map(str, names[:_SHOWN]))
    return shown if len(names) <= _SHOWN else f"{shown}, ... {len(names) - _SHOWN} more"


def _certificate_lines(certificate: "Certificate", details: bool) -> list[_Line]:
    kinds = len({batch.kind for batch in certificate.reference})
    lines: list[_Line] = [
        ("verified", f"{certificate.precision}, {certificate.rows} reference rows of {kinds} kinds (see --verify)")
    ]
    if details:
        lines.append(("tolerance", certificate.tolerance_rule))
        lines += [("version", f"{name} {version}") for name, version in certificate.versions.items()]
        lines += [("sha256", f"{name} {digits}") for name, digits in certificate.hashes.items()]
        lines += [("budget", f"{name} {value}") for name, value in (certificate.budget or {}).items()]
    return lines
