"""Numbers in text as programs write them: digits, a point, an exponent. `notation` has how people write them."""

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.terminal import shortened

FLOAT32_MAX = 3.4028234663852886e38  # of float32, the type of a number in a tensor


def parse_number(text: str) -> float:
    """`text` as a number that float32 holds: decimal or scientific notation, "nan" and "inf" included.

    Raises:
        InvalidInput: it is not such a number. Python's digit grouping (1_000) is refused: in data it is far more often
            a typo.
    """
    try:
        number = float(text.replace("_", "?"))
    except ValueError:
        text = text.strip()
        raise InvalidInput(f"{shortened(repr(text))} is not a number" if text else "the value is empty") from None
    # 1e400 is not infinity, and 1e300 would become it.
    if abs(number) > FLOAT32_MAX and "inf" not in text.lower():
        raise InvalidInput(f"{shortened(text.strip())} does not fit float32")
    return number


def is_number(text: str) -> bool:
    """Whether `parse_number` takes `text`."""
    try:
        parse_number(text)
    except InvalidInput:
        return False
    return True
