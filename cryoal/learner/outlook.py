"""Whether another round is likely to pay, and how good the picks are: never decided on queried labels alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryoal.acquisition.stopping import WINDOW, stabilised_round
from cryoal.evaluation.field_estimates import Estimate, f1_gain
from cryoal.learner.audit import AuditedField, audit_counts, audit_threshold, read_audit
from cryoal.learner.project import Project
from cryoal.learner.stability import agreements
from cryoal.workspace.rounds import published_rounds

_MIN_FIELDS = 10
_SMALL_GAIN = 0.01


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of the newest round, from fields drawn at random that its judges did not learn from.

    Each field is judged by the members that left it out, which are fewer and saw less than the whole committee: the
    figures are rather too low than too high.

    Attributes
    ----------
    fields : int
        How many fields.
    threshold : float
        The probability of the largest expected F1 in these fields.
    precision, recall, f1 : Estimate
        With 95 % intervals that take fields as the units.
    """

    fields: int
    threshold: float
    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of the rounds' progress.

    Attributes
    ----------
    pays : bool
        Whether another round is likely to pay.
    because : str
    kappas : tuple of float or None
        Agreement of the last rounds, each with the one before, the newest last.
    gain : Estimate, optional
        What the newest round gained in F1, on the random fields that the last two were both judged on.
    quality : Quality, optional
        None where no field was drawn at random.
    """

    pays: bool
    because: str
    kappas: tuple[float | None, ...]
    gain: Estimate | None
    quality: Quality | None

    def __str__(self) -> str:
        """One or two sentences."""
        likely = "likely" if self.pays else "unlikely"
        return f"another round is {likely} to pay because {self.because}; {_told(self.quality)}"


def outlook(project: Project) -> Outlook | None:
    """Judge the last rounds; None before there are two.

    Another round is unlikely to pay where the predictions have stabilised (`stabilised_round`), or where the newest
    round, on at least ten random fields, gained less than 0.01 of F1 by the upper end of the interval.

    Raises
    ------
    FileFormatError
        A file of a round is broken.
    """
    rounds = published_rounds(project.layout)
    if not rounds:
        return None
    audits = [read_audit(one) for one in rounds[-2:]]
    gain = _gain(audits[0], audits[-1]) if len(audits) == 2 else None
    kappas = tuple(agreements(project, newest=WINDOW))
    pays, because = _verdict(len(rounds), kappas, gain)
    return Outlook(pays, because, kappas, gain, random_quality(audits[-1]))


def random_quality(audited: Sequence[AuditedField]) -> Quality | None:
    """Figures of all the random fields that a round was judged on; None where there are none."""
    if not audited:
        return None
    threshold = audit_threshold(audited)
    counts = audit_counts(audited, threshold)
    return Quality(len(audited), threshold, counts.precision, counts.recall, counts.f1)


def _verdict(n_rounds: int, kappas: tuple[float | None, ...], gain: Estimate | None) -> tuple[bool, str]:
    """Whether another round pays, and why."""
    if n_rounds < 2:
        return True, "only one round is there to judge by"
    known = [kappa for kappa in kappas if kappa is not None]
    kappa = f"{np.mean(known):.2f}" if known else "not known"
    if stabilised_round(kappas) is not None:
        return False, f"the last {len(kappas) + 1} rounds predict the same (mean κ {kappa})"
    if gain is not None and gain.high < _SMALL_GAIN:
        return False, f"the last one gained {gain.value:+.3f} of F1 ({gain.low:+.3f} to {gain.high:+.3f})"
    return True, f"predictions still change from round to round (κ {kappa} of the last {len(kappas) + 1}, not yet 0.99)"


def _told(quality: Quality | None) -> str:
    """The figures as a sentence."""
    if quality is None:
        return "how good the picks are is not known, for no field was drawn at random: cryoal query --strategy random"
    words = [
        f"{name} {one.value:.2f} ({one.low:.2f} to {one.high:.2f})" if np.isfinite(one.value) else f"{name} not known"
        for name, one in (("precision", quality.precision), ("recall", quality.recall), ("F1", quality.f1))
    ]
    fields = "1 random field" if quality.fields == 1 else f"{quality.fields} random fields"
    return f"estimated {', '.join(words)} from {fields}"


def _gain(earlier: list[AuditedField], later: list[AuditedField]) -> Estimate | None:
    """Gain in F1 on the fields that both were judged on; None where these are few."""
    before = {one.field: one for one in earlier}
    pairs = [(before[one.field], one) for one in later if one.field in before]
    if len(pairs) < _MIN_FIELDS:
        return None
    old, new = (audit_counts(some, audit_threshold(some)) for some in zip(*pairs, strict=True))
    return f1_gain(old, new)
