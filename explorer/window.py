"""The window: a pygame surface with an OpenGL 3.3 core context, or the same without a screen.

Both have `ctx`, `size`, `screen`, `poll`, `present`, `read_pixels` and `close`. Events are those of
pygame, for `explorer.bindings`. Nothing heavy is imported: the window has to be there while the
engine still loads.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

import moderngl
import numpy as np
import pygame
from numpy.typing import NDArray

from mirage_engine import ConfigError

MIN_SIZE = (320, 200)


class PygameWindow:
    """A resizable window on the screen."""

    def __init__(
        self,
        size: tuple[int, int] = (960, 600),  # (width, height)
        title: str = "Mirage Explorer",
        fullscreen: bool = False,
        vsync: bool = True,
    ) -> None:
        """Raises ConfigError: no display, or no OpenGL 3.3."""
        self._windowed_size = size
        self._vsync = vsync
        self.fullscreen = fullscreen
        self._captured = False
        self.open = True
        _start_pygame()
        pygame.display.set_caption(title)
        self._set_mode(size)
        try:
            self.ctx = moderngl.create_context(require=330)
        except Exception as error:
            pygame.quit()
            raise ConfigError(_no_gl(error)) from None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the drawing surface."""
        return pygame.display.get_window_size()

    @property
    def scale(self) -> float:
        """How much larger than usual text should be on this screen."""
        height = pygame.display.get_desktop_sizes()[0][1]
        return max(1.0, round(height / 1080 * 4) / 4)

    @property
    def screen(self) -> moderngl.Framebuffer:
        """What `present` shows, with its viewport over the whole window."""
        self.ctx.screen.viewport = (0, 0, *self.size)
        return self.ctx.screen

    @property
    def captured(self) -> bool:
        return self._captured

    def capture_mouse(self, on: bool) -> None:
        """Hides the pointer and reports its motion without end, or gives it back."""
        if on == self._captured:
            return
        self._captured = on
        pygame.event.set_grab(on)
        pygame.mouse.set_visible(not on)
        pygame.mouse.get_rel()

    def toggle_fullscreen(self) -> None:
        """Switches between the window and the whole screen; the context stays alive."""
        if not self.fullscreen:
            self._windowed_size = self.size
        self.fullscreen = not self.fullscreen
        pygame.display.toggle_fullscreen()

    def poll(self) -> list[pygame.event.Event]:
        """What happened since the last call; the pointer is freed when focus is lost."""
        events = pygame.event.get()
        for event in events:
            if event.type == pygame.QUIT:
                self.open = False
            elif event.type == pygame.WINDOWFOCUSLOST and self._captured:
                self.capture_mouse(False)
        return events

    def present(self) -> None:
        """Shows what was drawn."""
        pygame.display.flip()

    def read_pixels(self) -> NDArray[np.uint8]:
        """[H, W, 3] of what was drawn since the last `present`."""
        return read_framebuffer(self.screen, self.size)

    def close(self) -> None:
        if self._captured:
            self.capture_mouse(False)
        self.open = False
        pygame.quit()

    def _set_mode(self, size: tuple[int, int]) -> None:
        flags = pygame.OPENGL | pygame.DOUBLEBUF | pygame.RESIZABLE
        if self.fullscreen:
            flags, size = flags | pygame.FULLSCREEN, (0, 0)
        for vsync in (1, 0) if self._vsync else (0,):
            try:
                with warnings.catch_warnings():  # pygame warns where there is no vsync
                    warnings.simplefilter("ignore")
                    pygame.display.set_mode(size, flags, vsync=vsync)
                return
            except pygame.error as error:
                problem = error
        pygame.quit()
        raise ConfigError(_no_gl(problem))


class HeadlessWindow:
    """The same members on a context without a screen; its events are those put into it."""

    fullscreen = False
    captured = False
    scale = 1.0

    def __init__(self, size: tuple[int, int] = (960, 600)) -> None:  # (width, height)
        """Raises ConfigError: no OpenGL 3.3 through EGL."""
        self.size = size
        self.open = True
        self.ctx = headless_context()
        self._color = self.ctx.texture(size, 4)
        self.screen = self.ctx.framebuffer([self._color], self.ctx.depth_renderbuffer(size))
        self._events: list[pygame.event.Event] = []

    def put(self, events: Sequence[pygame.event.Event]) -> None:
        """Lets `poll` report `events`, for tests and scripts."""
        self._events.extend(events)

    def capture_mouse(self, on: bool) -> None:
        self.captured = on

    def toggle_fullscreen(self) -> None:
        self.fullscreen = not self.fullscreen

    def poll(self) -> list[pygame.event.Event]:
        events, self._events = self._events, []
        if any(event.type == pygame.QUIT for event in events):
            self.open = False
        return events

    def present(self) -> None:
        self.ctx.finish()

    def read_pixels(self) -> NDArray[np.uint8]:
        """[H, W, 3] of what was drawn."""
        return read_framebuffer(self.screen, self.size)

    def close(self) -> None:
        self.open = False
        self.ctx.release()


def headless_context() -> moderngl.Context:
    """An OpenGL 3.3 context without a window; raises ConfigError where there is none."""
    try:
        if sys.platform.startswith("linux"):
            return moderngl.create_context(standalone=True, require=330, backend="egl")  # type: ignore[call-arg]
        return moderngl.create_context(standalone=True, require=330)
    except Exception as error:
        raise ConfigError(_no_gl(error)) from None


def read_framebuffer(framebuffer: moderngl.Framebuffer, size: tuple[int, int]) -> NDArray[np.uint8]:
    """[H, W, 3], upper row first."""
    data = framebuffer.read(viewport=(0, 0, *size), components=3, alignment=1)
    return np.frombuffer(data, np.uint8).reshape(size[1], size[0], 3)[::-1].copy()


def _start_pygame() -> None:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        pygame.display.init()
    except pygame.error as error:
        raise ConfigError(f"no display ({error}); use --headless, or start a desktop") from None
    if pygame.display.get_driver() in ("dummy", "offscreen"):
        pygame.display.quit()
        raise ConfigError("no display; use --headless, or start a desktop")
    for attribute, value in (
        (pygame.GL_CONTEXT_MAJOR_VERSION, 3),
        (pygame.GL_CONTEXT_MINOR_VERSION, 3),
        (pygame.GL_CONTEXT_PROFILE_MASK, pygame.GL_CONTEXT_PROFILE_CORE),
        (pygame.GL_CONTEXT_FORWARD_COMPATIBLE_FLAG, 1),
        (pygame.GL_DEPTH_SIZE, 24),
    ):
        pygame.display.gl_set_attribute(attribute, value)


def _no_gl(error: object) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"no OpenGL 3.3 ({reason}); on Debian: apt install libegl1 libgl1 libgl1-mesa-dri"
