"""How inputs are distributed: as training data if that is known, else as data or example."""

from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from table_module import NUMBERS, STRINGS, Table, example
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.capture.lookups import HIGHEST, LOWEST, LookupRange
from edge_export.capture.program import InputTensor, Program
from edge_export.tensors import Tensors
from edge_export.verify.compare import ParityError, compare
from edge_export.verify.input_distributions import InputDistribution, input_distributions
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.reference import References
from edge_export.verify.sampler import Sampler
from edge_runtime.contract.category_codes import MISSING, UNKNOWN
from edge_runtime.contract.values import FLOAT32_MAX


@pytest.fixture(scope="module")
def plain() -> Program:
    """Without a signature: numbers, integers, booleans, and integers that an embedding is asked for."""

    def forward(self: Any, x: Tensor, count: Tensor, flag: Tensor, ids: Tensor) -> Tensor:
        found: Tensor = x * count[:, None] * flag[:, None] + nn.functional.embedding(ids, self.layer.weight).sum(1)
        return found

    torch.manual_seed(0)
    example = (5 + 2 * torch.randn(40, 3), torch.arange(40) - 7, torch.arange(40) > 3, torch.zeros(40, 2).long())
    return capture(layer(forward), example)


def test_the_example_tells_without_a_signature(plain: Program) -> None:
    known = input_distributions(plain, None)
    x = plain.example["x"].astype(np.float64)
    np.testing.assert_allclose(known["x"].mean, x.mean(axis=0, keepdims=True))
    np.testing.assert_allclose(known["x"].standard_deviation, x.std(axis=0, keepdims=True))
    assert (known["count"].low.item(), known["count"].high.item()) == (-7, 32)
    assert (known["flag"].low.item(), known["flag"].high.item()) == (0, 1)
    # The same integer everywhere says nothing of others.
    assert (known["ids"].low.tolist(), known["ids"].high.tolist()) == ([[0, 0]], [[1, 1]])
    assert [known[name].is_floating for name in known] == [True, False, False, False]
    assert not any(distribution.holds_codes for distribution in known.values())


def test_data_tell_more_than_the_example(plain: Program) -> None:
    data = {**plain.example, "x": np.full((40, 3), 8.0, np.float32), "count": np.arange(100, 140)}
    data["x"][0] = [np.nan, np.inf, 8]
    known = input_distributions(plain, data)
    np.testing.assert_array_equal(known["x"].mean, [[8, 8, 8]])
    # A column that does not vary is moved all the same.
    np.testing.assert_array_equal(known["x"].standard_deviation, [[1, 1, 1]])
    assert (known["count"].low.item(), known["count"].high.item()) == (100, 139)


def test_few_values_of_a_column_say_little() -> None:
    program = capture(layer(lambda self, x: x * 2), torch.arange(12.0).reshape(4, 3))
    known = input_distributions(program, None)["x"]
    assert known.mean.shape == (1, 1)
    assert known.mean.item() == 5.5
    assert known.standard_deviation.item() == pytest.approx(np.arange(12).std())


def test_a_column_without_a_number(plain: Program) -> None:
    data = {**plain.example, "x": np.full((40, 3), np.nan, np.float32)}
    known = input_distributions(plain, data)["x"]
    np.testing.assert_array_equal((known.mean, known.standard_deviation), ([[0, 0, 0]], [[1, 1, 1]]))


def test_the_module_knows_its_training_data(table: Program) -> None:
    known = input_distributions(table, None)
    np.testing.assert_allclose(known["x"].mean, [4.5, 0.5, 2005, 0.3, 0], rtol=1e-6)
    np.testing.assert_allclose(known["x"].standard_deviation, [1, 0.5, 9, 0.5, 3], rtol=1e-6)
    assert known["text"].holds_codes
    assert known["x"].features == NUMBERS
    np.testing.assert_array_equal(known["text"].low, [0, 0, 0])
    np.testing.assert_array_equal(known["text"].high, [7, 4, 4])


class WithoutMoments(Table):
    mean_and_standard_deviation = None  # type: ignore[assignment]


def test_the_signature_is_enough() -> None:
    module = WithoutMoments()
    known = input_distributions(capture(module, example(module)), None)["x"]
    np.testing.assert_allclose(known.mean, [4.5, 0.5, 2005, 0.5, 0])
    np.testing.assert_allclose(known.standard_deviation, [1, 0.5, 7.5, 0.5, 1])


def test_data_tell_more_than_the_training_data_if_there_are_some(table: Program) -> None:
    def nines(count: int) -> Tensors:
        return {"x": np.full((count, 5), 9.0, np.float32), "text": np.zeros((count, 3), np.int64)}

    np.testing.assert_allclose(input_distributions(table, nines(15))["x"].mean, [4.5, 0.5, 2005, 0.3, 0], rtol=1e-6)
    known = input_distributions(table, nines(16))
    np.testing.assert_array_equal(known["x"].mean, [[9, 9, 9, 9, 9]])
    assert known["x"].features == NUMBERS
    np.testing.assert_array_equal(known["text"].high, [7, 4, 4])


