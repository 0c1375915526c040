"""Options that several commands share, and how they become a configuration."""

from pathlib import Path
from typing import Annotated

import typer

from cryoal.config import Config, TrainingConfig
from cryoal.errors import OptionError

DEFAULTS = Config()
"""Where the commands take their defaults from."""

WORKSPACE = Annotated[Path, typer.Argument(metavar="WORKSPACE", help="The workspace's folder.", show_default=False)]
QUIET = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars, no summary; errors only.")]
DEVICE = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
DEVICES = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, or GPUs between commas: cuda:0,cuda:1.")]
WORKERS = Annotated[
    int | None,
    typer.Option(
        help="Micrographs read at the same time; by default 2 or a quarter of the processors.", show_default=False
    ),
]
SEED = Annotated[int | None, typer.Option(min=0, help="Seed of all randomness; by default the workspace's.")]
MEMBERS = Annotated[int, typer.Option(help="Size of the committee.")]
COMMITTEE = Annotated[
    str, typer.Option(help="ensemble: members trained apart; dropout: one network under Monte-Carlo dropout.")
]
DIAMETER = Annotated[float, typer.Option(help="Particle diameter, Å.", show_default=False)]
DIAMETER_OR_JUDGED = Annotated[
    float | None,
    typer.Option(help="Particle diameter, Å; judged from the micrographs if not given.", show_default=False),
]
PIXEL_SIZE = Annotated[
    float | None, typer.Option(help="Pixel size, Å/pixel, where neither list nor header tells.", show_default=False)
]
POLARITY = Annotated[str, typer.Option(help="auto, dark or light particles.")]
CS_Y = Annotated[str, typer.Option("--cs-y", help="Direction of cryoSPARC's y: file or inverted.")]
PROJECT = Annotated[
    Path, typer.Option(help="Folder that relative micrograph names start from (RELION's project).", file_okay=False)
]
FORMAT = Annotated[str, typer.Option("--format", help="relion, cryosparc, eman, eman2, cryolo, topaz, xmipp or csv.")]
OUT = Annotated[Path, typer.Option(help="Folder to write to.", show_default=False)]
RIM = Annotated[
    float, typer.Option(help="Leave out picks this close to the image's edge, diameters; 0.5: none is cut.")
]
THRESHOLD = Annotated[float | None, typer.Option(help="Lowest probability of a pick.", show_default=False)]
PRECISION = Annotated[
    float | None, typer.Option(help="Share of the picks that shall be particles, as expected.", show_default=False)
]


def configured(members: int, committee: str) -> Config:
    """The configuration with a committee of the user's choice.

    Raises
    ------
    OptionError
        A value is not allowed.
    """
    return Config(training=TrainingConfig(members=members, committee=committee))


def dark_particles(polarity: str) -> bool | None:
    """Whether particles are dark; None to find out.

    Raises
    ------
    OptionError
        Another word.
    """
    words = {"auto": None, "dark": True, "light": False}
    if polarity not in words:
        raise OptionError(f"--polarity: {polarity!r} is not known; give auto, dark or light")
    return words[polarity]


def names_listed(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in text.split(",")) if text else ()
