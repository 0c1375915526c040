"""The seam of active learning and the one table of strategies.

A strategy is an acquisition function (candidates to scores, higher = ask first) and a batch selector (scores to
the chosen set). A new one, from any package, is a `Strategy` named by an entry point::

    # my_package.py
    def doubt(pool, rng):
        return 1.0 - abs(2.0 * pool.mean_probability[:, 1] - 1.0)

    DOUBT = Strategy("doubt", doubt, select_spread, "Nearest to one half", "me")

    # pyproject.toml
    [project.entry-points."cryoal.strategies"]
    doubt = "my_package:DOUBT"
"""

from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points

from cryoal.acquisition import pool_scores as score
from cryoal.acquisition import selectors as choose
from cryoal.acquisition.committee import consensus_kl, variation_ratio, vote_entropy
from cryoal.acquisition.micrographs import Aggregation
from cryoal.acquisition.pool_scores import AcquisitionFunction
from cryoal.acquisition.selectors import BatchSelector
from cryoal.acquisition.stochastic import Noise
from cryoal.acquisition.uncertainty import least_confidence, margin_uncertainty
from cryoal.errors import OptionError

ENTRY_POINT_GROUP = "cryoal.strategies"


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to choose what to ask.

    Attributes
    ----------
    name : str
        As ``cryoal query --strategy`` takes it.
    acquisition : AcquisitionFunction
    selector : BatchSelector
    description : str
        One sentence.
    reference : str
        Where it comes from.
    formula : str
        The score of a candidate, for the docs; p̄ is the consensus, p_k member k.
    aggregation : Aggregation
        How candidates' scores become a field's or a micrograph's.
    exploration : float
        Share of the queried fields that is drawn uniformly at random, those without candidates included.
    includes_empty : bool
        Whether the rest may be fields without candidates, too.
    min_members : int
        Smallest committee the strategy makes sense with.
    pointwise : bool
        Whether a candidate's score is the same whichever others are there. Where it is not, all that are compared must
        be in memory together: of more than 2,000 micrographs, those of 2,000 drawn at random.
    uses_embedding : bool
        Whether scores or choice depend on embeddings, which are much of what there is to read.
    first : str
        Strategy that asks in its place until the shipped committee has learnt from labels, for its doubts are of other
        particles; empty: none.
    """

    name: str
    acquisition: AcquisitionFunction
    selector: BatchSelector
    description: str
    reference: str
    formula: str = "0"
    aggregation: Aggregation = Aggregation.TOPK_MEAN
    exploration: float = 0.1
    includes_empty: bool = False
    min_members: int = 1
    pointwise: bool = False
    uses_embedding: bool = True
    first: str = ""


def get_strategy(name: str) -> Strategy:
    """Find a strategy by name, here or among the installed packages' entry points.

    Raises
    ------
    OptionError
        No such strategy, or an entry point of that name does not lead to a `Strategy`.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        found = point.load()
        if not isinstance(found, Strategy):
            raise OptionError(f"strategy: entry point {point.value} gives {type(found).__name__}, expected a Strategy")
        return found
    raise OptionError(f"strategy: {name!r} is not known, choose one of {', '.join(strategy_names())}")


def strategy_names() -> list[str]:
    """Names of all strategies, the built-in ones first; others are not loaded."""
    others = sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)} - set(STRATEGIES))
    return [*STRATEGIES, *others]


_pointwise = partial(Strategy, pointwise=True)
_by_probability = partial(_pointwise, uses_embedding=False)

