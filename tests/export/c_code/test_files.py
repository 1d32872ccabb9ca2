"""The files of a model in C: rows get the answers that Predictor gives, and damage is found."""

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from c_models import code_of, model_of
from onnx import helper
from quick_exports import one_registry
from random_tables import random_rows, random_table_net, zeros
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export import export
from edge_export.c_code.compiler import WARNINGS, compile_c, compilers, passes, sanitized_builds, write_c
from edge_export.c_code.files import CCode, c_code, c_test
from edge_export.c_code.rows import row_face
from edge_export.c_code.static_graph import static_graph
from edge_export.capture.capture import capture
from edge_export.formats.onnx_file import onnx_model
from edge_export.formats.string_inputs import as_strings
from edge_export.tensors import Tensors
from edge_runtime import Predictor, ReferenceBatch
from edge_runtime.contract.reference_arrays import Selected
from edge_runtime.contract.signature import Feature, Input, Signature
from edge_train import TableNet

SEEDS = range(8)


@functools.cache
def network(seed: int) -> TableNet:
    """A network for a random table."""
    torch.manual_seed(0)
    return random_table_net(seed, dates=seed % 2 == 1)


@functools.cache
def code_for(seed: int) -> CCode:
    """Its code."""
    net = network(seed)
    with one_registry():
        program = capture(net, zeros(net.signature))
        return c_code(static_graph(onnx_model(program, 18), {"batch": 1}), net.signature, "net")


@functools.cache
def artifact(seed: int) -> Predictor:
    """Its ONNX file."""
    net = network(seed)
    with one_registry(), tempfile.TemporaryDirectory() as folder:
        (made,) = export(net, zeros(net.signature), Path(folder, "net.onnx"))
    return Predictor(made.content)


def reference(predictor: Predictor) -> Sequence[ReferenceBatch]:
    assert predictor.certificate is not None
    return predictor.certificate.reference


def initializers(signature: Signature, rows: Tensors, code: CCode) -> str:
    """Rows as C initialises an array of structs."""
    face = row_face(signature, code.prefix)
    lines = []
    for row in range(len(next(iter(rows.values())))):
        members = []
        for tensor in signature.inputs:
            for place, feature in enumerate(tensor.features):
                value = rows[tensor.name][row, place]
                column = next(column for column in face.columns if column.feature is feature)
                text = column.codes[value] if column.codes else _number(value)
                members.append(f".{column.field} = {text}")
        lines.append(f"    {{{', '.join(members)}}},")
    return "\n".join(lines)


def _number(value: np.generic) -> str:
    if value.dtype.kind == "i":
        return "INT64_MIN" if value == np.iinfo(np.int64).min else f"INT64_C({value})"
    return (
        "NAN" if np.isnan(value) else "INFINITY" if value == np.inf else f"{value!r}".split("(")[-1].rstrip(")") + "f"
    )


@pytest.mark.parametrize("seed", mostly_slow(SEEDS, [3, 4]))
def test_rows_get_the_answers_that_predictor_gives(seed: int, tmp_path: Path) -> None:
    code, signature, predictor = code_for(seed), network(seed).signature, artifact(seed)
    rows, _ = random_rows(signature, np.random.default_rng(seed))
    rows = {name: values[:40] for name, values in rows.items()}
    count = len(next(iter(rows.values())))
    shown = (
        'printf("%.9g\\n", (double)answers[i].value);'
        if signature.task == "regression"
        else f'printf("%s %.9g\\n", {code.prefix}_label_names[answers[i].label], (double)answers[i].probability);'
    )
    main = tmp_path / "main.c"
    main.write_text(
        f'#include "net.h"\n#include <math.h>\n#include <stdio.h>\n'
        f"static const net_row rows[{count}] = {{\n{initializers(signature, rows, code)}\n}};\n"
        f"int main(void) {{\n    static net_answer answers[{count}];\n"
        f"    const size_t done = net_predict_batch(rows, {count}, answers);\n"
        f"    for (size_t i = 0; i < done; i++) {{\n        {shown}\n    }}\n    return done != {count};\n}}\n"
    )
    compile_c((*compilers()[0], *WARNINGS), [write_c(code, tmp_path), main], tmp_path / "main")
    lines = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout.splitlines()
    tensors = predictor.run(as_strings(rows, signature))[signature.output]
    if signature.task == "regression":
        np.testing.assert_allclose([float(line) for line in lines], tensors[:, 0], rtol=1e-5, atol=1e-5)
        return
    found = [line.rsplit(" ", 1) for line in lines]
    both = np.hstack([1 - tensors, tensors]) if tensors.shape[1] == 1 else tensors
    np.testing.assert_allclose([float(one) for _, one in found], both.max(axis=1), atol=1e-5)
    assert [label for label, _ in found] == [str(signature.labels[place]) for place in both.argmax(axis=1)]


