"""The hard cases hold the trouble that they are named for, and say where it is."""

import numpy as np
import pytest

from cryoal.errors import OptionError
from cryoal.simulation.hard_cases import HARD_CASES, hard_micrographs
from cryoal.simulation.junk import JunkKind

EXPECTED = {
    "carbon": {JunkKind.CARBON},
    "ice": {JunkKind.ICE, JunkKind.ETHANE},
    "aggregates": {JunkKind.AGGREGATE, JunkKind.FRAGMENT},
    "contrast": {JunkKind.ICE, JunkKind.ETHANE, JunkKind.AGGREGATE},
    "crowding": {JunkKind.ICE, JunkKind.ETHANE, JunkKind.AGGREGATE},
}


@pytest.mark.parametrize("name", HARD_CASES)
def test_each_case_has_particles_and_its_junk_apart_from_each_other(name):
    ((called, one),) = hard_micrographs(name, 1)
    assert called == f"{name}_01"
    assert len(one.picks) > 60
    assert set(one.picks.class_number) == {1}
    nearest = np.rint(one.picks.xy).astype(int)
    assert not one.junk[nearest[:, 1], nearest[:, 0]].any()
    assert set(one.junk_picks.class_number) >= EXPECTED[name]
    assert 0.01 < one.junk.mean() < 0.6


def test_a_micrograph_depends_on_the_seed_not_on_how_many_there_are():
    (_, alone), (_, first) = next(hard_micrographs("crowding", 1)), next(hard_micrographs("crowding", 2))
    (_, other) = next(hard_micrographs("crowding", 1, seed=1))
    assert alone.pixels.tobytes() == first.pixels.tobytes()
    assert np.array_equal(alone.junk_picks.xy, first.junk_picks.xy)
    assert alone.pixels.tobytes() != other.pixels.tobytes()


def test_an_unknown_case_is_refused():
    with pytest.raises(OptionError, match="give one of carbon, ice"):
        next(hard_micrographs("fog", 1))
