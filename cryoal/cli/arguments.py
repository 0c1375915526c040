"""Lists of files on the command line, as shells and people give them."""

from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

LIST_OPTIONS = ("--labels",)


def spread(words: Sequence[str]) -> list[str]:
    """Let an option of `LIST_OPTIONS` take all the words up to the next option, as a shell's glob gives them.

    >>> spread(["run", "--labels", "a.star", "b.star", "--out", "x"])
    ['run', '--labels', 'a.star', '--labels', 'b.star', '--out', 'x']
    """
    out: list[str] = []
    option = None
    for word in words:
        if word.startswith("-"):
            option = word if word in LIST_OPTIONS else None
        elif option is not None and out[-1] != option:
            out.append(option)
        out.append(word)
    return out


def expanded(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Files that quoted globs match, sorted; what is there by that very name, or matches nothing, stays as it is."""
    out: list[Path] = []
    for path in paths:
        found = sorted(glob(str(path), recursive=True)) if has_magic(str(path)) and not path.exists() else []  # noqa: PTH207
        out += [Path(one) for one in found] or [path]
    return tuple(out)
