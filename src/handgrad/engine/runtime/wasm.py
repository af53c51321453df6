"""LLVM's object files for WebAssembly, made modules that run.

An object asks for memory, perhaps for a pointer to a stack, and says where addresses of its own data stand in
its code. A module of ours takes the memory from outside and nothing else, exports functions, and brings its
data with it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\0asm\1\0\0\0"
CUSTOM, TYPES, IMPORTS, FUNCTIONS, GLOBALS, EXPORTS, COUNT, CODE, DATA = 0, 1, 2, 3, 6, 7, 12, 10, 11
FUNCTION, TABLE, MEMORY, GLOBAL = range(4)  # what is imported or exported
I32 = 0x7F
CONST, END = b"\x41", b"\x0b"  # i32.const, and the end of an expression
SYMBOLS = 8  # the part of the linking section that has them
UNDEFINED, NAMED = 0x10, 0x40
ADDRESSES = {3: "unsigned", 4: "signed", 5: "word"}  # relocations of addresses, as they are written
INDICES = {0, 6, 7}  # of functions, types and globals: in an object that is alone they are right


@dataclass(frozen=True)
class Symbol:
    kind: int  # a function, data (1), a global
    name: str
    index: int  # of the function; of data its segment
    offset: int = 0  # in the segment
    is_defined: bool = True


class Reader:
    """Bytes, read one after the other."""

    def __init__(self, data: bytes, at: int = 0):
        self.data, self.at = data, at

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def byte(self) -> int:
        return self.take(1)[0]

    def take(self, n: int) -> bytes:
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, signed: bool = False) -> int:
        """LEB128: seven bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value - (1 << shift) if signed and byte & 0x40 else value

    def name(self) -> str:
        return self.take(self.number()).decode()

    def part(self) -> Reader:
        return Reader(self.take(self.number()))


def number(value: int, size: int = 1) -> bytes:
    """LEB128, in at least ``size`` bytes."""
    out = bytearray()
    while value >= 0x80 or len(out) + 1 < size:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def signed(value: int, size: int = 1) -> bytes:
    out = bytearray()
    while not -0x40 <= value < 0x40 or len(out) + 1 < size:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value & 0x7F])


def named(name: str) -> bytes:
    return number(len(name.encode())) + name.encode()


def as_i32(address: int) -> int:
    return address - (1 << 32) if address >= 1 << 31 else address


def constant(address: int) -> bytes:
    """The expression that is an address."""
    return CONST + signed(as_i32(address)) + END


def section(kind: int, items: list[bytes]) -> bytes:
    body = number(len(items)) + b"".join(items)
    return bytes([kind]) + number(len(body)) + body


