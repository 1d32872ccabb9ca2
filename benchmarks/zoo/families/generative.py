"""Generative networks, as they are used after training."""

import math

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Arguments, Network, floats, images


class VAE(nn.Module):
    """Encoder and decoder; the noise is an input, so that the same inputs give the same outputs."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 2 * width))
        self.decoder = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid())

    def forward(self, image: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The picture again, of shape (rows, 1, 28, 28); mean and logarithm of the variance, of shape (rows, width)."""
        mean, variance = self.encoder(image).chunk(2, dim=1)
        latent = mean + (0.5 * variance).exp() * noise
        return self.decoder(latent).view(-1, 1, 28, 28), mean, variance


class Generator(nn.Module):
    """DCGAN's generator."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ConvTranspose2d(32, 4 * width, 4, bias=False)]
        for inputs, outputs in ((4, 2), (2, 1)):
            layers += [nn.BatchNorm2d(inputs * width), nn.ReLU()]
            layers.append(nn.ConvTranspose2d(inputs * width, outputs * width, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, 3, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, latent: Tensor) -> Tensor:
        """Pictures of shape (rows, 3, 32, 32)."""
        return self.layers(latent[:, :, None, None])


def _discriminator() -> nn.Module:
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.utils.parametrizations.spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(64, 1, 4), nn.Flatten())


class DiffusionUNet(nn.Module):
    """The network of a diffusion model: sinusoidal time, residual blocks with group norms, attention in the middle."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width))
        self.enter, self.leave = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)
        self.down_1, self.down_2 = _Residual(width, width), _Residual(width, 2 * width)
        self.shrink = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.attention = nn.MultiheadAttention(2 * width, 4, batch_first=True)
        self.up_1, self.up_2 = _Residual(2 * width, width), _Residual(2 * width, width)
        self.norm = nn.GroupNorm(4, width)

    def forward(self, image: Tensor, step: Tensor) -> Tensor:
        """The noise in each picture, of its shape."""
        half = self.width // 2
        rates = torch.exp(-math.log(10000) * torch.arange(half, device=image.device, dtype=image.dtype) / half)
        angles = step[:, None].to(image.dtype) * rates
        time = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        first = self.down_1(self.enter(image), time)
        middle = self.down_2(self.shrink(first), time)
        places = middle.flatten(2).transpose(1, 2)
        mixed, _ = self.attention(places, places, places)
        middle = self.up_1(middle + mixed.transpose(1, 2).unflatten(2, middle.shape[2:]), time)
        large = nn.functional.interpolate(middle, scale_factor=2.0, mode="nearest")
        last = self.up_2(torch.cat([large, first], dim=1), time)
        return self.leave(nn.functional.silu(self.norm(last)))


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.GroupNorm(4, inputs), nn.GroupNorm(4, outputs)
        self.conv_1, self.conv_2 = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.time, self.skip = nn.Linear(64, outputs), nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        hidden = self.conv_1(nn.functional.silu(self.norm_1(x)))
        hidden = hidden + self.time(nn.functional.silu(time))[:, :, None, None]
        return self.skip(x) + self.conv_2(nn.functional.silu(self.norm_2(hidden)))


