"""Writes C: statements and loops, and where the elements of each tensor are."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_export.c_code.literals import Names, literal
from edge_export.c_code.static_graph import Value
from edge_export.tensors import Array

# Fewer weights than this stay as they are: their scales would take as much memory.
_FEWEST = 64
# The names of loops' variables, from the outermost in.
_INDICES = "ijklmnopqrs"


@dataclass(frozen=True)
class Stored:
    """Where the elements of a tensor are.

    Attributes:
        name: of the array in C; or the only element's literal.
        strides: how far apart in the array two elements are that follow each other on each axis of the tensor.
        offset: the place of the first element.
        is_literal: whether `name` is an element itself.
        before: the variables that say where on other axes these elements are, with their strides.
    """

    name: str
    strides: tuple[int, ...]
    offset: int = 0
    is_literal: bool = False
    before: tuple[tuple[str, int], ...] = ()

    def at(self, indices: Sequence[str], strides: Sequence[int] | None = None) -> "Stored":
        """The elements at `indices` on the first axes, or on axes of the strides that are given in their place."""
        if strides is not None:
            return replace(self, before=(*self.before, *zip(indices, strides, strict=True)))
        pairs = zip(indices, self.strides[: len(indices)], strict=True)
        return replace(self, strides=self.strides[len(indices) :], before=(*self.before, *pairs))

    def element(self, indices: Sequence[str], strides: Sequence[int] | None = None) -> str:
        """The element at `indices`, one for each axis, or for each of the strides that are given in their place."""
        if self.is_literal:
            return self.name
        steps = self.strides if strides is None else strides
        outer, outer_steps = [one for one, _ in self.before], [step for _, step in self.before]
        return f"{self.name}[{place([*outer, *indices], [*outer_steps, *steps], self.offset)}]"


def place(indices: Sequence[str], strides: Sequence[int], offset: int = 0) -> str:
    """A place in an array as an expression: i * 33 + j."""
    terms = []
    for index, stride in zip(indices, strides, strict=True):
        if stride == 0 or index == "0":
            continue
        if index.isdigit():
            offset += int(index) * stride
            continue
        index = f"({index})" if " " in index and stride != 1 else index
        terms.append(index if stride == 1 else f"{index} * {stride}")
    if offset or not terms:
        terms.append(str(offset))
    return " + ".join(terms).replace("+ -", "- ")


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a tensor whose elements follow each other in C order."""
    return tuple(int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape)))


def broadcast(strides: Sequence[int], shape: Sequence[int], to: Sequence[int]) -> tuple[int, ...]:
    """The strides with which a tensor of `shape` is read as one of the shape `to`."""
    kept = tuple(0 if size == 1 else stride for stride, size in zip(strides, shape, strict=True))
    return (*(0 for _ in range(len(to) - len(shape))), *kept)


