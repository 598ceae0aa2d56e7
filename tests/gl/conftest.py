"""One OpenGL context for all; a test that leaves an OpenGL error behind fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import moderngl
import numpy as np
import pytest

from explorer.window import headless_context, read_framebuffer
from mirage_engine import ConfigError

Picture = np.ndarray  # [H, W, 3] uint8


@pytest.fixture(scope="session")
def gl_context() -> Iterator[moderngl.Context]:
    try:
        context = headless_context()
    except ConfigError as error:
        pytest.skip(str(error))
    yield context
    context.release()


@pytest.fixture
def ctx(gl_context: moderngl.Context) -> Iterator[moderngl.Context]:
    gl_context.enable_only(moderngl.NOTHING)
    yield gl_context
    assert gl_context.error == "GL_NO_ERROR"


@pytest.fixture
def canvas(ctx: moderngl.Context) -> Callable[[tuple[int, int]], moderngl.Framebuffer]:
    """Makes a black target of (height, width)."""

    def make(size: tuple[int, int]) -> moderngl.Framebuffer:
        target = ctx.framebuffer([ctx.texture((size[1], size[0]), 4)])
        target.clear()
        return target

    return make


@pytest.fixture
def look() -> Callable[[moderngl.Framebuffer], Picture]:
    """What a target holds, upper row first."""
    return lambda target: read_framebuffer(target, target.size)
