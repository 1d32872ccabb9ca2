"""What is installed, and whether it fits."""

import importlib.metadata
import platform

import pytest

from edge_runtime.cli.installed import Requirement, installed, requirements, version_of


@pytest.mark.parametrize(
    ("bounds", "version", "is_allowed"),
    [
        (">=0.20,<0.29", "0.28.1", True),
        (">=0.20,<0.29", "0.29", False),
        (">=0.20,<0.29", "0.29.0", False),
        (">=0.20,<0.29", "0.19.9", False),
        (">=1.17", "1.17.0", True),
        (">=1.17", "1.9", False),
        (">=1.17", "1.33.0.dev20261101+cu13", True),
        ("<=2,>1", "2.0.1", False),
        ("<=2,>1", "1.0.1", True),
        ("", "1", True),
        ("!=3", "3", True),  # nothing of the kind is required
    ],
)
def test_versions(bounds: str, version: str, is_allowed: bool) -> None:
    assert Requirement("one", bounds, None).allows(version) == is_allowed


def test_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "numpy>=1.26",
        "typer<0.29,>=0.20",
        "onnxruntime-gpu[cuda,cudnn]>=1.21; (platform_system != 'Darwin') and extra == 'gpu-cuda'",
        'uvloop (>=0.21) ; platform_system != "Windows" and extra == "serve"',
        "winonly; platform_system == 'Windows'",
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    assert requirements() == [
        Requirement("numpy", ">=1.26", None),
        Requirement("typer", ">=0.20,<0.29", None),
        Requirement("onnxruntime-gpu", ">=1.21", "gpu-cuda"),
        Requirement("uvloop", ">=0.21", "serve"),
    ]
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    assert [one.name for one in requirements()] == ["numpy", "typer", "onnxruntime-gpu", "winonly"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: None)
    assert requirements() == []


def test_the_project_without_its_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", missing)
    assert requirements() == []


def test_what_is_here() -> None:
    assert version_of("numpy") == importlib.metadata.version("numpy")
    assert version_of("no-package-of-this-name") is None
    assert installed("nump")["numpy"] == importlib.metadata.version("numpy")
    assert installed("no-package-of-this-name") == {}