def test_missing_values(table: Program) -> None:
    known = input_distributions(table, None)
    assert np.isnan(known["x"].missing_value)
    assert known["text"].missing_value == MISSING
    np.testing.assert_allclose(known["x"].missing_fractions, [0.1, 0, 0, 0, 0.3])
    # What is rare in training is among the rows that are drawn, and so is a value of what is nearly always missing.
    rare = InputDistribution(
        known["text"].spec,
        np.zeros(()),
        np.zeros(()),
        features=tuple(type(STRINGS[0])("f", "categorical", missing=m, categories=("a",)) for m in (1e-4, 0.05, 0.99)),
    )
    np.testing.assert_allclose(rare.missing_fractions, [0.02, 0.05, 0.5])


# ------------------------------------------------------------------------------------------------------------- integers


def test_lookups_tell_more_than_the_example(plain: Program) -> None:
    """Whatever the example holds, an embedding may be asked for all of its rows."""
    known = input_distributions(plain, None, {"ids": LookupRange(np.array([[0, LOWEST]]), np.array([[2, 7]]))})["ids"]
    # Of the second column one end is known, and the other one is what the example shows.
    assert (known.low.tolist(), known.high.tolist()) == ([[0, 0]], [[2, 7]])
    assert known.columns == 2


def test_what_the_user_states_comes_first(plain: Program) -> None:
    lookups = {"ids": LookupRange(np.array([[0, 0]]), np.array([[2, 2]]))}
    stated = {"ids": (np.array([[0, 1]]), np.array([[1, 2]])), "x": (np.array([[0.0]]), np.array([[1.0]]))}
    known = input_distributions(plain, None, lookups, stated)
    assert (known["ids"].low.tolist(), known["ids"].high.tolist()) == ([[0, 1]], [[1, 2]])
    x = drawn(known["x"], batch=4000)
    assert (x >= 0).all()
    assert (x <= 1).all()
    np.testing.assert_allclose([x.mean(), x.std()], [0.5, 1 / np.sqrt(12)], atol=0.02)


def test_a_largest_value_that_depends_on_a_size() -> None:
    program = capture(
        layer(lambda self, x, last: x.gather(1, last[:, None])),
        (rows(4, 5), torch.tensor([0, 1, 1, 0])),
        {"x": ("batch", "length")},
    )
    lookups = {"last": LookupRange(np.array([0]), np.array([HIGHEST]), ("length", -1))}
    known = input_distributions(program, None, lookups)["last"]
    for length in (1, 9):
        assert set(drawn(known, batch=300, length=length).tolist()) == set(range(length))


def only_small(self: Any, c: Tensor) -> Tensor:
    if not torch.compiler.is_exporting() and c[:, 1].max() > 3:
        raise ValueError("too large")
    return c * 2.0


@pytest.mark.parametrize(
    ("forward", "low", "high"),
    [(lambda self, c: c * 2.0, [[-4, -4]], [[9, 9]]), (only_small, [[5, -4]], [[9, 3]])],
)
def test_few_integers_of_a_column_say_little_if_the_module_takes_those_of_the_others(
    forward: Any, low: list[list[int]], high: list[list[int]]
) -> None:
    program = capture(layer(forward), torch.tensor([[5, -4], [9, 3]]))
    known = input_distributions(program)["c"]
    assert (known.low.tolist(), known.high.tolist()) == (low, high)
    # Many say enough.
    many = capture(layer(forward), torch.tensor([[5, -4], [9, 3]]).repeat(8, 1))
    assert input_distributions(many)["c"].low.tolist() == [[5, -4]]


def only(*taken: int) -> Any:
    def forward(self: Any, c: Tensor) -> Tensor:
        if not torch.compiler.is_exporting() and not set(c.flatten().tolist()) <= set(taken):
            raise ValueError("not these")
        return c * 2.0

    return forward


@pytest.mark.parametrize(
    ("value", "dtype", "low", "high"),
    [
        (1, torch.int64, 0, 1),
        (0, torch.int32, 0, 1),
        (7, torch.int64, 0, 7),
        (-3, torch.int8, -3, 1),
        (0, torch.uint8, 0, 255),
        (255, torch.uint8, 0, 255),
    ],
)
def test_one_integer_everywhere_says_nothing_of_others(value: int, dtype: torch.dtype, low: int, high: int) -> None:
    for shape in ((2, 3), (40, 3)):
        constant = torch.full(shape, value, dtype=dtype)
        known = input_distributions(capture(layer(lambda self, c: c * 2.0), constant))["c"]
        assert (known.low.tolist(), known.high.tolist(), known.is_kept) == ([[low] * 3], [[high] * 3], False)
        assert {low, high} <= set(drawn(known, batch=4000).flatten().tolist())
    refusing = capture(layer(only(value)), constant)
    known = input_distributions(refusing)["c"]
    assert (known.low.tolist(), known.high.tolist(), known.is_kept) == ([[value] * 3], [[value] * 3], True)
    assert Sampler(refusing).kept == {"c": value}
    # The user may say more.
    assert not Sampler(refusing, own=lambda random, count: {"c": np.full((count, 3), value)}).kept
    assert not Sampler(refusing, stated={"c": (np.array([[value]]), np.array([[value]]))}).kept
    data = {"c": refusing.example["c"]}
    assert (set(Sampler(refusing, data).draw()["c"].flatten().tolist()), Sampler(refusing, data).kept) == ({value}, {})


