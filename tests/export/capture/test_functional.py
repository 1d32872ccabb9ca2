"""Programs in functional form."""

from typing import Any

import torch
from layers import assert_same, in_file, layer, rows
from torch import Tensor

from edge_export.capture.capture import capture


def test_tensors_of_several_types_are_joined() -> None:
    def forward(self: Any, x: Tensor, codes: Tensor) -> Any:
        codes = torch.nn.functional.one_hot(codes, 3)
        return self.layer(torch.cat([x, codes.bool(), codes], 1)[:, :3]), torch.stack([codes, x.int()]), codes

    program = capture(layer(forward), (rows(4, 3), torch.tensor([0, 2, 1, 1])))
    more = {"x": rows(7, 3).numpy(), "codes": torch.tensor([0, 2, 1, 1, 2, 2, 0]).numpy()}
    assert_same(in_file(program)(more), program.run(more))
