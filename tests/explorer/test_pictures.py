"""Pictures to begin in: turned upright, fitted to the lens in shape and width, any mode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from explorer.camera_files.lens import fit_intrinsics
from explorer.pictures import about, read_image, with_lens_of
from mirage_engine import ConfigError, Preset, load_config, pinhole

SIZE = (40, 64)  # (height, width)


def test_a_picture_of_the_right_shape_is_only_scaled(tmp_path):
    Image.new("RGB", (128, 80), (10, 200, 30)).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", SIZE)
    assert image.shape == (40, 64, 3) and image.dtype == np.uint8
    assert (image == [10, 200, 30]).all()


def test_what_is_too_wide_is_cropped_on_both_sides(tmp_path):
    picture = np.zeros((80, 256, 3), np.uint8)
    picture[:, 64:192] = 255  # exactly the centre that the lens sees
    Image.fromarray(picture).save(tmp_path / "wide.png")
    image = read_image(tmp_path / "wide.png", SIZE)
    assert (image[:, 4:-4] == 255).all() and image.mean() > 245


def test_exif_orientation_is_applied(tmp_path):
    lying = np.zeros((64, 40, 3), np.uint8)
    lying[:32] = (255, 0, 0)  # the top as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned left: show it turned right, so that its top is at the right
    Image.fromarray(lying).save(tmp_path / "phone.png", exif=exif)
    image = read_image(tmp_path / "phone.png", SIZE)
    assert image[20, 60].tolist() == [255, 0, 0] and image[20, 3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_three_bytes(tmp_path, mode):
    suffix = "tiff" if mode == "CMYK" else "png"
    if mode == "I;16":
        Image.fromarray(np.full((80, 128), 32768, np.uint16)).save(tmp_path / f"a.{suffix}")
    else:
        Image.new("L", (128, 80), 255).convert(mode).save(tmp_path / f"a.{suffix}")
    image = read_image(tmp_path / f"a.{suffix}", SIZE)
    assert image.shape == (40, 64, 3)
    assert abs(int(image[20, 30, 0]) - (128 if mode == "I;16" else 255)) <= 1


def test_what_is_transparent_becomes_white(tmp_path):
    Image.new("RGBA", (128, 80), (9, 9, 9, 0)).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png", SIZE) == 255).all()


def test_a_letterbox_shows_the_whole_picture(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (300, 200, 3), np.uint8)
    Image.fromarray(values).save(tmp_path / "tall.png")
    image = read_image(tmp_path / "tall.png", SIZE, "letterbox")
    whole = Image.fromarray(values).resize((27, 40), Image.Resampling.LANCZOS)
    assert image.shape == (*SIZE, 3)
    assert np.array_equal(image[:, 18:45], np.asarray(whole))


@pytest.mark.parametrize(("width", "height"), [(200, 300), (300, 100)])
def test_the_margins_are_dim_and_of_the_colours_beside_them(tmp_path, width, height):
    """Red at the left or top, blue at the right or bottom, green between."""
    values = np.full((300, 300, 3), (0, 200, 0), np.uint8)
    values[:, :60], values[:, -60:] = (200, 0, 0), (0, 0, 200)
    if width > height:
        values = values.transpose(1, 0, 2)
    Image.fromarray(values).resize((width, height)).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", SIZE, "letterbox").astype(int)
    if width > height:
        image = image.transpose(1, 0, 2)
    first, last = image[:, 0], image[:, -1]
    assert (first.argmax(-1) == 0).all() and (last.argmax(-1) == 2).all()
    assert 80 < first[:, 0].mean() < 130 and 80 < last[:, 2].mean() < 130


def test_a_picture_of_the_lenss_shape_is_the_same_in_both_ways(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (80, 128, 3), np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    ways = [read_image(tmp_path / "a.png", SIZE, fit) for fit in ("crop", "letterbox")]
    assert np.array_equal(*ways)


def preset(width: int, height: int) -> Preset:
    plain = load_config("pocket")
    return replace(plain, lens=replace(plain.lens, width=width, height=height))


def photo(folder: Path, size: tuple[int, int], orientation: int = 1, **camera: float) -> Path:
    """A picture (width, height) as stored, with EXIF tags of its camera by name."""
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    exif.get_ifd(IFD.Exif).update({Base[name]: value for name, value in camera.items()})
    Image.new("RGB", size).save(folder / "photo.jpg", exif=exif)
    return folder / "photo.jpg"


LENSES = [(256, 160), (160, 160), (96, 160), (256, 64)]


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_crop_sees_as_wide_as_the_part_that_is_left(tmp_path, lens, orientation):
    """18 mm on 36x24 mm film: the whole picture is 90 degrees wide, whichever way it is stored."""
    size = (600, 400) if orientation < 5 else (400, 600)
    path = photo(tmp_path, size, orientation, FocalLengthIn35mmFilm=18)
    got = with_lens_of(preset(*lens), path).lens
    width, height = lens
    share = min(1.0, width / height / 1.5)
    assert np.tan(np.radians(got.hfov_deg / 2)) == pytest.approx(share)
    cropped = fit_intrinsics(pinhole((400, 600), 90.0), (400, 600), (height, width))
    assert np.allclose(pinhole((height, width), got.hfov_deg), cropped)


@pytest.mark.parametrize("lens", LENSES)
def test_a_letterbox_sees_as_wide_as_its_margins_reach(tmp_path, lens):
    path = photo(tmp_path, (600, 400))
    got = with_lens_of(preset(*lens), path, "letterbox", fov_deg=60.0).lens
    reach = max(1.0, lens[0] / lens[1] / 1.5)
    assert np.tan(np.radians(got.hfov_deg / 2)) == pytest.approx(np.tan(np.pi / 6) * reach)


def test_the_field_of_view_that_was_given_goes_over_the_exif(tmp_path):
    path = photo(tmp_path, (600, 400), FocalLengthIn35mmFilm=18)
    assert with_lens_of(preset(240, 160), path, fov_deg=50.0).lens.hfov_deg == pytest.approx(50.0)


@pytest.mark.parametrize("size", [(4000, 2500), (400, 250)], ids=["as taken", "scaled"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_sensor_tells_where_the_film_does_not(tmp_path, size, orientation):
    """4000 px at 2000 px/cm are 20 mm; behind 10 mm of focal length that is 90 degrees."""
    tags = {"FocalLength": 10.0, "FocalPlaneXResolution": 2000.0, "FocalPlaneResolutionUnit": 3}
    tags |= {"ExifImageWidth": 4000, "ExifImageHeight": 2500}
    path = photo(tmp_path, size, orientation, **tags)
    wide, tall = preset(256, 160), preset(160, 256)
    got = with_lens_of(wide if orientation == 1 else tall, path).lens.hfov_deg
    across = 1.0 if orientation == 1 else 2500 / 4000
    assert np.tan(np.radians(got / 2)) == pytest.approx(across)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"FocalLengthIn35mmFilm": 0},
        {"FocalLength": 5.0},
        {"FocalLength": 5.0, "FocalPlaneXResolution": 0.0},
        {"FocalLengthIn35mmFilm": 2},
        {"FocalLengthIn35mmFilm": 60_000},
    ],
    ids=str,
)
def test_exif_that_does_not_say_or_is_not_credible_leaves_the_presets_lens(tmp_path, tags):
    assert with_lens_of(preset(256, 160), photo(tmp_path, (600, 400), **tags)) == preset(256, 160)


def test_broken_exif_is_no_crash(tmp_path):
    path = photo(tmp_path, (600, 400), FocalLengthIn35mmFilm=18)
    data = path.read_bytes()
    start = data.index(b"Exif")
    rng = np.random.default_rng(0)
    for _ in range(60):
        harmed = bytearray(data)
        for at in rng.integers(start, start + 60, 4):
            harmed[at] = rng.integers(256)
        path.write_bytes(harmed)
        try:
            with_lens_of(preset(256, 160), path)
            read_image(path, SIZE)
        except ConfigError as error:
            assert "photo.jpg" in str(error)


def test_a_photograph_is_said_to_be_foreign_to_pocket():
    words = about(Path("a/photo.jpg"), preset(256, 160))
    assert "photo.jpg" in words and "77 degrees" in words and "outside" in words
