"""A detector in the manner of YOLO's: C3k2 blocks, pooled context, a head with distributions over distances."""

import torch
from torch import Tensor, nn


class Conv(nn.Module):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Features of shape (rows, outputs, height / stride, width / stride)."""
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Conv(width, width // 2, 3), Conv(width // 2, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        return x + self.second(self.first(x))


class C3k2(nn.Module):
    """A split whose one half goes through bottlenecks, each step kept."""

    def __init__(self, inputs: int, outputs: int, blocks: int = 1) -> None:
        super().__init__()
        half = outputs // 2
        self.enter, self.leave = Conv(inputs, 2 * half), Conv((2 + blocks) * half, outputs)
        self.blocks = nn.ModuleList(Bottleneck(half) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        """Features of shape (rows, outputs, height, width)."""
        parts = list(self.enter(x).chunk(2, 1))
        parts.extend(block(parts[-1]) for block in self.blocks)
        return self.leave(torch.cat(parts, 1))


class SPPF(nn.Module):
    """Max pooling three times over, all beside one another."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter, self.leave = Conv(width, width // 2), Conv(2 * width, width)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        parts = [self.enter(x)]
        parts.extend(self.pool(parts[-1]) for _ in range(3))
        return self.leave(torch.cat(parts, 1))


class Attention(nn.Module):
    """Self-attention over places, with a depthwise convolution of the values for positions."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.qkv, self.position, self.leave = (
            Conv(width, 3 * width),
            Conv(width, width, 3, groups=width),
            Conv(width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        rows, width, height, breadth = x.shape
        q, k, v = self.qkv(x).view(rows, self.heads, 3 * self.size, height * breadth).split(self.size, dim=2)
        weights = ((q.transpose(-2, -1) @ k) * self.size**-0.5).softmax(dim=-1)
        mixed = (v @ weights.transpose(-2, -1)).view(rows, width, height, breadth)
        return x + self.leave(mixed + self.position(v.reshape(rows, width, height, breadth)))


class Head(nn.Module):
    """Boxes and classes at three scales; the anchors of the last size of image are kept in attributes."""

    shape: tuple[int, ...] | None = None
    bins = 16

    def __init__(self, classes: int, widths: tuple[int, ...], strides: tuple[int, ...] = (8, 16, 32)) -> None:
        super().__init__()
        self.classes, self.scales = classes, strides
        self.boxes = nn.ModuleList(
            nn.Sequential(Conv(width, 32, 3), Conv(32, 32, 3), nn.Conv2d(32, 4 * self.bins, 1)) for width in widths
        )
        self.scores = nn.ModuleList(
            nn.Sequential(Conv(width, width, 3, groups=width), Conv(width, 32), nn.Conv2d(32, classes, 1))
            for width in widths
        )
        self.anchors = torch.empty(0)
        self.strides = torch.empty(0)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Boxes (centre, size; in pixels) and probabilities, of shape (rows, 4 + classes, anchors)."""
        found = [
            torch.cat([box(x), score(x)], 1) for x, box, score in zip(features, self.boxes, self.scores, strict=True)
        ]
        if self.shape != features[0].shape:
            self.anchors, self.strides = self._grid(features)
            self.shape = features[0].shape
        flat = torch.cat([x.flatten(2) for x in found], 2)
        distances, scores = flat.split((4 * self.bins, self.classes), 1)
        rows, _, anchors = distances.shape
        bins = torch.arange(self.bins, dtype=distances.dtype, device=distances.device)
        chances = distances.view(rows, 4, self.bins, anchors).softmax(2)
        left_top, right_bottom = (chances * bins[:, None]).sum(2).chunk(2, 1)
        low, high = self.anchors - left_top, self.anchors + right_bottom
        return torch.cat([torch.cat([(low + high) / 2, high - low], 1) * self.strides, scores.sigmoid()], 1)

    def _grid(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        points, strides = [], []
        for x, stride in zip(features, self.scales, strict=True):
            height, width = x.shape[-2:]
            down = torch.arange(height, dtype=x.dtype, device=x.device) + 0.5
            across = torch.arange(width, dtype=x.dtype, device=x.device) + 0.5
            y, x_ = torch.meshgrid(down, across, indexing="ij")
            points.append(torch.stack((x_, y), 0).view(2, -1))
            strides.append(torch.full((1, height * width), float(stride), dtype=x.dtype, device=x.device))
        return torch.cat(points, 1), torch.cat(strides, 1)


class Yolo(nn.Module):
    """Backbone, pyramid up and down, head; from `width` channels on."""

    def __init__(self, classes: int = 20, width: int = 16) -> None:
        super().__init__()
        w = width
        self.stem = nn.Sequential(Conv(3, w, 3, 2), Conv(w, 2 * w, 3, 2), C3k2(2 * w, 4 * w))
        self.to_8 = nn.Sequential(Conv(4 * w, 4 * w, 3, 2), C3k2(4 * w, 8 * w))
        self.to_16 = nn.Sequential(Conv(8 * w, 8 * w, 3, 2), C3k2(8 * w, 8 * w))
        self.to_32 = nn.Sequential(
            Conv(8 * w, 16 * w, 3, 2), C3k2(16 * w, 16 * w), SPPF(16 * w), Attention(16 * w, heads=4)
        )
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.up_16, self.up_8 = C3k2(24 * w, 8 * w), C3k2(16 * w, 4 * w)
        self.down_16, self.mix_16 = Conv(4 * w, 4 * w, 3, 2), C3k2(12 * w, 8 * w)
        self.down_32, self.mix_32 = Conv(8 * w, 8 * w, 3, 2), C3k2(24 * w, 16 * w)
        self.head = Head(classes, (4 * w, 8 * w, 16 * w))

    def forward(self, image: Tensor) -> Tensor:
        """Boxes and probabilities, of shape (rows, 4 + classes, anchors)."""
        at_8 = self.to_8(self.stem(image))
        at_16 = self.to_16(at_8)
        at_32 = self.to_32(at_16)
        middle = self.up_16(torch.cat([self.up(at_32), at_16], 1))
        small = self.up_8(torch.cat([self.up(middle), at_8], 1))
        middle = self.mix_16(torch.cat([self.down_16(small), middle], 1))
        large = self.mix_32(torch.cat([self.down_32(middle), at_32], 1))
        return self.head([small, middle, large])
