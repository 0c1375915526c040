"""A round's candidates: one Parquet file a micrograph, written whole, so that scoring resumes where it stopped."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cryoal.data.candidates import CandidatePool
from cryoal.errors import ArrayError, FileError, FileFormatError
from cryoal.io.durable import atomic_path
from cryoal.workspace.layout import RoundLayout


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

    Raises
    ------
    ArrayError
        The shapes do not fit together.
    """

    xy: NDArray[np.float32]
    member_probability: NDArray[np.float32]
    probability: NDArray[np.float32]
    embedding: NDArray[np.float16]

    def __post_init__(self) -> None:
        n = self.xy.shape[0]
        shapes = [self.xy.shape, self.member_probability.shape, self.probability.shape, self.embedding.shape]
        wanted = [(n, 2), (*self.member_probability.shape[:1], n), (n,), (n, *self.embedding.shape[1:2])]
        if shapes != wanted:
            raise ArrayError(f"candidates: shapes {shapes} must be (N, 2), (K, N), (N,) and (N, D)")

    def __len__(self) -> int:
        return int(self.xy.shape[0])


def is_scored(layout: RoundLayout, key: str) -> bool:
    """Whether the micrograph's candidates are there, whole."""
    return layout.candidates(key).exists()


def write_candidates(layout: RoundLayout, key: str, scored: ScoredMicrograph) -> None:
    """Write one micrograph's candidates; no lock is needed, for no two processes score the same micrograph.

    Columns x, y, m0 to m(K-1), probability (float32) and embedding (fixed-size list of float16).

    Raises
    ------
    FileError
        The file cannot be written.
    """
    xy = scored.xy.astype(np.float32)
    members = {f"m{k}": row.astype(np.float32) for k, row in enumerate(scored.member_probability)}
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
        members = [name for name in table.column_names if name[0] == "m"]
        columns = {name: table[name].to_numpy() for name in ("x", "y", "probability", *members)}
        embedding = _embedding(table)
    except FileNotFoundError as error:
        raise FileError(f"{path}: {key} is not scored in round {layout.number}; run cryoal score") from error
    except (pa.ArrowException, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise FileFormatError(f"{path}: broken ({reason}); delete it and run cryoal score") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error}); check its permissions") from error
    rows = [columns[name] for name in members]
    probability = np.stack(rows) if rows else np.empty((0, table.num_rows), np.float32)
    return ScoredMicrograph(
        np.column_stack([columns["x"], columns["y"]]), probability, columns["probability"], embedding
    )


def read_pool(layout: RoundLayout, keys: Sequence[str]) -> CandidatePool:
    """The candidates of some micrographs as one pool of two classes, background and particle.

    Raises
    ------
    FileError
        A micrograph is not scored yet, or its file is broken.
    """
    scored = [read_candidates(layout, key) for key in keys]
    if not scored:
        return CandidatePool((), np.empty(0, np.int32), *(np.empty(s, np.float32) for s in ((0, 2), (0, 0, 2), (0, 0))))
    particle = np.concatenate([one.member_probability for one in scored], axis=1)
    return CandidatePool(
        micrographs=tuple(keys),
        micrograph=np.repeat(np.arange(len(keys), dtype=np.int32), [len(one) for one in scored]),
        xy=np.concatenate([one.xy for one in scored]),
        probability=np.stack([1 - particle, particle], axis=-1),
        embedding=np.concatenate([one.embedding for one in scored]).astype(np.float32),
    )


def _embedding(table: pa.Table) -> NDArray[np.float16]:
    """The embedding column as an array, shape (N, D)."""
    if "embedding" not in table.column_names:
        return np.empty((table.num_rows, 0), np.float16)
    column = table["embedding"].combine_chunks()
    flat: NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False).astype(np.float16)
    return flat.reshape(table.num_rows, column.type.list_size)