def merged(shape: Sequence[int], operands: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """As few axes as can be, along which all operands are still gone through in the same order."""
    sizes: list[int] = []
    strides: list[list[int]] = [[] for _ in operands]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        steps = [operand[axis] for operand in operands]
        if sizes and all(known[-1] == step * size for known, step in zip(strides, steps, strict=True)):
            sizes[-1] *= size
            for known, step in zip(strides, steps, strict=True):
                known[-1] = step
        else:
            sizes.append(size)
            for known, step in zip(strides, steps, strict=True):
                known.append(step)
    return sizes, strides


def _variable(loops: int) -> str:
    """The variable of a loop within so many others."""
    return _INDICES[loops] if loops < len(_INDICES) else f"{_INDICES[-1]}{loops}"


class Writer:
    """The body of a function in C, and the constants and arrays that it uses."""

    def __init__(self, names: Names, in_8_bits: bool = False) -> None:
        """Begin with nothing.

        Args:
            names: has the names that are taken.
            in_8_bits: whether weights are held in 8 bits.
        """
        self.names = names
        self._in_8_bits = in_8_bits
        self.lines: list[str] = []
        self.constants: dict[Value, str] = {}
        self.arrays: dict[str, Value] = {}
        # Where values have to be in the end: the outputs of the graph.
        self.places: dict[Value, Stored] = {}
        self._stored: dict[Value, Stored] = {}
        self._derived: dict[tuple[Value, str], Value] = {}
        self._depth = 0
        self._open_loops = 0

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append(f"{'    ' * (self._depth + 1)}{text}")

    @contextlib.contextmanager
    def block(self, head: str) -> Iterator[None]:
        """What follows, within braces."""
        self.line(f"{head} {{".lstrip())
        self._depth += 1
        yield
        self._depth -= 1
        self.line("}")

    @contextlib.contextmanager
    def branch(self, head: str) -> Iterator[None]:
        """What follows, within braces that may not be entered: what is put into order there is so only there."""
        before = dict(self._stored)
        with self.block(head):
            yield
        self._stored = before

    @contextlib.contextmanager
    def loops(self, sizes: Sequence[int]) -> Iterator[list[str]]:
        """What follows, for each place along axes of these sizes; gives the variables."""
        outer = self._open_loops
        with contextlib.ExitStack() as blocks:
            indices = []
            for size in sizes:
                indices.append("0" if size == 1 else _variable(self._open_loops))
                if size != 1:
                    name, self._open_loops = indices[-1], self._open_loops + 1
                    blocks.enter_context(self.block(f"for (int {name} = 0; {name} < {size}; {name}++)"))
            yield indices
        self._open_loops = outer

    def put(self, value: Value, stored: Stored) -> None:
        """Say where the elements of `value` are."""
        self._stored[value] = stored

    def new(self, value: Value) -> Stored:
        """An array for the elements of `value`, which are not written yet."""
        if value in self.places:
            stored = self.places[value]
        else:
            name = self.names.new(value.name)
            self.arrays[name] = value
            stored = Stored(name, contiguous(value.shape))
        self._stored[value] = stored
        return stored

    def stored(self, value: Value) -> Stored:
        """Where the elements of `value` are."""
        if value in self._stored:
            return self._stored[value]
        assert value.constant is not None, value.name
        if value.size == 1:
            text = literal(value.constant.reshape(-1)[0], value.dtype)
            return Stored(text, tuple(0 for _ in value.shape), is_literal=True)
        return self.constant(value)

    def derived(self, value: Value, how: str, make: Callable[[Array], Array]) -> Stored:
        """An array of what follows from the elements of a constant; made once for each `how`."""
        return self.constant(self._made(value, how, make))

    def _made(self, value: Value, how: str, make: Callable[[Array], Array]) -> Value:
        if (value, how) not in self._derived:
            assert value.constant is not None
            array = np.ascontiguousarray(make(value.constant))
            self._derived[value, how] = replace(value, shape=array.shape, dtype=array.dtype, constant=array)
        return self._derived[value, how]

    def weights(
        self, value: Value, how: str, make: Callable[[Array], Array], kept: Sequence[int]
    ) -> "tuple[Stored, Stored | None]":
        """An array of what follows from constant weights, and what its elements are to be multiplied by.

        In 8 bits, elements at one place on the axes `kept` have a scale in common: their largest magnitude becomes 127.

        Args:
            value: the weights.
            how: names what is made of them.
            make: makes it.
            kept: axes of what is made.

        Returns:
            The array, and scales with a stride for each of its axes; None if the elements are the weights themselves.
        """
        made = self._made(value, how, make)
        array = made.constant
        assert array is not None
        if not self._in_8_bits or array.dtype != np.float32 or array.size < _FEWEST or not np.isfinite(array).all():
            return self.constant(made), None
        others = tuple(axis for axis in range(array.ndim) if axis not in {one % array.ndim for one in kept})

        def scales(array: Array) -> Array:
            largest = np.abs(array).max(axis=others, keepdims=True)
            return np.where(largest == 0, np.float32(1), largest / np.float32(127)).astype(np.float32)

        scale = self._made(made, "scale", scales)
        codes = self._made(made, "codes", lambda array: np.rint(array / scales(array)).astype(np.int8))
        codes_stored, stored = self.constant(codes), self.constant(scale, "_scale")
        return codes_stored, replace(stored, strides=broadcast(stored.strides, scale.shape, array.shape))

    def constant(self, value: Value, mark: str = "") -> Stored:
        """An array of the elements of a constant, also of a single one; `mark` goes behind its name."""
        if value not in self.constants:
            self.constants[value] = self.names.new(f"{value.name}{mark}")
        return Stored(self.constants[value], contiguous(value.shape))

    def in_order(self, value: Value) -> Stored:
        """An array in which the elements of `value` follow each other in C order; copied if they do not yet."""
        stored = self.constant(value) if value not in self._stored else self._stored[value]
        ordered = contiguous(value.shape)
        if all(
            size == 1 or one == other for size, one, other in zip(value.shape, stored.strides, ordered, strict=True)
        ):
            return stored
        copied = replace(value, name=f"{value.name}_in_order", constant=None)
        found = self.new(copied)
        self.copy(stored, found, value.shape)
        self._stored[value] = found
        return found

    def copy(self, source: Stored, target: Stored, shape: Sequence[int]) -> None:
        """Copy elements of one type; both have a stride for each axis of `shape`."""
        sizes, (given, wanted) = merged(shape, [source.strides, target.strides])
        with self.loops(sizes) as indices:
            self.line(f"{target.element(indices, wanted)} = {source.element(indices, given)};")
