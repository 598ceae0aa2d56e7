"""Pictures to begin in: turned upright, cropped in the centre, any mode."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from explorer.pictures import read_image

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