class Crossed(nn.Module):
    """Takes its inputs in another order than its signature names them, and has two outputs."""

    signature = Signature(
        (Input("b", (Feature("one"), Feature("two"))), Input("a", (Feature("three"), Feature("four")))),
        "value",
        (),
        "regression",
    )

    def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        return {"hidden": a.repeat(1, 4), "value": a[:, :1] + 10 * b[:, :1]}


def test_inputs_and_outputs_of_rows_go_by_their_names(tmp_path: Path) -> None:
    program = capture(Crossed(), (torch.zeros(2, 2), torch.zeros(2, 2)))
    code = c_code(static_graph(onnx_model(program, 18), {"batch": 1}), Crossed.signature, "net")
    main = tmp_path / "main.c"
    main.write_text(
        '#include "net.h"\n#include <stdio.h>\nint main(void) {\n'
        "    const net_row row = {.one = 1, .two = 2, .three = 3, .four = 4};\n    net_answer answer;\n"
        '    net_predict(&row, &answer);\n    printf("%g", (double)answer.value);\n    return 0;\n}\n'
    )
    compile_c((*compilers()[0], *WARNINGS), [write_c(code, tmp_path), main], tmp_path / "main")
    assert subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout == "13"


CHECKS = """
#include "net.h"
#include <math.h>

#define INVALID(member, value) do { \\
        net_row row = valid; \\
        row.member = value; \\
        if (net_predict(&row, &answer) != NET_INVALID) return __LINE__; \\
    } while (0)
#define VALID(member, value) do { \\
        net_row row = valid; \\
        row.member = value; \\
        if (net_predict(&row, &answer) != NET_OK) return __LINE__; \\
    } while (0)

int main(void) {
    const net_row valid = {.flag = 1, .maybe = 0, .word = NET_WORD_A, .optional = NET_OPTIONAL_A, .day = 0, .night = 0};
    net_answer answer;
    INVALID(flag, 0.5f);
    INVALID(flag, NAN);
    VALID(maybe, NAN);
    INVALID(maybe, 2);
    INVALID(word, NET_WORD_MISSING);
    INVALID(word, (net_word)7);
    INVALID(word, (net_word)-1);
    VALID(word, NET_WORD_UNKNOWN);
    VALID(word, net_word_of("b?"));
    VALID(optional, NET_OPTIONAL_MISSING);
    INVALID(day, NET_MISSING_DATE);
    INVALID(day, INT64_C(253402300800));
    INVALID(day, INT64_C(-62135596801));
    VALID(day, INT64_C(253402300799));
    VALID(night, NET_MISSING_DATE);
    if (net_word_of("b?") != NET_WORD_B || net_word_of("B?") != NET_WORD_UNKNOWN) return __LINE__;
    if (net_word_of("") != NET_WORD_MISSING || net_word_of(NULL) != NET_WORD_MISSING) return __LINE__;
    if (net_date(1970, 1, 1, 0, 0, 0) != 0) return __LINE__;
    if (net_date(2000, 2, 29, 12, 34, 56) != INT64_C(951827696)) return __LINE__;
    if (net_date(1, 1, 1, 0, 0, 0) != INT64_C(-62135596800)) return __LINE__;
    if (net_date(9999, 12, 31, 23, 59, 59) != INT64_C(253402300799)) return __LINE__;
    const net_row rows[3] = {valid, {.flag = 3}, valid};
    net_answer answers[3];
    if (net_predict_batch(rows, 3, answers) != 1) return __LINE__;
    return 0;
}
"""


def test_values_that_are_not_of_their_column_have_no_answer(tmp_path: Path) -> None:
    dates = (Feature("day", "date", 0.0, 1e9), Feature("night", "date", 0.0, 1e9, missing=0.1))
    signature = Signature(
        (
            Input("x", (Feature("flag", "boolean"), Feature("maybe", "boolean", missing=0.1))),
            Input(
                "text",
                (
                    Feature("word", "categorical", categories=("a", "b?")),
                    Feature("optional", "categorical", categories=("a",), missing=0.2),
                ),
            ),
            Input("date", dates),
        ),
        "probability",
        ("no", "yes"),
    )
    net = TableNet(signature, [4]).eval()
    code = c_code(static_graph(onnx_model(capture(net, zeros(signature)), 18), {"batch": 1}), signature, "net")
    main = tmp_path / "main.c"
    main.write_text(CHECKS)
    for command in [*compilers(), *sanitized_builds()]:
        compile_c(command, [write_c(code, tmp_path), main], tmp_path / "main")
        assert subprocess.run([tmp_path / "main"]).returncode == 0


