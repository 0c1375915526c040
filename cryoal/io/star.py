"""STAR files: read liberally, every value as text with the number of its line; written as strictly as RELION reads.

The `starfile` package is the reference in our tests, but not the reader: it turns numeric-looking names into
numbers, fills short rows with NaN and cannot say on which line a file is wrong.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.errors import ArrayError, FileFormatError
from cryoal.io.durable import write_atomic
from cryoal.io.text import read_text

_TOKEN = re.compile(r"""(?:"([^"]*)"|'([^']*)')(?=\s|$)|(\S+)""")
_NEEDS_QUOTES = re.compile(r"""\s|^$|^["'#_;]|^(?:data_|loop_)""", re.IGNORECASE)
_MISSING = ("<NA>", "nan", "NaN", "None", "null")

RELION_HEADING = "\n# version 30001\n\n"

Blocks = dict[str, pd.DataFrame]
Columns = Mapping[str, Sequence[object] | NDArray[np.generic]]


@dataclass(slots=True)
class _Block:
    """A block while it is read: labels, rows of tokens, line of each row."""

    is_loop: bool = False
    labels: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def table(self) -> pd.DataFrame:
        values = np.empty((len(self.rows), len(self.labels)), dtype=object)
        if self.rows:
            values[:] = self.rows
        return pd.DataFrame(values, index=self.lines, columns=self.labels, dtype=object)


def read(path: Path) -> Blocks:
    """Read all blocks of a STAR file, by name without ``data_``; values are text, the index is the line number.

    A block of single values is a table of one row; a further loop in a block is a block of its own, named with its
    line. A zero-byte file has no blocks. CR-LF, blank lines and comments between rows, quoted values, values with
    spaces between tabs and ``stop_`` are accepted.

    Raises
    ------
    FileError
        The file cannot be read.
    FileFormatError
        It is not STAR text, or a row has not as many values as the block has columns.
    """
    lines = read_text(path, "a STAR file").split("\n")
    blocks: dict[str, _Block] = {}
    block: _Block | None = None
    name = ""
    for number, line in _significant(lines):
        tokens = _tokens(line)
        if _starts_block(tokens, block, lines, number):
            name = tokens[0][5:]
            if name in blocks:
                raise FileFormatError(f"{path}: line {number}: block data_{name} occurs twice; keep one of the two")
            block = blocks[name] = _Block()
        elif block is None:
            raise FileFormatError(
                f"{path}: line {number}: '{line.strip()[:60]}' before any data_ block; give a STAR file"
            )
        elif _is_word(tokens, "loop_") and block.labels:
            block = blocks[f"{name} {number}"] = _Block(is_loop=True)
        else:
            _add(path, number, _between_tabs(line, tokens, block), block)
    return {name: block.table() for name, block in blocks.items()}


def table_with(blocks: Blocks, labels: Sequence[str], path: Path) -> pd.DataFrame:
    """Find the first block that has all of `labels`, whatever its name and place.

    Raises
    ------
    FileFormatError
        No block has them; the text lists what was found.
    """
    for table in blocks.values():
        if set(labels) <= set(table.columns):
            return table
    found = sorted({str(label) for table in blocks.values() for label in table.columns})
    wanted = ", ".join(f"_{label}" for label in labels)
    raise FileFormatError(
        f"{path}: no block with {wanted}; found columns: {', '.join(found) or 'none'}; give another file"
    )


def numbers(table: pd.DataFrame, label: str, path: Path, *, missing: bool = False) -> NDArray[np.float64]:
    """Convert a column to float64; ``<NA>`` and ``nan`` become NaN where `missing` allows them.

    Raises
    ------
    FileFormatError
        A value is not a (finite) number; the text names its line.
    """
    values = pd.to_numeric(table[label], errors="coerce").to_numpy(np.float64)
    wrong = ~np.isfinite(values)
    if missing and wrong.any():
        wrong &= ~table[label].isin(_MISSING).to_numpy(bool)
    if wrong.any():
        first = int(np.argmax(wrong))
        line, value = table.index[first], table[label].iloc[first]
        raise FileFormatError(
            f"{path}: line {line}: _{label} is '{value}', not a finite number; correct or remove the row"
        )
    return values


def write(path: Path, blocks: Mapping[str, Columns], heading: str = RELION_HEADING) -> None:
    """Write `text`; errors as there.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    write_atomic(path, text(path, blocks, heading))


def text(path: Path, blocks: Mapping[str, Columns], heading: str = RELION_HEADING) -> str:
    """Loops, `{block: {label: values}}`, as RELION 3.1, 4 and 5 read them; the path is for errors.

    One blank line ends a block, none stands between rows; numbers have up to nine digits. A block whose values are
    texts, not sequences, is written as single values. `heading` comes before each block.

    Raises
    ------
    ArrayError
        A number is not finite, or the columns of a block differ in length.
    FileFormatError
        A text cannot be written in STAR (line end, or quotes beside spaces).
    """
    return "".join(heading + _format_block(path, name, block) for name, block in blocks.items())


def _significant(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield what is neither blank nor a comment, with its line number."""
    for number, line in enumerate(lines, start=1):
        if line and not line.isspace() and not line.lstrip().startswith("#"):
            yield number, line