class Object:
    """An object file of LLVM's, taken apart."""

    def __init__(self, data: bytes):
        self.sections: dict[int, bytes] = {}
        self.symbols: list[Symbol] = []
        self.relocations: list[tuple[int, int, int, int, int]] = []  # section, kind, place, symbol, addend
        order: list[int] = []
        reader = Reader(data, len(MAGIC))
        while reader:
            kind = reader.byte()
            body = reader.take(reader.number())
            order.append(kind)
            if kind == CUSTOM:
                self._custom(Reader(body), order)
            else:
                self.sections[kind] = body
        self.imports = list(self._imports())

    @property
    def unknown(self) -> list[str]:
        """Functions that it calls and does not have."""
        return [name for kind, name in self.imports if kind == FUNCTION]

    def _custom(self, reader: Reader, order: list[int]) -> None:
        name = reader.name()
        if name == "linking":
            reader.number()  # its version
            while reader:
                kind, part = reader.byte(), reader.part()
                if kind == SYMBOLS:
                    self.symbols = [self._symbol(part) for _ in range(part.number())]
        elif name.startswith("reloc."):
            where = order[reader.number()]
            for _ in range(reader.number()):
                kind, place, symbol = reader.byte(), reader.number(), reader.number()
                addend = reader.number(signed=True) if kind in ADDRESSES else 0
                self.relocations.append((where, kind, place, symbol, addend))

    def _symbol(self, part: Reader) -> Symbol:
        kind, flags = part.byte(), part.number()
        is_defined = not flags & UNDEFINED
        if kind == 1:
            name = part.name()
            index, offset, _ = (part.number() if is_defined else 0 for _ in range(3))
            return Symbol(kind, name, index, offset, is_defined)
        index = part.number()
        name = part.name() if kind != 3 and (is_defined or flags & NAMED) else ""
        return Symbol(kind, name, index, 0, is_defined)

    def _imports(self) -> Iterator[tuple[int, str]]:
        reader = Reader(self.sections.get(IMPORTS, b"\0"))
        for _ in range(reader.number()):
            reader.name()
            name, kind = reader.name(), reader.byte()
            if kind == TABLE:
                reader.byte()
            if kind in (TABLE, MEMORY):
                for _ in range(1 + (reader.byte() & 1)):
                    reader.number()
            elif kind == GLOBAL:
                reader.take(2)
            else:
                reader.number()
            yield kind, name

    def segments(self) -> list[tuple[int, bytes]]:
        """Its data: where each piece lies among them, and what it is."""
        reader, found = Reader(self.sections.get(DATA, b"\0")), []
        for _ in range(reader.number()):
            if reader.number() != 0 or reader.take(1) != CONST:
                raise ValueError("data of an object for WebAssembly begin at a constant address")
            start = reader.number(signed=True)
            reader.take(1)
            found.append((start, reader.take(reader.number())))
        return found

    def linked(self, data_at: int) -> dict[int, bytes]:
        """Its sections with the addresses of its own data, which begin at ``data_at``."""
        starts = [start for start, _ in self.segments()]
        sections = {kind: bytearray(body) for kind, body in self.sections.items()}
        for where, kind, place, symbol, addend in self.relocations:
            if kind in INDICES:
                continue
            found = self.symbols[symbol]
            if kind not in ADDRESSES or not found.is_defined or where != CODE:
                raise ValueError(f"the object has a relocation of kind {kind} for '{found.name}'")
            address = data_at + starts[found.index] + found.offset + addend
            forms = {"unsigned": number(address, 5), "signed": signed(as_i32(address), 5)}
            new = forms.get(ADDRESSES[kind]) or struct.pack("<I", address)
            sections[where][place : place + len(new)] = new
        return {kind: bytes(body) for kind, body in sections.items()}


def module(
    object: Object, exports: list[str], pages: int, stack: int, data_at: int, data: list[tuple[int, bytes]]
) -> bytes:
    """A module that imports ``env.memory`` of so many ``pages``, and nothing else.

    Args:
        object: code that calls no unknown function.
        exports: names of functions.
        pages: of 65,536 bytes, that the memory has at least.
        stack: where it begins; it grows towards 0.
        data_at: where the object's own data lie.
        data: (address, bytes) that the memory is given when the module is instantiated.
    """
    made = object.linked(data_at)
    needs_stack = [name for kind, name in object.imports if kind == GLOBAL]
    if any(kind not in (MEMORY, GLOBAL) for kind, _ in object.imports) or needs_stack not in (
        [],
        ["__stack_pointer"],
    ):
        raise ValueError(f"an object for WebAssembly imports {', '.join(name for _, name in object.imports)}")
    memory = named("env") + named("memory") + bytes([MEMORY, 0]) + number(pages)
    indices = {s.name: s.index for s in object.symbols if s.kind == FUNCTION and s.is_defined}
    exported = [named(name) + bytes([FUNCTION]) + number(indices[name]) for name in exports]
    data = [(data_at + start, content) for start, content in object.segments()] + data
    pieces = [b"\0" + constant(address) + number(len(content)) + content for address, content in data]
    written = {kind: bytes([kind]) + number(len(body)) + body for kind, body in made.items()}
    written[IMPORTS] = section(IMPORTS, [memory])
    written[EXPORTS] = section(EXPORTS, exported)
    written[DATA] = section(DATA, pieces)
    if needs_stack:
        written[GLOBALS] = section(GLOBALS, [bytes([I32, 1]) + constant(stack)])
    order = (TYPES, IMPORTS, FUNCTIONS, GLOBALS, EXPORTS, CODE, DATA)
    beyond = set(written) - {*order, COUNT}
    if beyond:
        raise ValueError(f"an object for WebAssembly has sections {sorted(beyond)}")
    return MAGIC + b"".join(written[kind] for kind in order if kind in written)
