"""All networks by family; importing this imports torch and none of the packages that the networks come from."""

from benchmarks.zoo.families import (
    audio,
    classical,
    classification,
    detection,
    forecasting,
    generative,
    graphs,
    policies,
    recurrent,
    segmentation,
    tabular,
    text,
    vision,
)
from benchmarks.zoo.network import Network

FAMILIES: dict[str, list[Network]] = {
    "classification": classification.NETWORKS,
    "segmentation": segmentation.NETWORKS,
    "detection": detection.NETWORKS,
    "text": text.NETWORKS,
    "vision": vision.NETWORKS,
    "audio": audio.NETWORKS,
    "tables": tabular.NETWORKS,
    "recurrent": recurrent.NETWORKS,
    "forecasting": forecasting.NETWORKS,
    "graphs": graphs.NETWORKS,
    "generative": generative.NETWORKS,
    "policies": policies.NETWORKS,
    "classical": classical.NETWORKS,
}


def networks() -> dict[str, Network]:
    """Every network of the zoo by its name."""
    return {network.name: network for family in FAMILIES.values() for network in family}


def family_of(name: str) -> str:
    """The family that the network of that name is in."""
    return next(family for family, members in FAMILIES.items() if any(one.name == name for one in members))
