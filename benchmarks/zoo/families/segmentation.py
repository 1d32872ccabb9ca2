"""Segmentation: segmentation_models_pytorch and torchvision."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Network, images
from benchmarks.zoo.packages import hugging_face, imported, torchvision


def _smp(model: str, encoder: str = "resnet18", size: int = 64, **options: Any) -> Network:
    def make() -> nn.Module:
        package: Any = imported("segmentation_models_pytorch")
        made: nn.Module = getattr(package, model)(encoder, encoder_weights=None, classes=3, **options)
        return made

    return Network(f"{model.lower()}_{encoder}", make, images(size))


def _torchvision(model: str) -> Network:
    def make() -> nn.Module:
        made: nn.Module = getattr(torchvision().models.segmentation, model)(
            weights=None, weights_backbone=None, num_classes=5, aux_loss=None
        )
        return made

    return Network(model, make, images(64))


class UNet(nn.Module):
    """The U-Net of many a tutorial: transposed convolutions up, crops of the way down beside them."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first, self.second = _twice(3, width), _twice(width, 2 * width)
        self.bottom = _twice(2 * width, 4 * width)
        self.up_1 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.up_2 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.third, self.fourth = _twice(4 * width, 2 * width), _twice(2 * width, width)
        self.head = nn.Conv2d(width, 1, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, image: Tensor) -> Tensor:
        """Probabilities of shape (rows, 1, height, width)."""
        first = self.first(image)
        second = self.second(self.pool(first))
        bottom = self.bottom(self.pool(second))
        third = self.third(torch.cat([second, self.up_1(bottom)], dim=1))
        return self.head(self.fourth(torch.cat([first, self.up_2(third)], dim=1))).sigmoid()


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


NETWORKS = [
    _smp("Unet"),
    _smp("Unet", "mobilenet_v2"),
    _smp("DeepLabV3Plus", size=128),
    _smp("FPN"),
    _smp("Linknet"),
    _smp("PSPNet"),
    _smp("PAN", size=128),
    _smp("UnetPlusPlus"),
    _smp("Segformer", "mit_b0"),
    _torchvision("deeplabv3_mobilenet_v3_large"),
    _torchvision("lraspp_mobilenet_v3_large"),
    _torchvision("fcn_resnet50"),
    Network("unet_tutorial", UNet, images(48)),
    Network(
        "segformer",
        lambda: hugging_face(
            "Segformer",
            "SegformerForSemanticSegmentation",
            hidden_sizes=[16, 32, 64, 64],
            depths=[1, 1, 1, 1],
            decoder_hidden_size=64,
        ),
        images(64),
    ),
]
