"""A round's candidates: one Parquet file a micrograph, written whole, so that scoring resumes where it stopped."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cryoal.data.candidates import CandidatePool
from cryoal.data.classes import NO_CLASSES, Classes, full_probability
from cryoal.errors import ArrayError, FileError, FileFormatError, OptionError
from cryoal.io.durable import atomic_path
from cryoal.workspace.layout import RoundLayout

_MEMBER = re.compile(r"m\d+")
_FIRST_MEMBER = re.compile(r"m0_(class|junk)(\d+)")


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
        arrays["embedding"] = pa.FixedSizeListArray.from_arrays(flat, width)
    with atomic_path(layout.candidates(key)) as path:
        pq.write_table(pa.table(arrays), path, compression="zstd", use_dictionary=False)


def read_candidates(layout: RoundLayout, key: str) -> ScoredMicrograph:
    """Read one micrograph's candidates.

    Raises
    ------
    FileError
        The micrograph is not scored yet, or the file cannot be read.
    FileFormatError
        The file is broken.
    """
    path = layout.candidates(key)
    try:
        table = pq.read_table(path, partitioning=None)
        members = [name for name in table.column_names if _MEMBER.fullmatch(name)]
        classes = _classes_of(table.column_names)
        conditional = [f"{member}_{name}" for member in members for name in _conditional_names(classes)]
        columns = {name: table[name].to_numpy() for name in ("x", "y", "probability", *members, *conditional)}
        embedding = _embedding(table)
    except FileNotFoundError as error:
        raise FileError(f"{path}: {key} is not scored in round {layout.number}; run cryoal score") from error
    except (pa.ArrowException, KeyError, OptionError) as error:
        reason = str(error).splitlines()[0]
        raise FileFormatError(f"{path}: broken ({reason}); delete it and run cryoal score") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error}); check its permissions") from error
    rows = [columns[name] for name in members]
    probability = np.stack(rows) if rows else np.empty((0, table.num_rows), np.float32)
    shape = (len(members), classes.n_logits, table.num_rows)
    given = np.array([columns[name] for name in conditional], np.float32).reshape(shape).transpose(0, 2, 1)
    xy = np.column_stack([columns["x"], columns["y"]])
    return ScoredMicrograph(xy, probability, columns["probability"], embedding, classes, given)


def read_pool(layout: RoundLayout, keys: Sequence[str]) -> CandidatePool:
    """The candidates of some micrographs as one pool of all classes that the round tells apart.

    Raises
    ------
    FileError
        A micrograph is not scored yet, or its file is broken.
    """
    scored = [read_candidates(layout, key) for key in keys]
    if not scored:
        return empty_pool()
    return CandidatePool(
        micrographs=tuple(keys),
        micrograph=np.repeat(np.arange(len(keys), dtype=np.int32), [len(one) for one in scored]),
        xy=np.concatenate([one.xy for one in scored]),
        probability=np.concatenate([one.full_probability for one in scored], axis=1),
        embedding=np.concatenate([one.embedding for one in scored]).astype(np.float32),
        classes=scored[0].classes,
    )


def empty_pool(micrographs: Sequence[str] = (), members: int = 0, width: int = 0) -> CandidatePool:
    """No candidates, of a committee of so many members with embeddings so wide."""
    xy, probability, embedding = (np.empty(shape, np.float32) for shape in ((0, 2), (members, 0, 2), (0, width)))
    return CandidatePool(tuple(micrographs), np.empty(0, np.int32), xy, probability, embedding)


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
    if "embedding" not in table.column_names:
        return np.empty((table.num_rows, 0), np.float16)
    column = table["embedding"].combine_chunks()
    flat: NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False).astype(np.float16)
    return flat.reshape(table.num_rows, column.type.list_size)
