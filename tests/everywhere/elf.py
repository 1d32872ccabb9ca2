"""Where constant arrays lie in a linked program (ELF, little-endian, 32 or 64 bits)."""

import struct
from collections.abc import Collection


def arrays(program: bytes, names: Collection[str]) -> dict[str, tuple[int, int]]:
    """The offset and the length, in bytes of the file, of each of these arrays that is in the program once."""
    is_64 = program[4] == 2
    if is_64:
        start, (size, count) = struct.unpack_from("<Q", program, 0x28)[0], struct.unpack_from("<2H", program, 0x3A)
    else:
        start, (size, count) = struct.unpack_from("<I", program, 0x20)[0], struct.unpack_from("<2H", program, 0x2E)
    # name, type, flags, address, offset, size, link.
    sections = [
        struct.unpack_from("<2I4QI" if is_64 else "<7I", program, start + size * place) for place in range(count)
    ]
    found: dict[str, list[tuple[int, int]]] = {}
    for _, kind, _, _, offset, length, link in sections:
        if kind != 2:  # a table of symbols
            continue
        texts = sections[link][4]
        for entry in range(offset, offset + length, 24 if is_64 else 16):
            if is_64:
                name, section, value, extent = struct.unpack_from("<I2xH2Q", program, entry)
            else:
                name, value, extent, section = struct.unpack_from("<3I2xH", program, entry)
            text = program[texts + name : program.index(b"\0", texts + name)].decode()
            if text in names and section < count:
                _, _, _, address, place, _, _ = sections[section]
                found.setdefault(text, []).append((value - address + place, extent))
    return {name: places[0] for name, places in found.items() if len(places) == 1}
