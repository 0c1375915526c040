"""By what rule picks were made, kept in their folder, so that micrographs which come later are picked by the same."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cryoal.errors import FileFormatError
from cryoal.io.durable import write_atomic

_FILE = "rule.json"


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of some picks.

    Attributes
    ----------
    threshold : float
        Calibrated probability from which candidates are picks.
    micrographs : int
        So many it was chosen on.
    asked_threshold, asked_precision : float, optional
        What it was chosen for; without either, the largest expected F1.
    """

    threshold: float
    micrographs: int
    asked_threshold: float | None = None
    asked_precision: float | None = None

    def write(self, folder: Path) -> None:
        """Keep it in a folder of picks."""
        write_atomic(folder / _FILE, json.dumps(asdict(self), indent=1) + "\n")


def read_rule(folder: Path) -> Rule | None:
    """The rule of a folder of picks; None where it is not kept there.

    Raises
    ------
    FileFormatError
        It is broken.
    """
    path = folder / _FILE
    try:
        return Rule(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path}: broken ({error}); run cryoal pick") from error
