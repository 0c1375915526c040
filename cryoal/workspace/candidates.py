"""A round's candidates: one Parquet file a micrograph, written whole, so that scoring resumes where it stopped."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cryoal.data.candidates import CandidatePool
from cryoal.data.classes import NO_CLASSES, Classes, full_probability
from cryoal.errors import ArrayError, FileError, FileFormatError, OptionError
from cryoal.io.durable import atomic_path, names_below
from cryoal.io.threads import in_threads
from cryoal.workspace.layout import RoundLayout

_MEMBER = re.compile(r"m\d+")
_FIRST_MEMBER = re.compile(r"m0_(class|junk)(\d+)")
_EMBEDDING = "embedding"
_SUFFIX = ".parquet"
_MICROGRAPHS_AT_A_TIME = 256
_READERS = 2


@dataclass(frozen=True, slots=True)
class ScoredMicrograph:
    """What the committee proposes on one micrograph.

    Attributes
    ----------
    xy : float32 array, shape (N, 2)
        Position in pixels of the original micrograph.
    member_probability : float32 array, shape (K, N)
        Each member's calibrated probability of a particle.
    probability : float32 array, shape (N,)
        The committee's calibrated consensus.
    embedding : float16 array, shape (N, D)
        The committee's features at the candidate.
    classes : Classes
        What the committee tells apart beside particle and background.
    member_conditional : float32 array, shape (K, N, L), optional
        Each member's calibrated probability of each class given particle, and of each kind given background.

    Raises
    ------
    ArrayError
        The shapes do not fit together.
    """

    xy: NDArray[np.float32]
    member_probability: NDArray[np.float32]
    probability: NDArray[np.float32]
    embedding: NDArray[np.float16]
    classes: Classes = NO_CLASSES
    member_conditional: NDArray[np.float32] = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        n = self.xy.shape[0]
        if self.member_conditional is None:
            object.__setattr__(self, "member_conditional", np.empty((*self.member_probability.shape, 0), np.float32))
        if self.member_conditional.shape != (*self.member_probability.shape, self.classes.n_logits):
            raise ArrayError(
                f"candidates: class probabilities of shape {self.member_conditional.shape} must be (K, N, L), "
                f"L = {self.classes.n_logits}"
            )
        shapes = [self.xy.shape, self.member_probability.shape, self.probability.shape, self.embedding.shape]
        wanted = [(n, 2), (*self.member_probability.shape[:1], n), (n,), (n, *self.embedding.shape[1:2])]
        if shapes != wanted:
            raise ArrayError(f"candidates: shapes {shapes} must be (N, 2), (K, N), (N,) and (N, D)")

    def __len__(self) -> int:
        return int(self.xy.shape[0])

    @property
    def class_number(self) -> NDArray[np.int64]:
        """The most probable particle class by the committee's mean, as labels number it, shape (N,); 0 without any."""
        if not self.classes.particles or not len(self):
            return np.zeros(len(self), np.int64)
        mean = self.member_conditional[..., self.classes.particle_logits].mean(axis=0)
        number: NDArray[np.int64] = np.array(self.classes.particles, dtype=np.int64)[mean.argmax(axis=-1)]
        return number

    @property
    def full_probability(self) -> NDArray[np.float32]:
        """Each member's probabilities of all classes, shape (K, N, C); see `full_probability`."""
        return full_probability(self.member_probability, self.member_conditional, self.classes)


def is_scored(layout: RoundLayout, key: str) -> bool:
    """Whether the micrograph's candidates are there, whole."""
    return layout.candidates(key).exists()


def scored_keys(layout: RoundLayout) -> set[str]:
    """Keys of all micrographs whose candidates are there, whole."""
    return names_below(layout.candidates_folder, _SUFFIX)


