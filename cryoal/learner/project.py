"""A workspace opened for work: its settings, micrographs and labels, and micrographs read at the picker's scale."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from cryoal.config import Config
from cryoal.data.labels import MicrographLabels
from cryoal.data.micrograph import MicrographEntry, ScaledMicrograph
from cryoal.errors import OptionError, WorkspaceError
from cryoal.io.micrographs import list_micrographs, read_shape, read_shapes
from cryoal.learner.progress import Progress
from cryoal.learner.reading import diameter_px, read_scaled
from cryoal.workspace.journal import read_journal
from cryoal.workspace.labelling import labels_by_micrograph
from cryoal.workspace.layout import Layout
from cryoal.workspace.micrographs import read_micrographs, write_micrographs
from cryoal.workspace.set_aside import read_set_aside, set_aside
from cryoal.workspace.settings import Settings, check_names, read_settings, root_folder, write_settings

_ANSWER_REACH_DIAMETERS = 0.1
_SAME_PARTICLE_DIAMETERS = 0.3  # a classification moves centres by less, and particles lie further apart


@dataclass(frozen=True)
class Project:
    """An open workspace.

    Attributes
    ----------
    layout : Layout
    settings : Settings
    entries : tuple of MicrographEntry
        All micrographs, in the list's order.
    config : Config
    """

    layout: Layout
    settings: Settings
    entries: tuple[MicrographEntry, ...]
    config: Config = field(default_factory=Config)
    reads_files: ClassVar[bool] = True
    """`read_scaled` reads the micrographs' files, rather than what was made of them before."""

    @classmethod
    def open(cls, workspace: Path, config: Config | None = None) -> "Project":
        """Open a workspace.

        Raises
        ------
        WorkspaceError
            The folder is not a workspace that this version reads.
        """
        layout = Layout(workspace)
        settings = read_settings(layout)
        entries = read_micrographs(layout, _root(layout, settings))
        return cls(layout, settings, tuple(entries), config or Config())

    @property
    def root(self) -> Path:
        """The folder that relative micrograph names start from: RELION's project folder."""
        return _root(self.layout, self.settings)

    @cached_property
    def by_key(self) -> dict[str, MicrographEntry]:
        """The micrographs by key."""
        return {entry.key: entry for entry in self.entries}

    @cached_property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """(ny, nx) by key, from the headers, of the micrographs that can be read."""
        return read_shapes(self.entries)

    @cached_property
    def answer_reach_px(self) -> float:
        """How far an answer about a candidate reaches, pixels of the original micrographs."""
        return _ANSWER_REACH_DIAMETERS * self._median_diameter_px

    @property
    def same_particle_px(self) -> float:
        """How far apart two programs' centres of one particle may lie, pixels of the original micrographs."""
        return _SAME_PARTICLE_DIAMETERS * self._median_diameter_px

    @cached_property
    def _median_diameter_px(self) -> float:
        sizes = [entry.pixel_size_angstrom for entry in self.entries if math.isfinite(entry.pixel_size_angstrom)]
        return self.settings.diameter_angstrom / float(np.median(sizes)) if sizes else 1.0

    def usable(self) -> list[MicrographEntry]:
        """The micrographs that are not set aside."""
        aside = read_set_aside(self.layout)
        return [entry for entry in self.entries if entry.key not in aside]

    def check_reachable(self) -> None:
        """Refuse to go on where no micrograph is to be found, rather than set all of them aside.

        Raises
        ------
        WorkspaceError
            None of the micrographs exists.
        """
        if not any(entry.path.exists() for entry in self.entries):
            raise WorkspaceError(
                f"{self.layout.root}: none of its {len(self.entries):,} micrographs exists, the first being "
                f"{self.entries[0].path}; mount their disk, or correct root in {self.layout.settings}"
            )

    def diameter_px(self, entry: MicrographEntry) -> float:
        """Particle diameter in pixels of one micrograph.

        Raises
        ------
        MicrographError
            Its pixel size is not known.
        """
        return diameter_px(self.settings.diameter_angstrom, entry)

    def read_scaled(self, entry: MicrographEntry) -> ScaledMicrograph:
        """Read a micrograph and bring it to the picker's scale.

        Raises
        ------
        MicrographError
            It cannot be used; the text names the file.
        """
        return read_scaled(entry, self.settings.diameter_angstrom, self.config, self.settings.particles_dark)

    def labels(self) -> dict[str, MicrographLabels]:
        """The labels that hold now, by key.

        Raises
        ------
        FileFormatError
            The journal is broken.
        """
        return labels_by_micrograph(read_journal(self.layout.labels), self.answer_reach_px)

    def put_aside(self, entry: MicrographEntry, reason: Exception) -> str:
        """Note that a micrograph cannot be used; gives the note."""
        note = " ".join(str(reason).split())
        set_aside(self.layout, entry.key, note)
        return note