def test_reference_rows_hold_and_damage_is_found(tmp_path: Path) -> None:
    code, signature = code_for(4), network(4).signature
    batches = reference(artifact(4))
    test, command = c_test(code, signature, batches), compilers()[0]
    assert passes(code, test, command) is None
    name = next(name for name, array in code.constants.items() if array.size > 4 and array.dtype == np.float32)
    place = code.source.index(f" {name}[")
    number = re.compile(r"-?\d[\d.e-]*f").search(code.source, place)
    assert number is not None
    damaged = code.source[: number.start()] + f"{number[0]} + 1e-3f" + code.source[number.end() :]
    failure = passes(replace(code, source=damaged), test, command)
    assert failure is not None
    assert "the constants are not those that were exported" in failure
    number = re.compile(r"-?\d[\d.e-]*f").search(test, test.index("static const float probabilit"))
    assert number is not None
    moved = f"{test[: number.start()]}{number[0]} + 1e-7f{test[number.end() :]}"
    assert moved.count("1e-7f") == 1
    # Too little to be beyond a tolerance.
    failure = passes(code, moved, command)
    assert failure is not None
    assert failure.startswith("the reference rows are not those that were exported FAILED: ")
    assert " 1 elements failed" in failure
    wrong = [
        replace(one, expected={name: values + np.float32(0.5) for name, values in one.expected.items()})
        for one in batches
    ]
    failure = passes(code, c_test(code, signature, wrong), command)
    assert failure is not None
    assert failure.startswith("FAILED: ")


def test_some_elements_of_an_output_are_compared_where_a_certificate_holds_no_more() -> None:
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    code = code_of(model_of([helper.make_node("Neg", ["x"], ["y"])], {"x": x[:1]}, ["y"]))
    chosen = Selected.evenly(x.shape)
    places = chosen.places(5)
    expected = -x.reshape(-1)[places]
    batch = ReferenceBatch(
        "rows", {"x": x}, {"y": expected}, {"y": np.full(5, 1e-6, np.float32)}, selected={"y": chosen}
    )
    assert passes(code, c_test(code, None, [batch]), compilers()[0]) is None
    for place in range(5):
        wrong = expected.copy()
        wrong[place] += 1
        failure = passes(code, c_test(code, None, [replace(batch, expected={"y": wrong})]), compilers()[0])
        assert failure is not None
        assert "1 elements failed" in failure


_SOURCE = """import sys, onnx
from edge_export.c_code.files import c_code
from edge_export.c_code.static_graph import static_graph
print(c_code(static_graph(onnx.load(sys.argv[1]), {}), None, "net").source)
"""


@pytest.mark.slow
def test_a_model_has_the_same_code_in_each_process(tmp_path: Path) -> None:
    """Strings have other hashes in each."""
    # Two arrays are written and read in the same places.
    pairs = [("Neg", "Abs"), ("Exp", "Tanh"), ("Relu", "Sigmoid")]
    nodes = [
        *(helper.make_node(kind, ["x"], [kind]) for pair in pairs for kind in pair),
        *(helper.make_node("MatMul", pair, [f"product_{pair[0]}"]) for pair in pairs),
        helper.make_node("Sum", [f"product_{pair[0]}" for pair in pairs], ["y"]),
    ]
    path = tmp_path / "net.onnx"
    path.write_bytes(model_of(nodes, {"x": np.zeros((4, 4), np.float32)}, ["y"]).SerializeToString())
    command = [sys.executable, "-c", _SOURCE, str(path)]
    found = {subprocess.check_output(command, env={**os.environ, "PYTHONHASHSEED": seed}) for seed in "1234"}
    assert len(found) == 1


def test_the_header_states_what_memory_is_taken() -> None:
    code = code_for(4)
    assert f"Its constants take {code.constant_bytes:,} bytes" in code.header
    assert f"a call at most {code.working_bytes:,} bytes of the stack" in code.header
    assert code.constant_bytes == sum(array.nbytes for array in code.constants.values())


def test_c_plus_plus_takes_the_header(tmp_path: Path) -> None:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    code = code_for(3)
    write_c(code, tmp_path)
    main = tmp_path / "main.cpp"
    main.write_text('#include "net.h"\nint main() {\n    return static_cast<int>(net_checksum() == 0);\n}\n')
    objects = tmp_path / "net.o"
    subprocess.run([*compilers()[0], "-std=c99", "-c", tmp_path / "net.c", "-o", objects], check=True)
    subprocess.run([compiler, main, objects, "-lm", "-o", tmp_path / "main"], check=True)
    assert subprocess.run([tmp_path / "main"]).returncode == 0
