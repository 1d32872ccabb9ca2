"""Your own torch module, from training code to verified files: ten digits in pictures of 8 by 8 pixels.

    .venv/bin/python examples/digits.py FOLDER

trains a network on scikit-learn's digits (1,797 rows), writes FOLDER/digits.csv with the rows that it has not seen, and
exports FOLDER/digits.onnx in float32, float16 and with 8-bit weights, each measured on those rows, with an HTML page on
all of it, FOLDER/report.html.
"""

import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from edge_export import Precision, export
from edge_runtime import Feature, Input, Signature

EPOCHS = 40


class Digits(nn.Module):
    """Pixels, 0 to 16, shape (batch, 64), to the probability of each digit, shape (batch, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
        )

    def logits(self, pixels: Tensor) -> Tensor:
        """What the loss takes, shape (batch, 10)."""
        logits: Tensor = self.layers(pixels / 16 - 0.5)
        return logits

    def forward(self, pixels: Tensor) -> Tensor:
        """The probability of each digit, shape (batch, 10)."""
        return self.logits(pixels).softmax(-1)


def train(model: Digits, x: Tensor, y: Tensor) -> None:
    """Teach `model` the rows `x`, shape (rows, 64), of the digits `y`, shape (rows,)."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(x)), 32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model.logits(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def main(folder: Path) -> None:
    """Train, write the table, export."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels, digits = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        pixels.astype("float32"), digits, test_size=0.4, random_state=0, stratify=digits
    )
    torch.manual_seed(0)
    model = Digits()
    train(model, torch.from_numpy(x_train), torch.from_numpy(y_train))
    model.eval()
    with torch.inference_mode():
        right = (model(torch.from_numpy(x_test)).argmax(1).numpy() == y_test).mean()
    print(f"{right:.1%} of {len(x_test)} digits that it has not seen are right")

    names = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    lines = [",".join([*names, "digit"])]
    lines += [",".join(map(str, [*row, digit])) for row, digit in zip(x_test.tolist(), y_test.tolist(), strict=True)]
    (folder / "digits.csv").write_text("\n".join(lines) + "\n")

    ranges = zip(names, x_train.min(axis=0).tolist(), x_train.max(axis=0).tolist(), strict=True)
    signature = Signature(
        inputs=(Input("pixels", tuple(Feature(name, minimum=low, maximum=high) for name, low, high in ranges)),),
        output="probability",
        labels=tuple(range(10)),
        task="multiclass_classification",
    )
    for made in export(
        model,
        torch.from_numpy(x_train[:2]),
        folder / "digits.onnx",
        signature=signature,
        precisions=list(Precision),
        data=folder / "digits.csv",
        report=folder / "report.html",
    ):
        print(f"{made.path}  {len(made.content):,} bytes")
        if made.measured is not None:
            change, one, many = made.measured.change, made.measured.one, made.measured.many
            print(
                f"  {change.flips} of {change.rows} labels differ, largest change of a probability "
                f"{change.largest:.4f}; {made.measured.size_ratio:.2f} of the size, time on one row {one.median:.2f} "
                f"({one.low:.2f} to {one.high:.2f}), on 64 {many.median:.2f} ({many.low:.2f} to {many.high:.2f})"
            )
            print(f"  {made.measured.verdict}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
