"""Image classification: torchvision and timm."""

from typing import Any

from benchmarks.zoo.network import Network, images
from benchmarks.zoo.packages import timm, torchvision


def _torchvision(model: str, size: int = 64, **options: Any) -> Network:
    # Float64 on large images is what takes the judge long.
    sizes = (1, 3) if size > 200 else (1, 3, 8)
    return Network(
        model, lambda: getattr(torchvision().models, model)(weights=None, **options), images(size), sizes=sizes
    )


def _timm(model: str, size: int = 64, name: str | None = None, **options: Any) -> Network:
    return Network(name or model, lambda: timm(model, **options), images(size))


NETWORKS = [
    _torchvision("resnet18"),
    _torchvision("resnet50", 224),
    _torchvision("mobilenet_v2"),
    _torchvision("mobilenet_v3_small"),
    _torchvision("efficientnet_b0"),
    _torchvision("convnext_tiny"),
    _torchvision("regnet_y_400mf"),
    _torchvision("densenet121"),
    _torchvision("squeezenet1_1"),
    _torchvision("shufflenet_v2_x0_5"),
    _torchvision("mnasnet0_5"),
    _torchvision("googlenet", init_weights=False),
    _torchvision("inception_v3", 96, init_weights=False),
    _torchvision("vgg11", num_classes=10),
    _torchvision("resnext50_32x4d"),
    _torchvision("maxvit_t", 224),
    _timm("deit_tiny_patch16_224", name="deit_tiny", img_size=64),
    _timm("mobilenetv4_conv_small"),
    _timm("efficientvit_b0"),
    _timm("swin_tiny_patch4_window7_224", 112, name="swin_tiny", img_size=112),
    _timm("mixer_s16_224", name="mixer_s16", img_size=64, num_classes=0),
    _timm("convmixer_768_32"),
    _timm("levit_128s", 224),
    _timm("tf_efficientnet_lite0"),
    _timm("repvgg_a0"),
    _timm("xcit_nano_12_p16_224", name="xcit_nano"),
    _timm("poolformer_s12"),
    _timm("mobilevit_xxs"),
    _timm("edgenext_xx_small"),
    _timm("ghostnet_050"),
    _timm("convnextv2_atto"),
    _timm("fastvit_t8", 128),
    _timm("gmlp_ti16_224", name="gmlp_ti16", img_size=64, num_classes=0),
    _timm("pit_ti_224", 224, name="pit_tiny"),
    _timm("hrnet_w18_small"),
    _timm("nf_regnet_b0"),
    _timm("eva02_tiny_patch14_224", 56, name="eva02_tiny", img_size=56),
    _timm("crossvit_tiny_240", 240),
]