class Attending(nn.Module):
    """Attends to the places whose mask is not 0, and averages over them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.last = nn.Embedding(50, 8), nn.Linear(8, 3)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        h, m = self.layer(self.table(ids), src_key_padding_mask=mask == 0), mask[..., None].float()
        found: Tensor = self.last((h * m).sum(1) / m.sum(1).clamp(min=1))
        return found


def brightened(self: Any, image: Tensor) -> Tensor:
    return torch.relu(self.layer(image / 255.0))


@pytest.mark.parametrize(
    ("module", "example", "name"),
    [
        (Attending(), {"ids": torch.arange(20).reshape(4, 5), "mask": torch.ones(4, 5, dtype=torch.int64)}, "mask"),
        (layer(brightened), {"image": torch.zeros(2, 3, dtype=torch.uint8)}, "image"),
    ],
)
def test_a_file_that_ignores_an_input_that_is_one_integer_everywhere_is_refused(
    module: nn.Module, example: Any, name: str
) -> None:
    program = capture(module.eval(), example)
    references = References(program)
    sampler = Sampler(program)
    sampler.most_rows = 3
    found = references.of_probes(all_probe_inputs(sampler, references.exact))
    assert compare(program.run, found, program, "it")[0].holds

    def ignoring(tensors: Tensors) -> Tensors:
        value = program.example[name].flat[0]
        return program.run({**tensors, name: np.full_like(tensors[name], value)})

    with pytest.raises(ParityError, match="does not compute what torch computes"):
        compare(ignoring, found, program, "it")


def test_integers_are_drawn_in_each_column(plain: Program) -> None:
    stated = {"ids": (np.array([[0, 1]]), np.array([[0, 2]]))}
    ids = drawn(input_distributions(plain, None, None, stated)["ids"], batch=200)
    assert [set(column) for column in ids.T] == [{0}, {1, 2}]


# ---------------------------------------------------------------------------------------------------------------- draws


def drawn(known: InputDistribution, width: float = 1.0, **sizes: int) -> Any:
    return known.draw(np.random.default_rng(0), sizes, width)


def test_numbers_are_normal(table: Program) -> None:
    x = drawn(input_distributions(table, None)["x"], batch=4000)
    assert (x.shape, x.dtype) == ((4000, 5), np.float32)
    np.testing.assert_allclose(x[:, [0, 2, 4]].mean(axis=0), [4.5, 2005, 0], atol=0.3)
    np.testing.assert_allclose(x[:, [0, 2, 4]].std(axis=0), [1, 9, 3], rtol=0.05)
    wide = drawn(input_distributions(table, None)["x"], width=2.0, batch=4000)
    np.testing.assert_allclose(wide[:, [0, 2, 4]].std(axis=0), [2, 18, 6], rtol=0.05)
    # Booleans stay 0 and 1, the rarer the further their mean is from one half.
    assert set(np.unique(x[:, [1, 3]])) == {0.0, 1.0}
    np.testing.assert_allclose(x[:, [1, 3]].mean(axis=0), [0.5, 0.34], atol=0.03)


def test_codes_are_uniform_and_some_are_unknown(table: Program) -> None:
    text = drawn(input_distributions(table, None)["text"], batch=4000)
    assert [sorted(set(column)) for column in text.T] == [[0, *range(2, 8)], [0, 2, 3, 4], [0, 2, 3, 4]]
    np.testing.assert_allclose((text == UNKNOWN).mean(axis=0), 0.05, atol=0.02)
    np.testing.assert_allclose((text[:, 1] == 2).mean(), 0.95 / 3, atol=0.03)


def test_integers_and_booleans_are_uniform(plain: Program) -> None:
    known = input_distributions(plain, None)
    count, flag = drawn(known["count"], batch=4000), drawn(known["flag"], batch=4000)
    assert (count.dtype, count.min(), count.max()) == (np.int64, -7, 32)
    assert flag.dtype == np.bool_
    assert 0.45 < flag.mean() < 0.55


def test_numbers_fit_float32() -> None:
    spec = InputTensor("x", np.dtype("f4"), ("batch", 1))
    huge = InputDistribution(spec, np.array([0.0]), np.array([1e300]))
    values = drawn(huge, batch=50)
    assert np.isfinite(values).all()
    assert np.abs(values).max() == np.float32(FLOAT32_MAX)


def test_sizes_of_dimensions() -> None:
    program = capture(layer(lambda self, x: x * 2), rows(4, 5, 3), {"x": ("batch", "length")})
    assert drawn(input_distributions(program, None)["x"], batch=2, length=9).shape == (2, 9, 3)
