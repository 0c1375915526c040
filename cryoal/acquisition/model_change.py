"""Expected model change: the gradient a label would give to the last layer.

p are class probabilities, h the features the last, linear layer sees, [h, 1] with its bias.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryoal.acquisition.checks import FloatArray, checked_features, checked_vector, class_blocks
from cryoal.acquisition.uncertainty import expand_binary
from cryoal.errors import ArrayError


def gradient_length_softmax(probability: ArrayLike, features: ArrayLike, *, bias: bool = True) -> FloatArray:
    """Expected gradient length of a softmax layer, (Σ_c p_c ‖p − e_c‖) ‖[h, 1]‖.

    Parameters
    ----------
    probability : array, shape (N, C)
        Class probabilities; each row sums to one.
    features : array, shape (N, D)
        The last layer's input h.
    bias : bool
        Whether the layer has a bias.

    Returns
    -------
    array, shape (N,)
        At least 0; for two classes 2√2 p(1 − p) ‖[h, 1]‖.

    Raises
    ------
    ArrayError
        An array breaks its contract, or their lengths differ.

    References
    ----------
    Settles, Craven & Ray 2007; Settles & Craven 2008; closed form for cross-entropy.
    """
    h = _paired(features, len(np.atleast_1d(probability)))
    scores = [_mean_residual(block) * _norms(h[rows], bias=bias) for rows, block in class_blocks(probability)]
    return np.concatenate(scores)


def gradient_length_sigmoid(probability: ArrayLike, features: ArrayLike, *, bias: bool = True) -> FloatArray:
    """Expected gradient length of a single logit with binary cross-entropy, 2 p (1 − p) ‖[h, 1]‖.

    Parameters
    ----------
    probability : array, shape (N,)
        Probability of the positive class.
    features, bias
        As for `gradient_length_softmax`, of which it is 1/√2; errors and source as there.
    """
    p = checked_vector(probability, "probability")
    h = _paired(features, p.size)
    negative, positive = expand_binary(p).T
    lengths: FloatArray = 2.0 * positive * negative * _norms(h, bias=bias)
    return lengths


def gradient_embedding(probability: ArrayLike, features: ArrayLike) -> NDArray[np.floating]:
    """BADGE's gradient embedding, (p − e_ŷ) ⊗ h with ŷ = argmax p, flattened class by class.

    Parameters
    ----------
    probability : array, shape (N, C)
        Class probabilities; a tie goes to the lowest class.
    features : array, shape (N, D)

    Returns
    -------
    array, shape (N, C·D)
        In the precision of `features`; its norm is ‖p − e_ŷ‖ ‖h‖.

    Raises
    ------
    ArrayError
        An array breaks its contract, or their lengths differ.

    References
    ----------
    Ash et al. 2020 (ICLR), equation 1; the authors' code has the opposite sign, distances are the same.
    """
    h = _paired(features, len(np.atleast_1d(probability)))
    embedding = None
    for rows, block in class_blocks(probability):
        winner = block.argmax(axis=0)
        block[winner, np.arange(winner.size)] -= 1.0
        if embedding is None:
            embedding = np.empty((len(h), block.shape[0], h.shape[1]), dtype=h.dtype)
        embedding[rows] = block.T[:, :, np.newaxis] * h[rows][:, np.newaxis]
    assert embedding is not None
    return embedding.reshape(len(h), -1)


def _paired(features: ArrayLike, n: int) -> NDArray[np.floating]:
    h = checked_features(features, "features")
    if len(h) != n:
        raise ArrayError(f"features: {len(h)} rows for {n} candidates, expected one for each")
    return h


def _mean_residual(block: FloatArray) -> FloatArray:
    """Σ_c p_c ‖p − e_c‖ for a block (C, n), by differences so that certain candidates keep their digits."""
    total = np.zeros(block.shape[1])
    for c, p_c in enumerate(block):
        residual = block.copy()
        residual[c] -= 1.0
        total += p_c * np.sqrt(np.einsum("cn,cn->n", residual, residual))
    return total


def _norms(h: NDArray[np.floating], *, bias: bool) -> FloatArray:
    squares: FloatArray = np.einsum("nd,nd->n", h, h, dtype=np.float64)
    return np.sqrt(squares + float(bias))
