"""The one table of keys and mouse gestures: it is bound, drawn as help and printed in the docs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """What a key does.

    Attributes
    ----------
    action : str
        Name of the session's method; empty where the key shall do nothing.
    keys : tuple of str
        In Qt's words; the first is the one to learn.
    help : str
        One line for the expert; empty where another key's says it.
    """

    action: str
    keys: tuple[str, ...]
    help: str


KEYS = (
    Key("accept", ("F", "A"), "accept, and go to the next"),
    Key("reject", ("D", "X"), "reject, and go to the next"),
    Key("unsure", ("S",), "unsure, and go to the next"),
    Key("finish_field", ("Return", "Enter"), "this field is finished: what is unmarked in it is background"),
    Key("next_field", ("N",), "next most uncertain field"),
    Key("undo", ("Ctrl+Z", "Backspace"), "undo"),
    Key("redo", ("Ctrl+Shift+Z",), "redo"),
    Key("accept_shown", ("T",), "accept all that are shown"),
    Key("previous_micrograph", ("W",), "previous micrograph"),
    Key("next_micrograph", ("R",), "next micrograph"),
    Key("finish_micrograph", ("Shift+Return",), "this micrograph is finished"),
    Key("toggle_low_pass", ("E",), "low-pass on or off"),
    Key("toggle_denoised", ("C",), "denoised on or off"),
    Key("toggle_circles", ("Q",), "circles on or off"),
    Key("toggle_gallery", ("G",), "gallery of crops"),
    Key("toggle_help", ("H",), "this help"),
    Key("accept_as_1", ("1",), "accept as class 1, and 2 to 8 alike, where the workspace has classes"),
    *(Key(f"accept_as_{i}", (str(i),), "") for i in range(2, 9)),
    Key("reject_as_1", ("Alt+1",), "reject as junk of kind 1, and 2 to 8 alike, where the workspace has any"),
    *(Key(f"reject_as_{i}", (f"Alt+{i}",), "") for i in range(2, 9)),
    Key("", ("Delete",), ""),  # napari would delete points
)
"""Every key."""

MOUSE = (
    ("click a circle", "accept"),
    ("click elsewhere", "add a particle"),
    ("right click", "reject"),
    ("Shift + drag", "reject all inside"),
    ("Ctrl + drag", "move"),
    ("drag", "pan; the wheel zooms"),
)
"""Every gesture."""


def help_rows() -> list[tuple[str, str]]:
    """Gesture and meaning, keys first."""
    return [(" or ".join(key.keys), key.help) for key in KEYS if key.help] + list(MOUSE)


def markdown() -> str:
    """The table of the docs."""
    return "\n".join(["| key or gesture | what it does |", "|---|---|", *(f"| {a} | {b} |" for a, b in help_rows())])
