"""The contract of the arrays that acquisition functions take, checked while they are read in blocks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryoal.errors import ArrayError

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

SUM_TOLERANCE = 1e-6
RANGE_TOLERANCE = 1e-9
_BLOCK_VALUES = 2**17  # 1 MiB of float64: a block and its logarithm stay in the second-level cache


def member_blocks(probability: ArrayLike) -> Iterator[tuple[slice, FloatArray]]:
    """Read committee probabilities, shape (K, N, C), as checked float64 blocks of shape (C, K, n).

    Yields
    ------
    rows : slice
        The candidates of the block.
    block : array, shape (C, K, n)
        A copy; classes come first because sums over a leading axis are fast.

    Raises
    ------
    ArrayError
        Not three axes, no member, no candidate, fewer than two classes, a value that is not finite or lies
        outside [0, 1], or a row that does not sum to one. Nothing is clipped or normalised in silence.
    """
    P = _numeric(probability, "probability")
    if P.ndim != 3:
        raise ArrayError(
            f"probability: shape {P.shape} has {P.ndim} axes, expected (members K, candidates N, classes C)"
        )
    K, N, C = P.shape
    if K < 1 or N < 1:
        raise ArrayError(f"probability: shape {P.shape} has no member or no candidate, give at least one of each")
    if C < 2:
        raise ArrayError("probability: one class, expected two or more; expand a sigmoid column p to [1 - p, p]")
    step = max(1, _BLOCK_VALUES // (K * C))
    for start in range(0, N, step):
        rows = slice(start, min(start + step, N))
        block = np.array(P[:, rows].transpose(2, 0, 1), dtype=np.float64, order="C")
        _check_block(block, start)
        yield rows, np.maximum(block, 0.0, out=block)


def class_blocks(probability: ArrayLike) -> Iterator[tuple[slice, FloatArray]]:
    """Read class probabilities, shape (N, C), as checked float64 blocks of shape (C, n); see `member_blocks`."""
    p = _numeric(probability, "probability")
    if p.ndim != 2:
        raise ArrayError(f"probability: shape {p.shape} has {p.ndim} axes, expected (candidates N, classes C)")
    for rows, block in member_blocks(p[np.newaxis]):
        yield rows, block[:, 0]


def checked_probabilities(probability: ArrayLike) -> FloatArray:
    """Committee probabilities, shape (K, N, C), as a checked float64 copy; see `member_blocks`."""
    return np.concatenate([block for _, block in member_blocks(probability)], axis=2).transpose(1, 2, 0)


def checked_features(x: ArrayLike, name: str = "embedding") -> NDArray[np.floating]:
    """Feature vectors, shape (N, D), finite and not empty; float32 and float64 are kept as they are."""
    features = _numeric(x, name)
    if features.ndim != 2 or 0 in features.shape:
        raise ArrayError(f"{name}: shape {features.shape}, expected (N, D) with at least one row and one column")
    if not np.isfinite(features).all():
        raise ArrayError(f"{name}: row {_first_bad_row(features)} is not finite; leave such candidates out")
    return features


def checked_vector(values: ArrayLike, name: str, *, length: int | None = None) -> FloatArray:
    """Finite numbers, shape (N,), as float64."""
    vector = _numeric(values, name).astype(np.float64, copy=False)
    if vector.ndim != 1:
        raise ArrayError(f"{name}: shape {vector.shape}, expected one axis")
    if length is not None and vector.size != length:
        raise ArrayError(f"{name}: {vector.size} values, expected {length}, one for each candidate")
    if not np.isfinite(vector).all():
        index = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise ArrayError(f"{name}: value {index} is {vector[index]}, expected finite numbers")
    return vector


def checked_indices(indices: ArrayLike, n: int, name: str) -> IndexArray:
    """Indices into n items, shape (M,), as int64."""
    given = np.asarray(indices)
    if given.size == 0:
        return np.empty(0, dtype=np.int64)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise ArrayError(f"{name}: expected a list of integers, found shape {given.shape} of {given.dtype}")
    if given.min() < 0 or given.max() >= n:
        raise ArrayError(f"{name}: indices reach from {given.min()} to {given.max()}, allowed are 0 to {n - 1}")
    return given.astype(np.int64)


def checked_count(n: int, name: str = "n") -> int:
    """A whole number of at least one."""
    if int(n) != n or n < 1:
        raise ArrayError(f"{name}: {n}, expected a whole number of at least 1")
    return int(n)


def _numeric(values: ArrayLike, name: str) -> NDArray[np.floating]:
    """`values` as a float array without a copy where it is one already."""
    try:
        array = np.asarray(values)
        floats: NDArray[np.floating] = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ArrayError(f"{name}: not an array of numbers ({error})") from error
    return floats


def _check_block(block: FloatArray, start: int) -> None:
    total = block.sum(axis=0)
    sums = np.abs(total - 1.0, out=total) <= SUM_TOLERANCE  # false for NaN and infinities as well
    if sums.all() and block.min() >= -RANGE_TOLERANCE and block.max() <= 1.0 + RANGE_TOLERANCE:
        return
    inside = (block >= -RANGE_TOLERANCE) & (block <= 1.0 + RANGE_TOLERANCE)
    member, row = np.argwhere(~(sums & inside.all(axis=0)))[0]
    values = ", ".join(f"{value:.6g}" for value in block[:, member, row])
    raise ArrayError(
        f"probability: member {member}, candidate {start + row} has [{values}]; "
        "expected numbers from 0 to 1 that sum to 1 over the classes"
    )


def _first_bad_row(array: NDArray[np.floating]) -> int:
    return int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
