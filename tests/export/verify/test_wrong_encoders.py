"""A graph that encodes strings wrongly is refused, however little is wrong: it is compared on every category."""

from collections.abc import Callable
from typing import NamedTuple

import onnx
import pytest
from onnx import ModelProto
from table_module import OnlyStrings, example

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.formats.onnx_file import load_onnx, onnx_model, serialized
from edge_export.formats.ort_file import ort_bytes
from edge_export.formats.string_inputs import with_string_inputs
from edge_export.verify.compare import compare
from edge_export.verify.comparison import ParityError
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.reference import ProbeReference, References
from edge_export.verify.sampler import Sampler


class Known(NamedTuple):
    program: Program
    model: ModelProto
    references: list[ProbeReference]


@pytest.fixture(scope="module")
def known() -> Known:
    module = OnlyStrings("regression")
    program = capture(module, example(module))
    torch_side = References(program)
    # All probe inputs: in a few rows not every spelling of an unknown category has its turn.
    references = torch_side.of_probes(all_probe_inputs(Sampler(program), torch_side.exact))
    return Known(program, with_string_inputs(onnx_model(program), program.signature), references)


def encoder(proto: ModelProto, column: int) -> dict[str, onnx.AttributeProto]:
    node = [node for node in proto.graph.node if node.op_type == "LabelEncoder"][column]
    return {attribute.name: attribute for attribute in node.attribute}


def swapped_keys(proto: ModelProto) -> None:
    keys = encoder(proto, 0)["keys_strings"].strings
    keys[2], keys[3] = keys[3], keys[2]


def wrong_default(proto: ModelProto) -> None:
    encoder(proto, 1)["default_int64"].i = 1


def one_code_off(proto: ModelProto) -> None:
    encoder(proto, 2)["values_int64s"].ints[3] -= 1


def swapped_columns(proto: ModelProto) -> None:
    concat = next(node for node in proto.graph.node if node.op_type == "Concat" and "codes" in node.output[0])
    concat.input[1], concat.input[2] = concat.input[2], concat.input[1]


def trimmed_known(proto: ModelProto) -> None:
    encoder(proto, 0)["keys_strings"].strings.append(b"a b ")
    encoder(proto, 0)["values_int64s"].ints.append(3)


def nothing_missing(proto: ModelProto) -> None:
    encoder(proto, 0)["values_int64s"].ints[0] = 0


MUTATIONS = [swapped_keys, wrong_default, one_code_off, swapped_columns, trimmed_known, nothing_missing]


@pytest.mark.parametrize("in_ort_format", [False, True])
def test_a_right_encoder_passes(known: Known, in_ort_format: bool) -> None:
    content = serialized(known.model)
    run = load_onnx(ort_bytes(content) if in_ort_format else content)
    assert all(comparison.failed == 0 for comparison in compare(run, known.references, known.program, "it"))


@pytest.mark.parametrize("mutate", MUTATIONS)
@pytest.mark.parametrize("in_ort_format", [False, True])
def test_a_wrong_encoder_is_refused(known: Known, mutate: Callable[[ModelProto], None], in_ort_format: bool) -> None:
    changed = ModelProto()
    changed.CopyFrom(known.model)
    mutate(changed)
    content = serialized(changed)
    run = load_onnx(ort_bytes(content) if in_ort_format else content)
    with pytest.raises(ParityError, match=r"^it does not compute what torch computes.* for text \['") as raised:
        compare(run, known.references, known.program, "it")
    worst = raised.value.comparison.worst
    assert worst is not None
    # The strings are shown, in quotes, since white space at their ends counts too.
    assert worst.inputs[0].startswith("text ['")
    assert worst.inputs[0].count("'") == 6 or '"' in worst.inputs[0]
