"""Windows with and without a screen."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pygame
import pytest

from explorer.window import HeadlessWindow, PygameWindow
from mirage_engine import ConfigError


@pytest.mark.gl
def test_a_headless_window_shows_what_was_drawn(gl_context):
    window = HeadlessWindow((64, 40))
    window.screen.use()
    window.screen.clear(1.0, 0.0, 0.0)
    window.screen.clear(0.0, 0.0, 1.0, viewport=(0, 0, 64, 20))  # lower half
    window.present()
    picture = window.read_pixels()
    assert picture.shape == (40, 64, 3)
    np.testing.assert_array_equal(picture[0, 0], [255, 0, 0])
    np.testing.assert_array_equal(picture[-1, 0], [0, 0, 255])


@pytest.mark.gl
def test_a_headless_window_reports_the_events_put_into_it(gl_context):
    window = HeadlessWindow((64, 40))
    key = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_w, scancode=26, mod=0)
    window.put([key])
    assert window.poll() == [key]
    assert window.poll() == []
    window.put([pygame.event.Event(pygame.QUIT)])
    window.poll()
    assert not window.open


def test_no_display_is_a_clear_line(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="--headless") as caught:
        PygameWindow((64, 40))
    assert "\n" not in str(caught.value)


def test_the_window_does_not_wait_for_torch():
    code = "import explorer.window, explorer.render.hud, explorer.render.points, sys;"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