@dataclass(frozen=True, slots=True)
class NewWorkspace:
    """What `init` is told.

    Attributes
    ----------
    folder : Path
    micrographs : str
        A glob or a STAR file.
    diameter_angstrom : float, optional
        None to judge it from the micrographs.
    pixel_size_angstrom : float, optional
    particles_dark : bool, optional
        None to find out.
    seed : int
    root : Path
        Folder that relative names start from: RELION's project folder.
    classes, junk : tuple of str
        Names of particle classes and kinds of junk.
    is_trusted : bool
        Diameter and polarity are given, and were held against micrographs before.
    """

    folder: Path
    micrographs: str
    diameter_angstrom: float | None = None
    pixel_size_angstrom: float | None = None
    particles_dark: bool | None = None
    seed: int = 0
    root: Path = field(default_factory=Path.cwd)
    classes: tuple[str, ...] = ()
    junk: tuple[str, ...] = ()
    is_trusted: bool = False


def create(new: NewWorkspace, config: Config | None = None) -> Iterator[Progress | Project]:
    """Make a workspace; the last value is the open project.

    Raises
    ------
    WorkspaceError
        There is a workspace already.
    OptionError
        The diameter does not fit the micrographs, or is not given and cannot be judged.
    FileError, FileFormatError
        The micrographs cannot be listed.
    """
    from cryoal.learner.first_look import FirstLook, look  # noqa: PLC0415  loads torch, and a project is opened without

    config = config or Config()
    layout = Layout(new.folder)
    if layout.settings.exists():
        raise WorkspaceError(f"{new.folder}: is a workspace already; choose another folder, or delete this one")
    if new.diameter_angstrom is not None:
        _check_positive("--diameter", new.diameter_angstrom, "the particle's diameter in Å")
    if new.pixel_size_angstrom is not None:
        _check_positive("--pixel-size", new.pixel_size_angstrom, "Å/pixel")
    check_names("--classes", new.classes)
    check_names("--junk", new.junk)
    root = Path(os.path.normpath(new.root.absolute()))
    entries = list_micrographs(new.micrographs, new.pixel_size_angstrom, root)
    _check_diameter(entries, new.diameter_angstrom)
    if new.is_trusted and new.diameter_angstrom is not None and new.particles_dark is not None:
        seen = FirstLook(new.diameter_angstrom, new.particles_dark, None)
    else:
        seen = yield from look(entries, new.diameter_angstrom, new.particles_dark, config)
    write_micrographs(layout, entries, root)
    settings = Settings(
        diameter_angstrom=seen.diameter_angstrom,
        diameter_estimate_angstrom=seen.diameter_estimate_angstrom,
        source=new.micrographs,
        root=_kept_root(new.folder, root),
        pixel_size_angstrom=new.pixel_size_angstrom,
        seed=new.seed,
        particles_dark=seen.particles_dark,
        classes=new.classes,
        junk=new.junk,
    )
    write_settings(layout, settings)
    yield Project.open(new.folder, config)


def _root(layout: Layout, settings: Settings) -> Path:
    """The folder that relative names start from, without the dots of a relative one."""
    return Path(os.path.normpath(root_folder(layout, settings)))


def _kept_root(folder: Path, root: Path) -> str:
    """The root for workspace.toml: relative where the workspace lies inside, so that both may move together."""
    inside = folder.absolute()
    through_links = inside.resolve() != root.resolve() / os.path.relpath(inside, root)
    if through_links or not inside.is_relative_to(root):
        return str(root)
    return os.path.relpath(root, inside)


def _check_positive(name: str, value: float, wanted: str) -> None:
    """Refuse what is no size."""
    if not (math.isfinite(value) and value > 0):
        raise OptionError(f"{name}: {value} is not allowed; give {wanted}, above 0")


def _check_diameter(entries: Sequence[MicrographEntry], diameter_angstrom: float | None) -> None:
    """Refuse micrographs none of which can be read or has a pixel size, and a diameter that fits none of them."""
    shapes = read_shapes(entries)
    if not shapes:
        read_shape(entries[0].path)  # raises what is wrong with it
    sized = [entry for entry in entries if entry.key in shapes and math.isfinite(entry.pixel_size_angstrom)]
    if shapes and not sized:
        raise OptionError(
            f"{entries[0].path}: neither list nor header tells the pixel size; give --pixel-size, Å/pixel"
        )
    widths = [min(shapes[entry.key]) * entry.pixel_size_angstrom for entry in sized]
    if diameter_angstrom is not None and max(widths) < 2 * diameter_angstrom:
        raise OptionError(
            f"--diameter: {diameter_angstrom:g} Å is too wide for micrographs {max(widths):.0f} Å wide "
            "(two diameters must fit); give it in Å, and check --pixel-size"
        )
