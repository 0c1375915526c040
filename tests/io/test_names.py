from pathlib import Path

import pytest

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import LabelError
from cryoal.io.names import NameIndex


def index(*names: str) -> NameIndex:
    return NameIndex([MicrographEntry(name, Path(name)) for name in names])


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ("MotionCorr/job002/Micrographs/a.b.mrc", "MotionCorr/job010/Micrographs/a.b.mrc"),
        ("a.b", "MotionCorr/job002/Micrographs/a.b.mrc"),
        ("a.b.tif", "x/a.b.mrc"),
        ("001234567890123456789_a.mrc", "a.mrc"),
        ("a.mrc", "J7/001234567890123456789_a.mrc"),
        ("AutoPick/job003/Micrographs/a_autopick", "Micrographs/a.mrc"),
        ("a_manualpick", "a.mrc"),
        ("a_info", "a.mrc"),
        ("a_autopick", "a_autopick.mrc"),
        ("grid 2/a b.mrc", "grid 2/a b.mrc"),
        ("2", "2.mrc"),
        ("J3/motioncorrected/001234567890123456789_a_patch_aligned_doseweighted.mrc", "Micrographs/a.mrc"),
        ("a", "J3/motioncorrected/001234567890123456789_a_rigid_aligned.mrc"),
        ("Runs/7/extra/a_aligned_mic_DW.mrc", "a.mrc"),
        ("a_DW_automatch", "a.mrc"),
        ("a_aligned_DW_patch_aligned_doseweighted.mrc", "a_noDW.mrc"),
        ("a_DW", "a_DW.mrc"),
        ("..\\average\\a.mrc", "a.mrc"),
        ("External/job010/Micrographs/a_topazpicks", "a.mrc"),
    ],
)
def test_finds(asked, listed):
    found = index(listed, "other.mrc").find(asked)
    assert found is not None
    assert found.name == listed


@pytest.mark.parametrize("asked", ["b", "a_1", "a_autopick_2", "123_a", "A"])
def test_finds_nothing(asked):
    assert index("a.mrc").find(asked) is None


def test_versions_of_one_micrograph_are_told_apart_where_both_are_listed():
    both = index("a.mrc", "a_DW.mrc")
    assert both.find("a_DW_autopick").name == "a_DW.mrc"
    with pytest.raises(LabelError, match="may mean 2 micrographs"):
        both.find("a_patch_aligned")


def test_folders_decide_between_equal_stems():
    both = index("grid1/a.mrc", "grid2/a.mrc")
    assert both.find("job/grid2/a_autopick").name == "grid2/a.mrc"
    with pytest.raises(LabelError, match="may mean 2 micrographs"):
        both.find("a")
    with pytest.raises(LabelError, match="may mean 2 micrographs"):
        both.find("grid3/a")
    nested = index("a.mrc", "grid1/a.mrc")
    assert nested.find("a").name == "a.mrc"
    assert nested.find("out/grid1/a").name == "grid1/a.mrc"
