"""How far off convolutions are that are computed from tiles, in units of their terms' last place.

    .venv/bin/python benchmarks/tiles.py

Winograd's algorithm F(4x4, 3x3) computes 16 outputs of a convolution with kernels of three from a tile of 36 inputs, in
a quarter of the products (A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016). Libraries
choose it on some processors. Its sums cancel, so that it is coarser than the direct way: here by how much, for
random images and weights. A unit is float32's last place of the root of the sum of the squares of the terms.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

_ROWS, _SIZE, _OUTPUTS = 4, 16, 64
_LAST_PLACE = 2.0**-23
# The transforms of tiles, of kernels and of what comes out.
_OF_TILES = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
_OF_KERNELS = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
_OF_OUTPUTS = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)


def by_tiles(images: Tensor, kernels: Tensor) -> Tensor:
    """A convolution with a padding of 1, by F(4x4, 3x3).

    Args:
        images: of the shape (rows, channels, height, width); height and width are multiples of 4.
        kernels: of the shape (outputs, channels, 3, 3).
    """
    of_tiles, of_outputs = torch.tensor(_OF_TILES), torch.tensor(_OF_OUTPUTS)
    of_kernels = torch.tensor(_OF_KERNELS, dtype=torch.float64)
    tiles = of_tiles @ pad(images, (1, 1, 1, 1)).unfold(2, 6, 4).unfold(3, 6, 4) @ of_tiles.T
    # Kernels are transformed once, in float64.
    transformed = (of_kernels @ kernels.double() @ of_kernels.T).float()
    products = torch.einsum("ncijab,ocab->noijab", tiles, transformed)
    found = of_outputs @ products @ of_outputs.T
    return found.permute(0, 1, 2, 4, 3, 5).reshape(len(images), len(kernels), *images.shape[2:])


def main() -> None:
    """Print the standard deviations, in units."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print("channels  inputs            directly  by tiles  in a tile's corner")
    for channels, are_positive in ((64, False), (64, True), (256, True), (512, True)):
        images = torch.randn(_ROWS, channels, _SIZE, _SIZE)
        images = images.relu() if are_positive else images
        kernels = torch.randn(_OUTPUTS, channels, 3, 3) * 0.05
        exact = conv2d(images.double(), kernels.double(), padding=1)
        unit = _LAST_PLACE * conv2d(images.double() ** 2, kernels.double() ** 2, padding=1).mean().sqrt()
        errors = [(found - exact) / unit for found in (conv2d(images, kernels, padding=1), by_tiles(images, kernels))]
        corner = errors[1][..., 3::4, 3::4]
        figures = "".join(f"{float(each.square().mean().sqrt()):10.1f}" for each in (*errors, corner))
        print(f"{channels:8}  {'after a ReLU' if are_positive else 'normal':14}{figures}")


if __name__ == "__main__":
    main()