def write_candidates(layout: RoundLayout, key: str, scored: ScoredMicrograph) -> None:
    """Write one micrograph's candidates; no lock is needed, for no two processes score the same micrograph.

    Columns x, y, m0 to m(K-1), probability (float32) and embedding (fixed-size list of float16). With classes also,
    of each member, m0_class1, … given particle, and m0_plain, m0_junk1, … given background, by the labels' numbers.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    xy = scored.xy.astype(np.float32)
    members = {f"m{k}": row.astype(np.float32) for k, row in enumerate(scored.member_probability)}
    names = _conditional_names(scored.classes)
    members |= {
        f"m{k}_{name}": one[:, i].astype(np.float32)
        for k, one in enumerate(scored.member_conditional)
        for i, name in enumerate(names)
    }
    columns = {"x": xy[:, 0], "y": xy[:, 1], **members, "probability": scored.probability.astype(np.float32)}
    arrays = {name: pa.array(values) for name, values in columns.items()}
    width = scored.embedding.shape[1]
    if width:
        flat = pa.array(scored.embedding.astype(np.float16).reshape(-1))
        arrays[_EMBEDDING] = pa.FixedSizeListArray.from_arrays(flat, width)
    with atomic_path(layout.candidates(key)) as path:
        pq.write_table(pa.table(arrays), path, compression="lz4", use_dictionary=False)


def read_candidates(layout: RoundLayout, key: str, *, embedding: bool = True) -> ScoredMicrograph:
    """Read one micrograph's candidates, the embedding of width 0 where it is not wanted.

    Raises
    ------
    FileError
        The micrograph is not scored yet, or the file cannot be read.
    FileFormatError
        The file is broken.
    """
    return _scored(layout.candidates(key), _table(layout, key, _read(layout, key), embedding))


def read_many(layout: RoundLayout, keys: Sequence[str], *, embedding: bool = True) -> Iterator[ScoredMicrograph]:
    """As `read_candidates`, of many micrographs in their order.

    Threads wait for the disk and this one decodes: decoding in threads, they would mostly wait for the interpreter.
    """
    files = in_threads(lambda key: _read(layout, key), keys)
    for key, data in zip(keys, files, strict=True):
        yield _scored(layout.candidates(key), _table(layout, key, data, embedding))


def read_pool(layout: RoundLayout, keys: Sequence[str], *, embedding: bool = True) -> CandidatePool:
    """The candidates of some micrographs as one pool of all classes that the round tells apart.

    The embedding is of width 0 where it is not wanted.

    Raises
    ------
    FileError
        A micrograph is not scored yet, or its file is broken.
    """
    if not keys:
        return empty_pool()
    tables = [_table(layout, key, _read(layout, key), embedding) for key in keys]
    for key, table in zip(keys, tables, strict=True):
        if table.schema != tables[0].schema:
            raise _broken(layout.candidates(key), f"its columns are not those of {keys[0]}")
    scored = _scored(layout.candidates(keys[0]), pa.concat_tables(tables))
    return CandidatePool(
        micrographs=tuple(keys),
        micrograph=np.repeat(np.arange(len(keys), dtype=np.int32), [table.num_rows for table in tables]),
        xy=scored.xy,
        probability=scored.full_probability,
        embedding=scored.embedding.astype(np.float32),
        classes=scored.classes,
    )


class RoundPool:
    """The candidates of a round on some micrographs (`cryoal.data.candidates.Candidates`), read as they are needed.

    Parameters
    ----------
    layout : RoundLayout
    keys : sequence of str
        Micrographs that are scored.
    embedding : bool
        Whether embeddings are wanted.
    """

    def __init__(self, layout: RoundLayout, keys: Sequence[str], *, embedding: bool = True) -> None:
        self._layout = layout
        self._embedding = embedding
        self.micrographs = tuple(keys)

    @cached_property
    def classes(self) -> Classes:
        """Those that the round tells apart."""
        return read_pool(self._layout, self.micrographs[:1]).classes

    @property
    def is_empty(self) -> bool:
        """Whether nothing is proposed on any micrograph.

        Raises
        ------
        FileError
            As `read_candidates`.
        """
        return not any(len(read_candidates(self._layout, key, embedding=False)) for key in self.micrographs)

    def on(self, micrographs: Sequence[int]) -> "RoundPool":
        """The candidates of some micrographs, given by their places in `micrographs`."""
        return RoundPool(self._layout, [self.micrographs[i] for i in micrographs], embedding=self._embedding)

    def parts(self) -> Iterator[CandidatePool]:
        """Pools of a few hundred micrographs each, at least one; some are read ahead, the others' memory is free.

        Raises
        ------
        FileError
            A micrograph is not scored, or its file is broken.
        """
        starts = range(0, max(len(self.micrographs), 1), _MICROGRAPHS_AT_A_TIME)
        some = [self.micrographs[start : start + _MICROGRAPHS_AT_A_TIME] for start in starts]

        def read(keys: Sequence[str]) -> CandidatePool:
            return read_pool(self._layout, keys, embedding=self._embedding)

        yield from in_threads(read, some, _READERS, ahead=_READERS)


def empty_pool(micrographs: Sequence[str] = (), members: int = 0, width: int = 0) -> CandidatePool:
    """No candidates, of a committee of so many members with embeddings so wide."""
    xy, probability, embedding = (np.empty(shape, np.float32) for shape in ((0, 2), (members, 0, 2), (0, width)))
    return CandidatePool(tuple(micrographs), np.empty(0, np.int32), xy, probability, embedding)


def _read(layout: RoundLayout, key: str) -> bytes:
    """A file, whole: one request to the disk or the network."""
    path = layout.candidates(key)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FileError(f"{path}: {key} is not scored in round {layout.number}; run cryoal score") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error}); check its permissions") from error


def _table(layout: RoundLayout, key: str, data: bytes, embedding: bool) -> pa.Table:
    """A file's columns."""
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            names = [name for name in file.schema_arrow.names if embedding or name != _EMBEDDING]
            return file.read(names, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise _broken(layout.candidates(key), error) from error


def _scored(path: Path, table: pa.Table) -> ScoredMicrograph:
    """Columns as arrays."""
    try:
        members = [name for name in table.column_names if _MEMBER.fullmatch(name)]
        classes = _classes_of(table.column_names)
        conditional = [f"{member}_{name}" for member in members for name in _conditional_names(classes)]
        columns = {name: table[name].to_numpy() for name in ("x", "y", "probability", *members, *conditional)}
        embedding = _embedding(table)
    except (pa.ArrowException, KeyError, OptionError) as error:
        raise _broken(path, error) from error
    rows = [columns[name] for name in members]
    probability = np.stack(rows) if rows else np.empty((0, table.num_rows), np.float32)
    shape = (len(members), classes.n_logits, table.num_rows)
    given = np.array([columns[name] for name in conditional], np.float32).reshape(shape).transpose(0, 2, 1)
    xy = np.column_stack([columns["x"], columns["y"]])
    return ScoredMicrograph(xy, probability, columns["probability"], embedding, classes, given)


def _broken(path: Path, error: object) -> FileFormatError:
    """What to say of a file that is none of ours."""
    return FileFormatError(f"{path}: broken ({str(error).splitlines()[0]}); delete it and run cryoal score")


def _conditional_names(classes: Classes) -> list[str]:
    """Names of a member's class columns, in the order of the L logits."""
    particles = [f"class{number}" for number in classes.particles]
    return particles + (["plain", *(f"junk{number}" for number in classes.junk)] if classes.junk else [])


def _classes_of(column_names: Sequence[str]) -> Classes:
    """The classes that the first member's columns name."""
    found = [match for name in column_names if (match := _FIRST_MEMBER.fullmatch(name))]
    particles, junk = (tuple(int(match[2]) for match in found if match[1] == noun) for noun in ("class", "junk"))
    return Classes(particles, junk)


def _embedding(table: pa.Table) -> NDArray[np.float16]:
    """The embedding column as an array, shape (N, D)."""
    if _EMBEDDING not in table.column_names:
        return np.empty((table.num_rows, 0), np.float16)
    column = table[_EMBEDDING].combine_chunks()
    flat: NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False).astype(np.float16)
    return flat.reshape(table.num_rows, column.type.list_size)
