"""Micrograph names and picks that the round-trip tests draw from."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks

SHAPES = ((3838, 3710), (3710, 3838), (64, 65), (4096, 4096))
PIXEL_SIZE = 1.25
STEMS = ("mic", "a.b", "with space", "00123", "data_7", "x_autopick", "0123456789012345678_u", "ünicode")
FOLDERS = ("", "Micrographs/", "MotionCorr/job012/Micrographs/", "grid 1/")


@st.composite
def picks(draw: st.DrawFn, shape: tuple[int, int], *, whole: bool, scored: bool | None = None) -> Picks:
    """Up to 20 picks inside an image, the corners among them; whole pixels or quarters."""
    ny, nx = shape
    steps = 1 if whole else 4
    x, y = (
        st.one_of(st.sampled_from([0, n - 1]), st.integers(0, steps * (n - 1)).map(lambda i: i / steps))
        for n in (nx, ny)
    )
    positions = draw(st.lists(st.tuples(x, y), max_size=20))
    scores = st.floats(-990, 1e6, width=32)
    has_score = draw(st.booleans()) if scored is None else scored
    score = [draw(scores) if has_score else np.nan for _ in positions]
    return Picks([p[0] for p in positions], [p[1] for p in positions], score)


@st.composite
def picked_micrographs(
    draw: st.DrawFn, *, whole: bool = True, scored: bool | None = None
) -> tuple[list[tuple[MicrographEntry, Picks]], dict[str, tuple[int, int]]]:
    """Some micrographs of different stems with their picks, and the shapes by key."""
    stems = draw(st.lists(st.sampled_from(STEMS), min_size=1, max_size=4, unique=True))
    result, shapes = [], {}
    for stem in stems:
        name = f"{draw(st.sampled_from(FOLDERS))}{stem}.mrc"
        entry = MicrographEntry(name, Path(name), PIXEL_SIZE)
        shapes[entry.key] = draw(st.sampled_from(SHAPES))
        result.append((entry, draw(picks(shapes[entry.key], whole=whole, scored=scored))))
    return result, shapes


def assert_same(found: Picks, expected: Picks, atol: float = 1e-4) -> None:
    """The same picks in the same order; scores to six digits."""
    np.testing.assert_allclose(found.xy, expected.xy, atol=atol, rtol=0)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-6)
