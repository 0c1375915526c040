import bz2
import gzip
import struct
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cryoal.errors import ArrayError, FileError, MicrographError
from cryoal.io import mrc

DTYPES = (np.int8, np.int16, np.float32, np.uint16, np.float16)


def image(ny: int, nx: int, dtype: type = np.int16) -> NDArray[np.generic]:
    return (np.arange(ny * nx).reshape(ny, nx) % 119).astype(dtype)


def mrc_bytes(pixels: NDArray[np.generic], order: str = "<", nsymbt: int = 0, **header: int) -> bytes:
    """A naive MRC writer, for what mrcfile will not write."""
    modes = {"i1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12}
    ny, nx = pixels.shape
    mode = header.get("mode", modes[pixels.dtype.str[1:]])
    raw = bytearray(1024)
    struct.pack_into(f"{order}4i", raw, 0, nx, ny, header.get("nz", 1), mode)
    struct.pack_into(f"{order}3i3f", raw, 28, nx, ny, 1, 1.5 * nx, 1.5 * ny, 1.5)
    struct.pack_into(f"{order}2i", raw, 88, header.get("ispg", 0), nsymbt)
    raw[208:212] = b"MAP "
    raw[212:214] = b"\x44\x44" if order == "<" else b"\x11\x11"
    return bytes(raw) + b"\xff" * nsymbt + pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nsymbt", [0, 768])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress])
def test_reads_every_mode_order_and_compression(tmp_path, dtype, order, nsymbt, compress):
    expected = image(5, 7, dtype)
    path = tmp_path / "image.txt"  # the content decides, not the suffix
    path.write_bytes(compress(mrc_bytes(expected, order, nsymbt)))
    found = mrc.read(path)
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.pixels.dtype == np.dtype(dtype)
    assert found.pixels.dtype.isnative
    assert found.pixels.flags.writeable
    assert found.pixel_size_angstrom == pytest.approx(1.5)
    assert mrc.read_shape(path) == ((5, 7), pytest.approx(1.5))


@settings(max_examples=30, deadline=None)
@given(
    ny=st.integers(2, 40),
    nx=st.integers(2, 40),
    dtype=st.sampled_from(DTYPES),
    pixel_size=st.floats(0.1, 20),
)
def test_round_trip(tmp_path_factory, ny, nx, dtype, pixel_size):
    path = tmp_path_factory.mktemp("mrc") / "a b.mrc"
    mrc.write(path, image(ny, nx, dtype), pixel_size)
    found = mrc.read(path)
    np.testing.assert_array_equal(found.pixels, image(ny, nx, dtype))
    assert found.pixel_size_angstrom == pytest.approx(pixel_size, rel=1e-5)
    with mrcfile.open(path) as other:
        np.testing.assert_array_equal(other.data, image(ny, nx, dtype))


def test_agrees_with_mrcfile_on_an_fei_extended_header(tmp_path):
    path = tmp_path / "fei.mrc"
    with mrcfile.new(path) as handle:
        handle.set_data(image(6, 4, np.uint16))
        handle.voxel_size = 0.667
        handle.set_extended_header(np.zeros(2, dtype="V768"))
        handle.header.exttyp = b"FEI2"
    np.testing.assert_array_equal(mrc.read(path).pixels, image(6, 4, np.uint16))


@pytest.mark.parametrize("suffix", [".mrc", ".mrcs"])
def test_squeezes_one_by_ny_by_nx(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    mrcfile.write(path, image(3, 5)[None], voxel_size=2.0)
    assert mrc.read(path).pixels.shape == (3, 5)


def test_doubles_become_float32(tmp_path):
    mrc.write(tmp_path / "a.mrc", np.linspace(0, 1, 12).reshape(3, 4), 1.0)
    assert mrc.read(tmp_path / "a.mrc").pixels.dtype == np.float32


def test_unknown_pixel_size_is_nan(tmp_path):
    mrc.write(tmp_path / "a.mrc", image(3, 4), 0.0)
    assert np.isnan(mrc.read(tmp_path / "a.mrc").pixel_size_angstrom)


def test_wrong_machine_stamp_is_mended(tmp_path):
    raw = bytearray(mrc_bytes(image(3, 4), ">"))
    raw[212:216] = bytes(4)
    (tmp_path / "a.mrc").write_bytes(raw)
    np.testing.assert_array_equal(mrc.read(tmp_path / "a.mrc").pixels, image(3, 4))


def test_imod_unsigned_bytes(tmp_path):
    raw = bytearray(mrc_bytes(np.full((2, 2), -1, np.int8)))
    struct.pack_into("<2i", raw, 152, 1146047817, 0)
    (tmp_path / "a.mrc").write_bytes(raw)
    assert mrc.read(tmp_path / "a.mrc").pixels.max() == 255
    struct.pack_into("<2i", raw, 152, 1146047817, 1)
    (tmp_path / "a.mrc").write_bytes(raw)
    assert mrc.read(tmp_path / "a.mrc").pixels.max() == -1


GOOD = mrc_bytes(image(4, 6))
BAD = {
    "empty": (b"", "empty"),
    "short header": (GOOD[:500], "not an MRC file"),
    "wrong magic": (GOOD[:208] + b"JUNK" + GOOD[212:], "not an MRC file"),
    "text": (b"hello" * 400, "not an MRC file"),
    "truncated": (GOOD[:-1], "truncated, 1071 bytes where 6 × 4 pixels need 1072"),
    "truncated in the header's extension": (mrc_bytes(image(4, 6), nsymbt=400)[:1100], "truncated"),
    "complex": (mrc_bytes(image(4, 6), mode=4), "mode 4, complex"),
    "4-bit": (mrc_bytes(image(4, 6), mode=101), "mode 101, packed 4-bit"),
    "unknown mode": (mrc_bytes(image(4, 6), mode=77), "mode 77, an unknown type"),
    "stack": (mrc_bytes(image(4, 6), nz=3), "holds 3 images"),
    "no section": (mrc_bytes(image(4, 6), nz=0), "6 × 4 × 0"),
    "1×1": (mrc_bytes(image(1, 1)), "1 × 1 × 1"),
    "truncated gz": (gzip.compress(GOOD)[:-20], "damaged"),
    "truncated bz2": (bz2.compress(GOOD)[:-20], "damaged"),
    "junk gz": (b"\x1f\x8b" + b"x" * 99, "damaged"),
    "junk bz2": (b"BZh9" + b"x" * 99, "damaged"),
    "short image in gz": (gzip.compress(GOOD[:-1]), "truncated, 1071 bytes"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_content_names_file_and_finding(tmp_path, content, message):
    path = tmp_path / "bad.mrc"
    path.write_bytes(content)
    with pytest.raises(MicrographError, match=message) as caught:
        mrc.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_folder_and_unreadable(tmp_path, monkeypatch):
    for path, found in ((tmp_path / "no.mrc", "No such file"), (tmp_path, "directory")):
        with pytest.raises(FileError, match=found):
            mrc.read(path)
    path = tmp_path / "a.mrc"
    path.write_bytes(GOOD)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything, so chmod would not do
    with pytest.raises(FileError, match="Permission denied"):
        mrc.read(path)


def test_write_refuses_what_is_no_image(tmp_path):
    with pytest.raises(ArrayError, match="shape"):
        mrc.write(tmp_path / "a.mrc", np.zeros((2, 3, 4), np.float32), 1.0)
