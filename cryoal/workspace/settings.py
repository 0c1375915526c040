"""What `cryoal init` was told, kept in workspace.toml, a file that a person can read and edit."""

import json
import math
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cryoal.config import TrainingConfig
from cryoal.errors import OptionError, WorkspaceError
from cryoal.io.durable import write_atomic
from cryoal.workspace.layout import Layout

FORMAT_VERSION = 1
_FIELD_TYPES: dict[str, type[Any] | tuple[type[Any], ...]] = {
    "diameter_angstrom": (int, float),
    "diameter_estimate_angstrom": (int, float),
    "pixel_size_angstrom": (int, float),
    "source": str,
    "root": str,
    "seed": int,
    "particles_dark": bool,
    "classes": list,
    "junk": list,
}
DOUBTED_RATIO = 1.2
"""A diameter this many times larger or smaller than it looks is worth a sentence."""
_MAX_NAMES = TrainingConfig().max_classes


@dataclass(frozen=True, slots=True)
class Settings:
    """What a workspace is made of.

    Attributes
    ----------
    diameter_angstrom : float
        Particle diameter, Å.
    source : str
        The micrographs as `init` was given them: a glob or a STAR file.
    root : str
        Folder that relative micrograph names start from; itself relative to the workspace or absolute.
    pixel_size_angstrom : float, optional
        Overrules what the files say, Å/pixel.
    seed : int
        From which all randomness of the workspace comes, unless a command is given another.
    particles_dark : bool
        Particles are darker than their surroundings, as `init` found or was told.
    diameter_estimate_angstrom : float, optional
        The micrographs' own word on the diameter: where none was given, or where they speak against the one given.
    classes, junk : tuple of str
        Names of the particle classes and of the kinds of junk; name i belongs to number i, from 1. They are optional.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    diameter_angstrom: float
    source: str
    root: str
    pixel_size_angstrom: float | None = None
    seed: int = 0
    particles_dark: bool = True
    diameter_estimate_angstrom: float | None = None
    classes: tuple[str, ...] = ()
    junk: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("diameter_angstrom", "pixel_size_angstrom", "diameter_estimate_angstrom"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise OptionError(f"{name}: {value} is not allowed; give a number above 0, in Å")
        if self.seed < 0:
            raise OptionError(f"seed: {self.seed} is not allowed; give a whole number from 0 up")
        for name in ("classes", "junk"):
            check_names(name, getattr(self, name))

    @property
    def diameter_doubt(self) -> str:
        """What the micrographs say against the diameter, a sentence; usually empty."""
        given, seen = self.diameter_angstrom, self.diameter_estimate_angstrom
        if seen is None or max(given / seen, seen / given) <= DOUBTED_RATIO:
            return ""
        return (
            f"the micrographs look like particles of about {seen:g} Å rather than {given:g} Å: have a look, and if so "
            f"make the workspace again with --diameter {seen:g}"
        )


def check_names(field: str, names: tuple[str, ...]) -> None:
    """Refuse names that cannot be told apart, from each other or from numbers.

    Raises
    ------
    OptionError
        There are too many, or one is empty, a number, or another's.
    """
    if len(names) > _MAX_NAMES:
        raise OptionError(f"{field}: {len(names)} names are too many; give {_MAX_NAMES} at most")
    for name in names:
        if not isinstance(name, str) or not name.strip() or name.isdigit() or names.count(name) > 1:
            raise OptionError(f"{field}: {name!r} among {list(names)} is not allowed; give different names, no numbers")


def root_folder(layout: Layout, settings: Settings) -> Path:
    """The folder that relative micrograph names start from."""
    return (layout.root / settings.root).absolute()


def write_settings(layout: Layout, settings: Settings) -> None:
    """Write workspace.toml.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    values = {name: value for name, value in asdict(settings).items() if value not in (None, ())}
    lines = [f"{name} = {_toml(value)}\n" for name, value in {"format_version": FORMAT_VERSION, **values}.items()]
    write_atomic(layout.settings, "".join(lines))


def read_settings(layout: Layout) -> Settings:
    """Read workspace.toml.

    Raises
    ------
    WorkspaceError
        There is no workspace, it was made by a newer version, or a value is missing or not allowed.
    """
    path = layout.settings
    values = _read_toml(path)
    version = values.pop("format_version", None)
    if not isinstance(version, int) or version < 1:
        raise WorkspaceError(f"{path}: format_version is {version!r}; it must be a whole number, here {FORMAT_VERSION}")
    if version > FORMAT_VERSION:
        raise WorkspaceError(
            f"{path}: format_version {version} is newer than {FORMAT_VERSION}, the newest that this cryoal reads; "
            "update cryoal"
        )
    _check_fields(path, values)
    try:
        names = {name: tuple(values.pop(name, ())) for name in ("classes", "junk")}
        return Settings(**(values | names))
    except OptionError as error:
        raise WorkspaceError(f"{path}: {error}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    """Parse the file or say why there is no workspace here."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WorkspaceError(
            f"{path.parent}: not a workspace, {path.name} is missing; make it by cryoal init"
        ) from error
    except OSError as error:
        raise WorkspaceError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path}: not a TOML file ({error}); mend that line") from error


def _check_fields(path: Path, values: dict[str, Any]) -> None:
    """Refuse unknown fields, missing ones and wrong types, by name."""
    allowed = [field.name for field in fields(Settings)]
    for name, value in values.items():
        if name not in allowed:
            raise WorkspaceError(f"{path}: unknown field {name}; allowed are {', '.join(allowed)}")
        wanted = _FIELD_TYPES[name]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise WorkspaceError(f"{path}: {name} is {value!r}; {_wanted(name)} is needed")
    for name in ("diameter_angstrom", "source", "root"):
        if name not in values:
            raise WorkspaceError(f"{path}: {name} is missing; add a line {name} = {_wanted(name)}")


def _wanted(name: str) -> str:
    """The kind of value that a field takes, in words."""
    words = {
        "particles_dark": "true or false",
        "source": "a text in quotes",
        "root": "a text in quotes",
        "seed": "a whole number",
        "classes": 'a list of names, ["open", "closed"]',
        "junk": 'a list of names, ["ice", "carbon"]',
    }
    return words.get(name, "a number")


def _toml(value: str | float | bool | tuple[str, ...]) -> str:
    """A value as TOML; its basic strings are JSON's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