_TABLE = (
    _by_probability(
        "random", score.score_constant, choose.select_random, "Uniformly at random", "baseline", exploration=1.0
    ),
    _by_probability(
        "foreground-random",
        score.score_foreground,
        choose.select_foreground_random,
        "At random, half where the consensus sees a particle, half elsewhere",
        "Lüth et al. 2025 (nnActive)",
        "1 − p̄₀",
        aggregation=Aggregation.MAX,
        includes_empty=True,
    ),
    _by_probability(
        "score",
        score.score_foreground,
        choose.select_top,
        "The most probable particles first",
        "baseline; blob proposals",
        "1 − p̄₀",
    ),
    _pointwise(
        "entropy",
        score.score_entropy,
        choose.select_spread,
        "Entropy of the consensus, spread by k-center",
        "Settles 2009",
        "H[p̄] = −Σ_c p̄_c ln p̄_c",
    ),
    _pointwise(
        "entropy-stratified",
        score.score_entropy,
        choose.stratified_selector(choose.select_spread),
        "Entropy of the consensus, half from p ≥ 0.5 evenly over the classes, half from below, each spread by k-center",
        "Settles 2009; Lüth et al. 2026",
        "H[p̄] = −Σ_c p̄_c ln p̄_c",
        first="foreground-random",
    ),
    _by_probability(
        "entropy-top",
        score.score_entropy,
        choose.select_top,
        "Entropy of the consensus, not spread",
        "Settles 2009",
        "H[p̄]",
    ),
    _pointwise(
        "least-confidence",
        score.of_consensus(least_confidence),
        choose.select_spread,
        "One minus the largest probability (two classes: the ranking of entropy)",
        "Lewis & Gale 1994",
        "1 − max_c p̄_c",
    ),
    _pointwise(
        "margin",
        score.of_consensus(margin_uncertainty),
        choose.select_spread,
        "Smallest lead of the first class (two classes: the ranking of entropy)",
        "Scheffer et al. 2001",
        "1 − (p̄₍₁₎ − p̄₍₂₎)",
    ),
    _pointwise(
        "vote-entropy",
        score.of_committee(vote_entropy),
        choose.select_spread,
        "Entropy of the members' votes",
        "Engelson & Dagan 1996",
        "−Σ_c (V_c/K) ln (V_c/K)",
        min_members=2,
    ),
    _pointwise(
        "variation-ratio",
        score.of_committee(variation_ratio),
        choose.select_spread,
        "Share of votes against the majority",
        "Freeman 1965; Beluch et al. 2018",
        "1 − max_c V_c/K",
        min_members=2,
    ),
    _pointwise(
        "consensus-kl",
        score.of_committee(consensus_kl),
        choose.select_spread,
        "Divergence of the members from the consensus (the same number as bald)",
        "McCallum & Nigam 1998",
        "(1/K) Σ_k KL(p_k ‖ p̄)",
        min_members=2,
    ),
    _pointwise(
        "bald",
        score.score_bald,
        choose.select_spread,
        "Disagreement of the committee, spread by k-center",
        "Houlsby et al. 2011; Sener & Savarese 2018",
        "H[p̄] − (1/K) Σ_k H[p_k]",
        min_members=2,
    ),
    _by_probability(
        "bald-top",
        score.score_bald,
        choose.select_top,
        "Disagreement of the committee, not spread",
        "Houlsby et al. 2011",
        "H[p̄] − (1/K) Σ_k H[p_k]",
        min_members=2,
    ),
    _pointwise(
        "bald-stratified",
        score.score_bald,
        choose.stratified_selector(choose.select_spread),
        "Disagreement, half from p ≥ 0.5 evenly over the classes, half from below, each spread by k-center",
        "Houlsby et al. 2011; Lüth et al. 2026",
        "H[p̄] − (1/K) Σ_k H[p_k]",
        min_members=2,
    ),
    Strategy(
        "epig",
        score.score_epig,
        choose.select_spread,
        "Information about the predictions at random candidates",
        "Bickford Smith et al. 2023",
        "(1/T) Σ_x* I(y; y* ∣ x, x*)",
        min_members=2,
    ),
    _pointwise(
        "egl",
        score.score_gradient_length,
        choose.select_spread,
        "Expected gradient length of the last layer",
        "Settles, Craven & Ray 2007",
        "Σ_c p̄_c ‖p̄ − e_c‖ ‖[h, 1]‖",
    ),
    _pointwise(
        "badge",
        score.score_gradient_length,
        choose.select_badge,
        "K-means++ on gradient embeddings",
        "Ash et al. 2020",
        "Σ_c p̄_c ‖p̄ − e_c‖ ‖[h, 1]‖",
    ),
    _by_probability(
        "batchbald",
        score.score_bald,
        choose.select_batch_bald,
        "Joint information of the batch (at most ln K)",
        "Kirsch, van Amersfoort & Gal 2019",
        "H[p̄] − (1/K) Σ_k H[p_k]",
        min_members=2,
    ),
    _by_probability(
        "power-bald",
        score.score_bald,
        choose.stochastic_selector(Noise.POWER),
        "Sampled in proportion to disagreement",
        "Kirsch et al. 2023",
        "H[p̄] − (1/K) Σ_k H[p_k]",
        min_members=2,
    ),
    _by_probability(
        "softmax-bald",
        score.score_bald,
        choose.stochastic_selector(Noise.SOFTMAX, beta=20.0),
        "Sampled in proportion to the exponential of disagreement",
        "Kirsch et al. 2023",
        "H[p̄] − (1/K) Σ_k H[p_k]",
        min_members=2,
    ),
    _by_probability(
        "softrank-bald",
        score.score_bald,
        choose.stochastic_selector(Noise.SOFTRANK),
        "Sampled in proportion to one over the rank of disagreement",
        "Kirsch et al. 2023",
        "H[p̄] − (1/K) Σ_k H[p_k]",
        min_members=2,
    ),
    _by_probability(
        "power-entropy",
        score.score_entropy,
        choose.stratified_selector(choose.stochastic_selector(Noise.POWER)),
        "Sampled in proportion to entropy, half from p ≥ 0.5 evenly over the classes",
        "Kirsch et al. 2023; Lüth et al. 2026",
        "H[p̄]",
    ),
    _pointwise(
        "k-center",
        score.score_constant,
        choose.select_k_center,
        "Covers the embedding (core-set)",
        "Sener & Savarese 2018",
    ),
    _pointwise(
        "typiclust", score.score_constant, choose.select_typiclust, "Typical of its cluster", "Hacohen et al. 2022"
    ),
    _pointwise(
        "probcover", score.score_constant, choose.select_probcover, "Balls that cover most", "Yehuda et al. 2022"
    ),
)

STRATEGIES: dict[str, Strategy] = {strategy.name: strategy for strategy in _TABLE}
"""Every built-in strategy by name; the command line, the plugin, the tests and the docs read this."""
