"""The diameter as micrographs tell it, judged in a process of its own, for the committee that judges needs torch."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cryoal.config import Config
from cryoal.errors import OptionError, UserError
from cryoal.io.micrographs import list_micrographs


@dataclass(frozen=True, slots=True)
class Micrographs:
    """Which micrographs are to be judged, as `list_micrographs` and `judged_diameter` want to be told.

    Attributes
    ----------
    source : str
        A glob or a STAR file.
    root : str
        Folder that names start from.
    pixel_size_angstrom : float, optional
    particles_dark : bool, optional
    """

    source: str
    root: str
    pixel_size_angstrom: float | None
    particles_dark: bool | None


def judge_diameter(given: Micrographs) -> float:
    """The diameter of their particles, Å; takes seconds.

    Raises
    ------
    OptionError
        None can be judged.
    """
    values = [given.source, given.root, given.pixel_size_angstrom, given.particles_dark]
    command = [sys.executable, "-m", "napari_plugin.judging", json.dumps(values)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OptionError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no diameter can be judged")
    return float(done.stdout)


def main() -> None:
    """Judge, and write the diameter."""
    from cryoal.learner.first_look import judged_diameter  # noqa: PLC0415  loads torch, in this process alone

    source, root, pixel_size_angstrom, particles_dark = json.loads(sys.argv[1])
    try:
        entries = list_micrographs(source, pixel_size_angstrom, Path(root))
        sys.stdout.write(repr(judged_diameter(entries, particles_dark, Config())))
    except UserError as error:
        sys.exit(" ".join(str(error).split()))


if __name__ == "__main__":
    main()