def _tokens(line: str) -> list[str]:
    """Split at white space outside quotes; most lines have no quotes."""
    if '"' not in line and "'" not in line:
        return line.split()
    return [double or single or bare for double, single, bare in _TOKEN.findall(line)]


def _between_tabs(line: str, tokens: list[str], block: _Block) -> list[str]:
    """Values that hold spaces and no quotes but stand between tabs, as Topaz writes them."""
    if not block.is_loop or len(tokens) <= len(block.labels) or tokens[0].startswith("_") or '"' in line:
        return tokens
    values = line.strip().split("\t")
    return [value.strip() for value in values] if len(values) == len(block.labels) else tokens


def _starts_block(tokens: list[str], block: _Block | None, lines: list[str], number: int) -> bool:
    """Tell a block's start from a row whose name begins with data_, by what follows in one-column loops."""
    if len(tokens) != 1 or tokens[0][:5].lower() != "data_":
        return False
    if block is None or not block.is_loop or len(block.labels) != 1:
        return True
    following = next((line.strip() for _, line in _significant(lines[number:])), "_")
    return following.lower().startswith(("loop_", "_"))


def _is_word(tokens: list[str], word: str) -> bool:
    """Whether a line is one of STAR's reserved words, which may be in capitals."""
    return len(tokens) == 1 and tokens[0].lower() == word


def _add(path: Path, number: int, tokens: list[str], block: _Block) -> None:
    """Take one line into the block: loop_, stop_, a label, a label with its value, or a row."""
    is_label = tokens[0].startswith("_")
    if _is_word(tokens, "loop_") and not block.labels:
        block.is_loop = True
    elif block.is_loop and is_label and not block.rows and _names_column(tokens, block):
        _add_label(path, number, tokens[0][1:], block)
    elif _is_word(tokens, "stop_") and len(block.labels) != 1:
        return
    elif block.is_loop:
        block.rows.append(_uncommented(path, number, tokens, len(block.labels)))
        block.lines.append(number)
    elif is_label:
        _add_label(path, number, tokens[0][1:], block)
        block.rows = [[*(block.rows[0] if block.rows else []), _uncommented(path, number, tokens, 2)[1]]]
        block.lines = [number]
    else:
        raise FileFormatError(f"{path}: line {number}: '{' '.join(tokens)[:60]}' is neither a row nor '_label value'")


def _names_column(tokens: list[str], block: _Block) -> bool:
    """Whether a line that begins with _ is a label, with its number or a comment, and not the first row."""
    return len(tokens) == 1 or tokens[1].startswith("#") or tokens[1:] == [str(len(block.labels) + 1)]


def _add_label(path: Path, number: int, label: str, block: _Block) -> None:
    """Take a label, once."""
    if label in block.labels:
        raise FileFormatError(f"{path}: line {number}: _{label} occurs twice in the block; remove one of the two")
    block.labels.append(label)


def _uncommented(path: Path, number: int, tokens: list[str], expected: int) -> list[str]:
    """Cut a trailing comment and insist on the number of values."""
    if len(tokens) > expected and tokens[expected].startswith("#"):
        del tokens[expected:]
    if len(tokens) != expected:
        raise FileFormatError(
            f"{path}: line {number}: {len(tokens)} values instead of {expected}; mend or remove the line"
        )
    return tokens


def _format_block(path: Path, name: str, block: Columns) -> str:
    """Format a loop, or single values."""
    if all(isinstance(value, str) for value in block.values()):
        values = "".join(f"_{label} {_quoted(path, str(value))}\n" for label, value in block.items())
        return f"data_{name}\n\n{values}\n"
    columns = [_format_column(path, label, values) for label, values in block.items()]
    if len({len(column) for column in columns}) > 1:
        raise ArrayError(f"{path}: columns of block data_{name} differ in length; give one value for each row")
    header = "".join(f"_{label} #{i}\n" for i, label in enumerate(block, start=1))
    rows = "".join(" ".join(row) + "\n" for row in zip(*columns, strict=True))
    return f"data_{name}\n\nloop_\n{header}{rows}\n"


def _format_column(path: Path, label: str, values: Sequence[object] | NDArray[np.generic]) -> list[str]:
    """Format numbers with up to nine digits, texts quoted where they must be."""
    array = np.asarray(values)
    if array.dtype.kind in "iub":
        return [str(int(value)) for value in array]
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise ArrayError(f"{path}: column _{label} holds NaN or infinity; RELION reads neither")
        return [f"{value:.9g}" for value in (array + 0.0).tolist()]  # + 0.0 turns -0 into 0
    return [_quoted(path, str(value)) for value in values]


def _quoted(path: Path, text: str) -> str:
    """Quote a text where RELION needs it."""
    if not _NEEDS_QUOTES.search(text):
        return text
    quote = "'" if '"' in text else '"'
    if quote in text or "\n" in text or "\r" in text:
        raise FileFormatError(
            f"{path}: '{text}' cannot be written in a STAR file; rename it without quotes and line ends"
        )
    return f"{quote}{text}{quote}"
