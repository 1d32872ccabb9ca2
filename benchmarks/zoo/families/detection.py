"""Detection up to the boxes and scores, without non-maximum suppression."""

from typing import Any

from torch import Tensor, nn

from benchmarks.zoo.families.yolo import Yolo
from benchmarks.zoo.network import Network, images
from benchmarks.zoo.packages import hugging_face, imported, torchvision


class Dense(nn.Module):
    """The backbone and the head of one of torchvision's detectors, on images that are scaled already."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.backbone: Any = detector.backbone
        self.head: Any = detector.head

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """What the head gives, by name: logits and the regression of boxes, of shape (rows, anchors, ...)."""
        return self.head(list(self.backbone(image).values()))


def _dense(detector: str, size: int = 64) -> Network:
    def make() -> nn.Module:
        made: nn.Module = getattr(torchvision().models.detection, detector)(
            weights=None, weights_backbone=None, num_classes=5
        )
        return Dense(made)

    return Network(detector, make, images(size))


class Proposals(nn.Module):
    """Faster R-CNN as far as objectness and boxes of its region proposals."""

    def __init__(self) -> None:
        super().__init__()
        made = torchvision().models.detection.fasterrcnn_mobilenet_v3_large_fpn(weights=None, weights_backbone=None)
        self.backbone, self.head = made.backbone, made.rpn.head

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Objectness and box deltas, a tensor for each scale."""
        return self.head(list(self.backbone(image).values()))


def _detr() -> Any:
    resnet = imported("transformers").ResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 32, 64, 64],
        depths=[1, 1, 1, 1],
        out_features=["stage4"],
    )
    return hugging_face(
        "Detr",
        "DetrForObjectDetection",
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=resnet,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        num_queries=10,
    )


NETWORKS = [
    _dense("retinanet_resnet50_fpn", 96),
    _dense("ssdlite320_mobilenet_v3_large", 128),
    _dense("fcos_resnet50_fpn", 96),
    Network("rpn_mobilenet_v3", Proposals, images(96)),
    Network("yolo", Yolo, images(96)),
    Network("detr", _detr, images(64)),
    Network(
        "yolos",
        lambda: hugging_face(
            "Yolos",
            "YolosForObjectDetection",
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=96,
            image_size=[64, 64],
            num_detection_tokens=10,
        ),
        images(64),
    ),
]
