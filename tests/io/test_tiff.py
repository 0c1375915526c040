import numpy as np
import pytest
import tifffile

from cryoal.errors import FileError, MicrographError
from cryoal.io import tiff


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.uint32, np.float32])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_rows_are_flipped(tmp_path, dtype, compression, order):
    stored = (np.arange(35).reshape(5, 7) % 100).astype(dtype)
    path = tmp_path / "a b.tif"
    tifffile.imwrite(path, stored, compression=compression, byteorder=order)
    found = tiff.read(path)
    np.testing.assert_array_equal(found.pixels, stored[::-1])
    assert found.pixels.flags.c_contiguous
    assert np.isnan(found.pixel_size_angstrom)
    assert tiff.read_shape(path)[0] == (5, 7)


def test_refuses_movies_colours_and_complex(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((3, 4, 5), np.uint8), photometric="minisblack")
    with pytest.raises(MicrographError, match="holds 3 images"):
        tiff.read(path)
    tifffile.imwrite(path, np.zeros((4, 5, 3), np.uint8), photometric="rgb")
    with pytest.raises(MicrographError, match="grey"):
        tiff.read(path)
    tifffile.imwrite(path, np.zeros((4, 5), np.complex64))
    with pytest.raises(MicrographError, match="complex64"):
        tiff.read(path)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.95])
def test_truncated(tmp_path, compression, share):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 99, (64, 64), np.uint8), compression=compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(MicrographError, match=r"a\.tif.*TIFF"):
        tiff.read(path)


def test_damaged_data(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 99, (64, 64), np.uint8), compression="zlib")
    content = bytearray(path.read_bytes())
    content[400:1200] = bytes(800)
    path.write_bytes(content)
    with pytest.raises(MicrographError, match="TIFF"):
        tiff.read(path)


def test_missing(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        tiff.read(tmp_path / "no.tif")
