"""What is simulated: micrographs with their truth, an expert, a budget; and the single runs that it is made of."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.config import Config
from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import OptionError
from cryoal.model.pretrained import weights_digest
from cryoal.simulation.oracle import Expert
from cryoal.workspace.settings import Settings

FULL, FULL_TWICE = "full supervision", "full supervision, twice the steps"
_SPLIT = 1


@dataclass(frozen=True)
class Experiment:
    """What is simulated, the same for every strategy.

    Attributes
    ----------
    folder : Path
        Where scaled micrographs, finished runs and results are kept.
    entries : tuple of MicrographEntry
    truth : mapping of str to float64 array, shape (N, 2)
        True centres by key, (x, y) in pixels.
    settings : Settings
    config : Config
    expert : Expert
    rounds, fields : int
        Queries a run, and fields a query.
    test_share : float
        Share of the micrographs that is kept for judging, drawn anew for each seed.

    Raises
    ------
    OptionError
        One micrograph only, or a number that is not allowed.
    """

    folder: Path
    entries: tuple[MicrographEntry, ...]
    truth: Mapping[str, NDArray[np.float64]]
    settings: Settings
    config: Config
    expert: Expert
    rounds: int = 5
    fields: int = 4
    test_share: float = 1 / 3

    def __post_init__(self) -> None:
        if len(self.entries) < 2:
            raise OptionError("--micrographs: give two with truth or more, for some are kept for judging")
        if self.rounds < 1 or self.fields < 1:
            raise OptionError(f"--rounds, --fields: {self.rounds} and {self.fields} are not allowed; give 1 or more")
        if not 0 < self.test_share < 1:
            raise OptionError(f"--test-share: {self.test_share} is not allowed; give a share above 0 and below 1")

    @property
    def scaled(self) -> Path:
        """Folder of the micrographs at the picker's scale."""
        return self.folder / "scaled"

    def split(self, seed: int) -> tuple[tuple[MicrographEntry, ...], tuple[MicrographEntry, ...]]:
        """Micrographs to learn from and to judge on, the same for all strategies of a seed."""
        order = np.random.default_rng([seed, _SPLIT]).permutation(len(self.entries))
        n_test = min(max(round(self.test_share * len(order)), 1), len(order) - 1)
        pool, test = (tuple(self.entries[i] for i in sorted(part)) for part in (order[n_test:], order[:n_test]))
        return pool, test

    def describe(self) -> dict[str, Any]:
        """All that the outcome depends on beside strategy and seed, fit for JSON."""
        plain = {
            "micrographs": [entry.name for entry in self.entries],
            "truth": {key: hashlib.sha256(xy.tobytes()).hexdigest() for key, xy in self.truth.items()},
            "weights": weights_digest(),
            "diameter_angstrom": self.settings.diameter_angstrom,
            "config": asdict(self.config),
            "expert": asdict(self.expert),
            "rounds": self.rounds,
            "fields": self.fields,
            "test_share": self.test_share,
        }
        described: dict[str, Any] = json.loads(json.dumps(plain))
        return described


@dataclass(frozen=True)
class Task:
    """One run of an experiment.

    Attributes
    ----------
    experiment : Experiment
    strategy : str
        A strategy's name; `FULL` and `FULL_TWICE` for all micrographs complete.
    seed : int
    """

    experiment: Experiment
    strategy: str
    seed: int

    @cached_property
    def split(self) -> tuple[tuple[MicrographEntry, ...], tuple[MicrographEntry, ...]]:
        """Micrographs to learn from and to judge on."""
        return self.experiment.split(self.seed)

    @property
    def config(self) -> Config:
        """The experiment's; with more training for `FULL_TWICE`."""
        return _twice_the_steps(self.experiment.config) if self.strategy == FULL_TWICE else self.experiment.config


def _twice_the_steps(config: Config) -> Config:
    """To see whether more training would do what labels are hoped to do."""
    training = config.training
    longer = replace(
        training,
        min_steps=2 * training.min_steps,
        min_fine_steps=2 * training.min_fine_steps,
        max_steps=2 * training.max_steps,
        diameters2_per_step=training.diameters2_per_step / 2,
        fine_diameters2_per_step=training.fine_diameters2_per_step / 2,
    )
    return replace(config, training=longer)
