"""Where everything in a workspace lies: the only module that knows the names.

::

    WORKSPACE/
      workspace.toml        what init was told; format version
      micrographs.star      the micrographs, with pixel size and optics group
      labels.jsonl          the journal of decisions
      set_aside/KEY.txt     why a micrograph could not be used
      report.html           the page of `cryoal report`
      micrographs.lock/     who adds micrographs now
      labels.lock/          who writes labels now
      rounds.lock/          who makes a round now
      rounds/0003/          round.json  members/*.safetensors  calibration.json  classes.json  centring.json
                            metrics.json  candidates/KEY.parquet  query.star
                            picks/KEY.star

KEY is a micrograph's key (`cryoal.data.micrograph.micrograph_key`) and may hold slashes.
"""

from dataclasses import dataclass
from pathlib import Path

from cryoal.io.names import WORKSPACE_FILE


@dataclass(frozen=True, slots=True)
class RoundLayout:
    """Paths inside one round's folder.

    Attributes
    ----------
    folder : Path
        The round, or the hidden folder in which the next one is being made.
    number : int
        1 for the first.
    """

    folder: Path
    number: int

    @property
    def info(self) -> Path:
        """What the round was made from."""
        return self.folder / "round.json"

    @property
    def members(self) -> Path:
        """Folder of the committee's weights."""
        return self.folder / "members"

    @property
    def calibration(self) -> Path:
        """Temperature and prior correction."""
        return self.folder / "calibration.json"

    @property
    def classes(self) -> Path:
        """Temperatures of the classes; only a round that tells classes apart has it."""
        return self.folder / "classes.json"

    @property
    def centring(self) -> Path:
        """How the labels' centres lie against the committee's."""
        return self.folder / "centring.json"

    @property
    def metrics(self) -> Path:
        """How well the round did on labels kept out of training."""
        return self.folder / "metrics.json"

    @property
    def audit(self) -> Path:
        """What was said of randomly drawn, completely labelled fields."""
        return self.folder / "audit.json"

    @property
    def query(self) -> Path:
        """What to ask next."""
        return self.folder / "query.star"

    @property
    def candidates_folder(self) -> Path:
        """Folder of the candidates."""
        return self.folder / "candidates"

    @property
    def picks_folder(self) -> Path:
        """Folder of the picks, as `cryoal.workspace.rounds.publish_picks` puts it in place."""
        return self.folder / "picks"

    @property
    def new_picks(self) -> Path:
        """The same, whole, about to take its place."""
        return self.folder / "picks.new"

    @property
    def old_picks(self) -> Path:
        """The picks it takes the place of."""
        return self.folder / "picks.old"

    def candidates(self, key: str) -> Path:
        """Candidates of one micrograph."""
        return self.candidates_folder / f"{key}.parquet"


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths inside a workspace.

    Attributes
    ----------
    root : Path
        The workspace.
    """

    root: Path

    @property
    def settings(self) -> Path:
        """What init was told."""
        return self.root / WORKSPACE_FILE

    @property
    def micrographs(self) -> Path:
        """The micrographs."""
        return self.root / "micrographs.star"

    @property
    def labels(self) -> Path:
        """The journal of decisions."""
        return self.root / "labels.jsonl"

    @property
    def report(self) -> Path:
        """The page about the workspace."""
        return self.root / "report.html"

    @property
    def set_aside_folder(self) -> Path:
        """Folder of the reasons why micrographs could not be used."""
        return self.root / "set_aside"

    @property
    def micrographs_lock(self) -> Path:
        """Lock of the one process that adds micrographs."""
        return self.root / "micrographs.lock"

    @property
    def labels_lock(self) -> Path:
        """Lock of the one process that writes labels."""
        return self.root / "labels.lock"

    @property
    def rounds_lock(self) -> Path:
        """Lock of the one process that makes a round, its query or its picks."""
        return self.root / "rounds.lock"

    @property
    def rounds(self) -> Path:
        """Folder of the rounds."""
        return self.root / "rounds"

    def set_aside(self, key: str) -> Path:
        """Why one micrograph could not be used."""
        return self.set_aside_folder / f"{key}.txt"

    def round(self, number: int) -> RoundLayout:
        """Paths inside a published round."""
        return RoundLayout(self.rounds / f"{number:04d}", number)