class RealNVP(nn.Module):
    """Affine couplings with masks: a point's place in the latent space and its log-likelihood."""

    masks: Tensor

    def __init__(self, size: int = 6, layers: int = 4) -> None:
        super().__init__()
        masks = torch.stack([(torch.arange(size) + i) % 2 for i in range(layers)]).float()
        self.register_buffer("masks", masks)
        self.scales = nn.ModuleList(
            nn.Sequential(nn.Linear(size, 32), nn.LeakyReLU(), nn.Linear(32, size), nn.Tanh()) for _ in range(layers)
        )
        self.shifts = nn.ModuleList(
            nn.Sequential(nn.Linear(size, 32), nn.LeakyReLU(), nn.Linear(32, size)) for _ in range(layers)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents of shape (rows, size), log-likelihoods of shape (rows,)."""
        total = x.new_zeros(x.shape[0])
        for mask, scales, shifts in zip(self.masks, self.scales, self.shifts, strict=True):
            kept = x * mask
            scale, shift = scales(kept) * (1 - mask), shifts(kept) * (1 - mask)
            x = kept + (1 - mask) * (x - shift) * (-scale).exp()
            total = total - scale.sum(1)
        return x, total - 0.5 * (x.square() + math.log(2 * math.pi)).sum(1)


class VQVAE(nn.Module):
    """The nearest code to each place, and the picture that the codes give."""

    def __init__(self, codes: int = 32, width: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, width, 4, 2, 1))
        self.codes = nn.Embedding(codes, width)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(width, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures of shape (rows, 1, 28, 28), int64 codes of shape (rows, 7, 7)."""
        places = self.encoder(image).permute(0, 2, 3, 1)
        distances = (places[..., None, :] - self.codes.weight).square().sum(-1)
        nearest = distances.argmin(-1)
        return self.decoder(self.codes(nearest).permute(0, 3, 1, 2)), nearest


class _MaskedConv2d(nn.Conv2d):
    mask: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, sees_itself: bool) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        mask = torch.ones_like(self.weight)
        middle = kernel // 2
        mask[:, :, middle, middle + int(sees_itself) :] = 0
        mask[:, :, middle + 1 :] = 0
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight * self.mask, self.bias)


def _pixel_cnn() -> nn.Module:
    layers: list[nn.Module] = [_MaskedConv2d(1, 16, 7, False), nn.ReLU()]
    for _ in range(3):
        layers += [_MaskedConv2d(16, 16, 3, True), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(16, 4, 1))


def _autoencoder() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3, padding=1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.ConvTranspose2d(4, 8, 2, stride=2), nn.ReLU(), nn.ConvTranspose2d(8, 1, 2, stride=2)),
        nn.Sigmoid(),
    )


class SuperResolution(nn.Module):
    """ESPCN: convolutions, then channels become pixels."""

    def __init__(self, times: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, 32, 5, padding=2), nn.PReLU(32), nn.Conv2d(32, 16, 3, padding=1), nn.PReLU()),
            *(nn.Conv2d(16, times**2, 3, padding=1), nn.PixelShuffle(times)),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Pictures three times as large, within 0 and 1."""
        return self.layers(image).clamp(0, 1)


class StyleTransfer(nn.Module):
    """Reflection padding, instance norms, residual blocks, nearest upsampling."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.ReflectionPad2d(4), nn.Conv2d(3, width, 9), nn.InstanceNorm2d(width, affine=True))
        self.block = nn.Sequential(
            *(nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width, affine=True), nn.ReLU()),
            *(nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width, affine=True)),
        )
        self.leave = nn.Sequential(nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), nn.Conv2d(width, 3, 3))

    def forward(self, image: Tensor) -> Tensor:
        """Pictures twice as large."""
        hidden = self.enter(image).relu()
        return self.leave(hidden + self.block(hidden))


def _noisy(rows: int) -> Arguments:
    return torch.randn(rows, 3, 16, 16), torch.randint(1000, (rows,))


NETWORKS = [
    Network("vae", VAE, lambda rows: (torch.rand(rows, 1, 28, 28), torch.randn(rows, 8))),
    Network("dcgan_generator", Generator, floats(32)),
    Network("dcgan_discriminator", _discriminator, images(32)),
    Network("diffusion_unet", DiffusionUNet, _noisy),
    Network("realnvp", RealNVP, floats(6)),
    Network("vqvae", VQVAE, images(28, 1)),
    Network("pixelcnn", _pixel_cnn, lambda rows: (torch.rand(rows, 1, 14, 14),)),
    Network("autoencoder", _autoencoder, lambda rows: (torch.rand(rows, 1, 28, 28),)),
    Network("super_resolution", SuperResolution, lambda rows: (torch.rand(rows, 1, 16, 16),)),
    Network("style_transfer", StyleTransfer, images(24)),
]
