"""Changes to inputs: of bytes, of JSON documents, of lines, and of zip archives by their members."""

import copy
import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

# Numbers at which sizes, signs and types end.
INTEGERS = (
    0,
    1,
    -1,
    2,
    127,
    128,
    255,
    256,
    65535,
    2**31 - 1,
    2**31,
    -(2**31),
    2**32,
    2**40,
    2**62,
    2**63 - 1,
    -(2**63),
    2**64,
)
_NUMBERS = (*INTEGERS, 0.5, -0.0, 1e-320, 3.5e38, 1e308, float("inf"), float("-inf"), float("nan"))
_STRINGS = (
    "",
    "\0",
    "a\0b",
    "\ud800",
    "é",
    "\u202e",
    "null",
    "NaN",
    "1e400",
    "-",
    "x" * 300,
    "../../etc/passwd",
    "{",
    "=",
    ",",
    '"',
    "٣",
    "²",
)
_TOKENS = (
    b"",
    b"\0",
    b"\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n\n",
    b'"',
    b",",
    b"\t",
    b";",
    b"=",
    b"[",
    b"]",
    b"{",
    b"}",
    b"null",
    b"true",
    b"NaN",
    b"-1",
    b"1e999",
    b"9" * 40,
    b"1_0",
    b"0x10",
    b"\\u0000",
    b"\\ud800",
    b"\xed\xa0\x80",
    b"[" * 2000,
    b'{"a":' * 500,
)


def mutated_bytes(data: bytes, random: Random) -> bytes:
    """A few changes anywhere: bits, bytes, pieces that are cut out, repeated, moved, or come from a list."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 8))):
        _change_bytes(changed, random)
    return bytes(changed)


def _change_bytes(data: bytearray, random: Random) -> None:
    place = random.randrange(len(data) + 1)
    length = min(len(data) - place, random.choice((1, 1, 2, 4, 8, 64)))
    match random.randrange(8):
        case 0 if length:
            data[place] ^= 1 << random.randrange(8)
        case 1 if length:
            data[place] = random.choice((0, 1, 0x7F, 0x80, 0xFF, 10, 34, random.randrange(256)))
        case 2:
            del data[place : place + length]
        case 3:
            data[place:place] = data[place : place + length] * random.choice((1, 2, 50))
        case 4:
            data[place:place] = random.choice(_TOKENS)
        case 5:
            other = random.randrange(len(data) + 1)
            data[place : place + length] = data[other : other + length]
        case 6 if length >= 4:
            form = random.choice(("<I", ">I", "<Q", ">Q"))
            data[place : place + struct.calcsize(form)] = struct.pack(
                form, random.choice(INTEGERS) % 256 ** struct.calcsize(form)
            )
        case _:
            del data[place:]


def mutated_lines(data: bytes, random: Random) -> bytes:
    """Lines, or their cells, that are dropped, repeated, moved, or changed; sometimes bytes."""
    if random.random() < 0.3:
        return mutated_bytes(data, random)
    lines = data.split(b"\n")
    place, other = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            del lines[place]
        case 1:
            lines[place:place] = lines[other : other + 1] * random.choice((1, 20))
        case 2:
            lines[place], lines[other] = lines[other], lines[place]
        case 3:
            separator = random.choice((b",", b"\t"))
            cells = lines[place].split(separator)
            cell = random.randrange(len(cells))
            cells[cell : cell + random.randrange(2)] = [random.choice((*_TOKENS, *cells))]
            lines[place] = separator.join(cells)
        case _:
            lines[place] = mutated_json(lines[place], random)
    return b"\n".join(lines)


def mutated_json(data: bytes, random: Random) -> bytes:
    """Values, keys and structure of a JSON document; bytes, if it is not one, and sometimes."""
    if random.random() < 0.1:
        return mutated_bytes(data, random)
    try:
        document = json.loads(data)
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            document = mutated_value(document, random)
        return json.dumps(document, ensure_ascii=random.random() < 0.5).encode(errors="surrogatepass")
    except (ValueError, RecursionError, SystemError):
        # What is nested too deep to copy is a SystemError where coverage is measured.
        return mutated_bytes(data, random)


def mutated_value(document: Any, random: Random) -> Any:
    """`document`, a tree of JSON's values, with a change at one place."""
    places = list(_places(document))
    holder, key = random.choice(places)
    value = document if holder is None else holder[key]
    new = _other(
        value,
        [copy.deepcopy(one if at is None else one[at]) for one, at in random.choices(places, k=2) if one is not None],
        random,
    )
    if holder is None:
        return new
    match random.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder[key:key] = [copy.deepcopy(value)] * random.choice((1, 2, 30))
        case 1:
            holder[random.choice((f"{key} ", key.upper(), "", *_STRINGS))] = holder.pop(key)
        case _:
            holder[key] = new
    return document


def _places(value: Any, depth: int = 0) -> Any:
    """Every container and key in `value`, and the whole."""
    if depth == 0:
        yield None, None
    if depth > 30 or not isinstance(value, dict | list):
        return
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        yield from _places(value[key], depth + 1)


def _other(value: Any, others: list[Any], random: Random) -> Any:
    changes: list[Callable[[], Any]] = [
        lambda: random.choice((None, True, False, [], {}, [[]], *_NUMBERS, *_STRINGS)),
        lambda: [value],
        lambda: {"name": value},
        lambda: random.choice(others) if others else None,
    ]
    if isinstance(value, bool):
        changes.append(lambda: int(value))
    elif isinstance(value, int | float):
        changes += [
            lambda: value + random.choice((1, -1)),
            lambda: -value,
            lambda: str(value),
            lambda: random.choice(_NUMBERS),
        ] * 2
    elif isinstance(value, str):
        changes += [
            lambda: mutated_bytes(value.encode(errors="replace"), random).decode(errors="replace"),
            lambda: value + random.choice(_STRINGS),
            lambda: random.choice(_STRINGS),
        ] * 2
    elif isinstance(value, list):
        changes += [lambda: value * 2, lambda: value[::-1], lambda: value[:-1], lambda: _nested(value, random)]
    try:
        return random.choice(changes)()
    except OverflowError:
        return None


def _nested(value: Any, random: Random) -> Any:
    for _ in range(random.choice((2, 40, 300))):
        value = [value]
    return value


def mutated_zip(data: bytes, random: Random) -> bytes:
    """Members of a zip archive that are changed, dropped, repeated, renamed or compressed; bytes, and if it is none."""
    if random.random() < 0.2:
        return mutated_bytes(data, random)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist() if info.file_size < 2**20]
    except Exception:  # it was changed before, in any way
        return mutated_bytes(data, random)
    if not members:
        return mutated_bytes(data, random)
    place = random.randrange(len(members))
    name, content = members[place]
    match random.randrange(8):
        case 0:
            del members[place]
        case 1:
            members.append((name, members[random.randrange(len(members))][1]))
        case 2:
            members[place] = (name + random.choice(("2", "/", "\0", ".npy", "")), content)
        case 3:
            members[place] = (name, b"\0" * random.choice((0, 1, 2**20)))
        case _:
            members[place] = (name, mutated_bytes(content, random))
    result = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(result, "w", random.choice((0, 0, 8))) as archive:
        warnings.simplefilter("ignore")  # two members of one name
        for one, kept in members:
            archive.writestr(zipfile.ZipInfo(one.replace("\0", "") or "x"), kept)
    return result.getvalue()
