"""Transformers for images, and for images with text: transformers' own in small sizes."""

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Arguments, Network, images
from benchmarks.zoo.packages import hugging_face

_VIT = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "image_size": 32,
    "patch_size": 8,
}


class Clip(nn.Module):
    """CLIP's image and text towers with the similarities of all pairs within the batch."""

    def __init__(self) -> None:
        super().__init__()
        text = {**_VIT, "vocab_size": 200, "max_position_embeddings": 16, "eos_token_id": 199}
        self.model = hugging_face("CLIP", "CLIPModel", text_config=text, vision_config=_VIT, projection_dim=32)

    def forward(self, input_ids: Tensor, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of images and of texts, each of shape (rows, 32) and of unit length."""
        made = self.model(input_ids=input_ids, pixel_values=pixel_values)
        return made.image_embeds, made.text_embeds


def _pairs(rows: int) -> Arguments:
    ids = torch.randint(199, (rows, 16))
    ids[:, -1] = 199
    return {"input_ids": ids, "pixel_values": torch.randn(rows, 3, 32, 32)}


NETWORKS = [
    Network("vit", lambda: hugging_face("ViT", "ViTForImageClassification", **_VIT), images(32)),
    Network("clip_vision", lambda: hugging_face("CLIPVision", "CLIPVisionModel", **_VIT), images(32)),
    Network("clip", Clip, _pairs),
    Network(
        "swin",
        lambda: hugging_face(
            "Swin",
            "SwinForImageClassification",
            image_size=32,
            patch_size=2,
            embed_dim=16,
            depths=[2, 2],
            num_heads=[2, 4],
            window_size=4,
        ),
        images(32),
    ),
    Network("dinov2", lambda: hugging_face("Dinov2", "Dinov2Model", mlp_ratio=2, **_VIT), images(32)),
    Network("beit", lambda: hugging_face("Beit", "BeitModel", **_VIT), images(32)),
    Network("vit_msn", lambda: hugging_face("ViTMSN", "ViTMSNModel", **_VIT), images(32)),
    Network(
        "dpt_depth",
        lambda: hugging_face(
            "DPT",
            "DPTForDepthEstimation",
            **{**_VIT, "num_hidden_layers": 4},
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[16, 16, 16, 16],
            fusion_hidden_size=16,
        ),
        images(32),
    ),
    Network(
        "convnext_hf",
        lambda: hugging_face(
            "ConvNext", "ConvNextForImageClassification", hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1]
        ),
        images(64),
    ),
]
