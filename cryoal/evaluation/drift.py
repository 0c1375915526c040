"""How far an embedding moved from one round to the next."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryoal.errors import ArrayError


def linear_cka(x: ArrayLike, y: ArrayLike) -> float:
    """Linear centred kernel alignment of two embeddings, ‖Ycᵀ Xc‖²_F / (‖Xcᵀ Xc‖_F ‖Ycᵀ Yc‖_F).

    Parameters
    ----------
    x, y : array, shapes (N, D1) and (N, D2)
        The same items, embedded by two networks.

    Returns
    -------
    float
        From 0 (unrelated) to 1 (equal up to rotation and scale).

    Raises
    ------
    ArrayError
        Shapes do not fit, values are not finite, or an embedding is the same for all items.

    References
    ----------
    Kornblith et al. 2019 (ICML).
    """
    x_centred, y_centred = _centred(x, "x"), _centred(y, "y")
    if len(x_centred) != len(y_centred):
        raise ArrayError(f"x, y: {len(x_centred)} and {len(y_centred)} rows, expected the same items in both")
    scale = np.linalg.norm(x_centred.T @ x_centred) * np.linalg.norm(y_centred.T @ y_centred)
    if scale == 0.0:
        raise ArrayError("x, y: an embedding is the same for all items, its alignment is not defined")
    return float(np.linalg.norm(y_centred.T @ x_centred) ** 2 / scale)


def _centred(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or not array.size:
        raise ArrayError(f"{name}: shape {array.shape}, expected (N, D)")
    if not np.isfinite(array).all():
        raise ArrayError(f"{name}: expected finite numbers")
    if (array == array[0]).all():
        return np.zeros_like(array)
    centred: NDArray[np.float64] = array - array.mean(axis=0)
    return centred
