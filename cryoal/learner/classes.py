"""Which classes a round tells apart, as its labels say, and how that is told."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryoal.config import TrainingConfig
from cryoal.data.classes import Classes, class_name
from cryoal.data.labels import MicrographLabels, Verdict
from cryoal.errors import FileFormatError, OptionError
from cryoal.model.class_calibration import ClassCalibration
from cryoal.workspace.settings import Settings


def classes_of(
    labels: Mapping[str, MicrographLabels], settings: Settings, config: TrainingConfig
) -> tuple[Classes, str]:
    """The classes that have labels enough, and a note for the user on what is left out; usually empty."""
    particles, first = _frequent(labels, Verdict.PARTICLE, settings.classes, config)
    junk, second = _frequent(labels, Verdict.REJECTED, settings.junk, config)
    if len(particles) == 1:  # every particle's, as in files that know no classes
        particles = ()
    return Classes(particles, junk), "; ".join(note for note in (first, second) if note)


def _frequent(
    labels: Mapping[str, MicrographLabels], verdict: Verdict, names: Sequence[str], config: TrainingConfig
) -> tuple[tuple[int, ...], str]:
    """Numbers with labels enough, and what is to be said of the others."""
    noun = "class" if verdict == Verdict.PARTICLE else "junk"
    counts = Counter(
        p.class_number for one in labels.values() for p in one.labels if p.verdict == verdict and p.class_number > 0
    )
    if len(counts) > config.max_classes:
        told = f"{noun} numbers of {len(counts)} kinds are ignored, at most {config.max_classes} can be told apart"
        return (), f"{told}; they look like those of a 2D classification"
    frequent = tuple(sorted(number for number, n in counts.items() if n >= config.min_class_labels))
    rare = [f"{class_name(n, names, noun)} has {counts[n]}" for n in sorted(counts) if n not in frequent]
    rare += [f"{name} has 0" for i, name in enumerate(names, start=1) if i not in counts]
    note = f"labels are too few, {config.min_class_labels} needed: {', '.join(rare)}" if rare else ""
    unnamed = [str(number) for number in frequent if names and number > len(names)]
    if unnamed:
        field = "classes" if verdict == Verdict.PARTICLE else "junk"
        told = f"{noun} {', '.join(unnamed)} without a name among {list(names)}, add it to {field} in workspace.toml"
        note = f"{note}; {told}" if note else told
    return frequent, note


def described(classes: Classes, settings: Settings) -> str:
    """The classes in words: 'classes open, closed; junk ice'; empty without any."""
    parts = []
    if classes.particles:
        parts.append("classes " + ", ".join(class_name(n, settings.classes) for n in classes.particles))
    if classes.junk:
        parts.append("junk " + ", ".join(class_name(n, settings.junk, "junk") for n in classes.junk))
    return "; ".join(parts)


def class_number(text: str, names: Sequence[str], option: str) -> int:
    """The number of a class that a user names or numbers.

    Raises
    ------
    OptionError
        Neither a whole number from 1 up nor one of the names.
    """
    if text in names:
        return names.index(text) + 1
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    known = f" or one of {', '.join(names)}" if names else "; names are given by cryoal init, or in workspace.toml"
    raise OptionError(f"{option}: {text!r} is not known; give a number from 1 up{known}")


def read_class_calibration(path: Path) -> ClassCalibration:
    """Read classes.json, which only rounds with classes have.

    Raises
    ------
    FileFormatError
        It is broken.
    """
    try:
        return ClassCalibration.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ClassCalibration()
    except (OSError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path}: not a class calibration of cryoal ({error}); train again") from error
