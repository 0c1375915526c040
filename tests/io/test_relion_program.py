"""The test that counts: the real RELION extracts, from our export, the pixels around the picks."""

import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryoal.data.picks import Picks
from cryoal.io import mrc, relion, star
from cryoal.io.micrographs import list_micrographs, read_shapes
from cryoal.io.options import ExportOptions

pytestmark = pytest.mark.relion

BOX = 16
SHAPES = {
    "MotionCorr/job002/Micrographs/wide.a.mrc": (60, 100),
    "MotionCorr/job002/Micrographs/tall.mrc": (110, 50),
    "MotionCorr/job002/Micrographs/none.mrc": (40, 40),
    "MotionCorr/job002/Micrographs/many.mrc": (64, 64),
}
PICKS = {
    "wide.a": Picks([8, 91, 50.4, 91], [8, 51, 30.4, 8], [0.9, -2.5, 0.5, np.nan], [0, 1, 2, 3]),
    "tall": Picks([25, 40.6], [100, 8.0], [0.1, 0.2]),
    "none": Picks.empty(),
    "many": Picks(np.tile(np.arange(8, 56), 48), np.repeat(np.arange(8, 56), 48)),
}
OPTICS = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
_rlnMicrographOriginalPixelSize #4
_rlnVoltage #5
_rlnSphericalAberration #6
_rlnAmplitudeContrast #7
one 1 2.0 2.0 300 2.7 0.1


# version 30001

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
"""


def extract(project: Path, *source: str) -> dict[str, list[np.ndarray]]:
    """Run RELION's extraction; the boxes of each micrograph, by its stem, in the order of the picks."""
    command = ["relion_preprocess", "--i", "micrographs.star", *source, "--part_star", "p.star", "--part_dir", "P/"]
    command += ["--extract", "--extract_size", str(BOX)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    boxes: dict[str, list[np.ndarray]] = {}
    for image in star.table_with(star.read(project / "p.star"), ["rlnImageName"], project)["rlnImageName"]:
        number, stack = image.split("@")
        with mrcfile.open(project / stack, permissive=True) as opened:
            boxes.setdefault(Path(stack).stem, []).append(opened.data.reshape(-1, BOX, BOX)[int(number) - 1].copy())
    return boxes


@pytest.fixture
def project(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    for name, shape in SHAPES.items():
        mrc.write(tmp_path / name, rng.normal(size=shape).astype(np.float32), 2.0)
    (tmp_path / "micrographs.star").write_text(OPTICS + "".join(f"{name} 1\n" for name in SHAPES) + "\n")
    return tmp_path


def test_extracted_boxes_are_the_pixels_around_the_picks(project):
    entries = list_micrographs("micrographs.star", None, project)
    outside = Picks([-40, 500, 20], [20, 20, -0.6])
    picks = [(entry, PICKS[Path(entry.name).stem]) for entry in entries]
    with_junk = [
        (entry, Picks(np.r_[p.x, outside.x], np.r_[p.y, outside.y], np.r_[p.score, [1, 1, 1]])) for entry, p in picks
    ]
    options = ExportOptions(shapes=read_shapes(entries), root=project, micrographs_star="micrographs.star")
    relion.write(with_junk, project / "OUT", options)
    boxes = extract(project, "--coord_dir", "OUT/", "--coord_suffix", "_autopick.star")
    assert set(boxes) == {"wide.a", "tall", "many"}
    for entry, expected in picks:
        pixels = mrc.read(entry.path).pixels
        corners = np.floor(expected.xy + 0.5).astype(int) - BOX // 2
        assert len(boxes.get(Path(entry.name).stem, [])) == len(expected)
        for (x, y), box in zip(corners, boxes.get(Path(entry.name).stem, []), strict=True):
            np.testing.assert_array_equal(box, pixels[y : y + BOX, x : x + BOX])


def test_relion_truncates_fractions(project):
    (entry, *_) = list_micrographs("micrographs.star", None, project)
    options = ExportOptions(shapes=read_shapes([entry]), root=project, round_coordinates=False)
    relion.write([(entry, Picks([50.99], [30.99]))], project / "OUT", options)
    (box,) = extract(project, "--coord_dir", "OUT/", "--coord_suffix", "_autopick.star")["wide.a"]
    np.testing.assert_array_equal(box, mrc.read(entry.path).pixels[30 - 8 : 30 + 8, 50 - 8 : 50 + 8])
