"""What napari reads, writes and offers through the manifest, and what it is told of broken files."""

import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryoal.errors import ArrayError, UserError
from cryoal.io.formats import detect, read_files
from napari_plugin.denoising import denoised
from napari_plugin.images import display_image
from napari_plugin.keys import KEYS, markdown
from napari_plugin.readers import coordinates_reader, micrograph_reader
from napari_plugin.sample import sample_layers
from napari_plugin.writers import write_points

ROOT = Path(__file__).resolve().parents[2]
POINTS_YX = np.array([[10.0, 20.0], [30.5, 40.25], [55.0, 5.0]])


@pytest.mark.parametrize("suffix", [".star", ".box", ".cbox", ".csv", ".txt", ".json", ".pos"])
def test_points_written_by_napari_are_read_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mic{suffix}"
    assert write_points(str(path), POINTS_YX, {"size": 20.0}) == [str(path)]
    assert detect(path)
    (found,) = read_files([path])
    xy = found.picks.xy
    assert np.abs(xy[np.argsort(xy[:, 0])] - POINTS_YX[:, ::-1][np.argsort(POINTS_YX[:, 1])]).max() <= 0.51


def test_a_layers_scale_and_scores_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "mic.star"
    meta = {"scale": (2.0, 2.0), "translate": (0.5, 0.5), "features": {"score": [0.1, 0.9, 0.5]}}
    write_points(str(path), POINTS_YX, meta)
    reader = coordinates_reader(str(path))
    assert reader is not None
    ((data, more, kind),) = reader(str(path))
    assert kind == "points"
    assert data == pytest.approx(POINTS_YX * 2 + 0.5)
    assert more["features"]["score"] == pytest.approx([0.1, 0.9, 0.5])


def test_no_points_and_points_of_volumes(tmp_path: Path) -> None:
    write_points(str(tmp_path / "none.star"), np.empty((0, 2)), {})
    with pytest.raises(ArrayError, match="of one image"):
        write_points(str(tmp_path / "mic.star"), np.zeros((2, 3)), {})


def test_a_micrograph_is_read_as_it_is(tmp_path: Path) -> None:
    pixels = np.arange(60, dtype=np.float32).reshape(6, 10)
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(pixels)
        mrc.voxel_size = 1.5
    reader = micrograph_reader(str(tmp_path / "a.mrc"))
    assert reader is not None
    ((data, more, kind),) = reader(str(tmp_path / "a.mrc"))
    assert kind == "image"
    assert np.array_equal(data, pixels)
    assert more["metadata"]["pixel_size_angstrom"] == pytest.approx(1.5)


@pytest.mark.parametrize("content", [b"", b"data_\n", b"\0" * 500])
def test_broken_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.mrc").write_bytes(content)
    reader = micrograph_reader(str(tmp_path / "broken.mrc"))
    assert reader is not None
    with pytest.raises(UserError, match=r"broken\.mrc"):
        reader(str(tmp_path / "broken.mrc"))
    assert micrograph_reader(str(tmp_path / "missing.mrc")) is None


def test_binned_pixels_stay_where_they_were() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(0, 0.1, (900, 1201)).astype(np.float32)
    pixels[505:515, 805:815] += 10  # centre (809.5, 509.5)
    image = display_image(pixels, diameter_px=200)
    assert image.bin == 5
    views = (image.plain.pixels, image.low_pass.pixels, denoised(pixels, 200, particles_dark=False))
    for shown in views:
        assert shown.shape == (180, 240)
        y, x = np.unravel_index(shown.argmax(), shown.shape)
        assert abs(x * image.bin + image.translate - 809.5) <= image.bin / 2 + 1
        assert abs(y * image.bin + image.translate - 509.5) <= image.bin / 2 + 1
    assert image.plain.pixels[0, 0] == pytest.approx(pixels[:5, :5].mean(), abs=1e-5)


def test_the_sample_is_a_micrograph_with_its_particles() -> None:
    (image, _, _), (points, _, kind) = sample_layers()
    assert kind == "points"
    assert len(points) > 20
    assert (points.max(axis=0) < image.shape).all()


def test_no_key_means_two_things() -> None:
    keys = [sequence for key in KEYS for sequence in key.keys]
    assert len(keys) == len(set(keys))


def test_the_docs_have_the_table_of_keys() -> None:
    assert markdown() in (ROOT / "docs" / "napari.md").read_text(encoding="utf-8")


def test_the_manifest_is_valid_and_points_at_what_is_there() -> None:
    npe2 = pytest.importorskip("npe2", reason="napari is not installed")
    manifest = npe2.PluginManifest.from_file(ROOT / "napari_plugin" / "napari.yaml")
    manifest.validate_imports()


def test_npe2_finds_nothing_to_object_to() -> None:
    pytest.importorskip("npe2", reason="napari is not installed")
    command = [sys.executable, "-m", "npe2", "validate", str(ROOT / "napari_plugin" / "napari.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout
    assert "cryoal" in done.stdout
