"""Pooling whose last window would begin behind the end: torch drops it, and ONNX's rule for `ceil_mode` counts it."""

import math
from collections.abc import Mapping

from onnx import GraphProto, NodeProto, helper

from edge_export.errors import ExportError

_POOLING = ("AveragePool", "MaxPool")


def drop_windows(graph: GraphProto) -> None:
    """Write pooling that drops a window without `ceil_mode`: padding tells how many windows there are.

    Where a dimension has no fixed size, or both rules give the same number, nothing is changed.

    Raises:
        ExportError: a window is dropped on one axis, and on another padding would count in the mean.
    """
    shapes = {
        tensor.name: [size.dim_value for size in tensor.type.tensor_type.shape.dim]
        for tensor in (*graph.input, *graph.value_info, *graph.output)
    }
    for node in graph.node:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type in _POOLING and attributes.get("ceil_mode"):
            given = shapes.get(node.input[0], [])[2:]
            if given and all(given):
                _without_ceil_mode(node, attributes, given)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                drop_windows(attribute.g)


def cut_window(size: int, pads: tuple[int, int], kernel: int, stride: int, dilation: int) -> tuple[bool, int]:
    """How torch ends an axis in ceil mode.

    Args:
        size: of the input.
        pads: before it and behind it.
        kernel: the size of a window.
        stride: from one window to the next.
        dilation: from one element of a window to the next.

    Returns:
        Whether a window is dropped, since it would begin behind the end; and by how much the last of the others goes
        beyond the end.
    """
    room = size + sum(pads) - dilation * (kernel - 1) - 1
    last = math.ceil(room / stride) * stride
    drops = last >= size + pads[0]
    return drops, max(0, last - drops * stride - room)


def _without_ceil_mode(node: NodeProto, attributes: Mapping[str, list[int]], given: list[int]) -> None:
    axes = len(given)
    strides, dilations = attributes.get("strides", [1] * axes), attributes.get("dilations", [1] * axes)
    pads = list(attributes.get("pads", [0] * 2 * axes))
    both = zip(pads[:axes], pads[axes:], strict=True)
    ends = [cut_window(*axis) for axis in zip(given, both, attributes["kernel_shape"], strides, dilations, strict=True)]
    if not any(drops for drops, _ in ends):
        return
    if any(extra for _, extra in ends) and attributes.get("count_include_pad"):
        raise ExportError(
            "ONNX has no average pooling with ceil_mode=True and count_include_pad=True whose last window begins "
            "behind the end of one axis and not of another; set count_include_pad=False, or pad the input so that "
            "no window is cut"
        )
    pads[axes:] = [one + extra for one, (_, extra) in zip(pads[axes:], ends, strict=True)]
    kept = [one for one in node.attribute if one.name not in ("ceil_mode", "pads")]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("pads", pads)])
