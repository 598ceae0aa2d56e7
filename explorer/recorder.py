"""Files that leave the explorer: videos, pictures, point clouds.

Each is written under a temporary name and renamed when whole, so that no reader and no crash sees
half a file. Knows nothing of worlds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import imageio_ffmpeg
import numpy as np
from PIL import Image, PngImagePlugin

import mirage_engine
from mirage_engine import ConfigError

QUALITY = 18  # x264's constant rate factor: 18 is visually lossless
MP4 = ("-movflags", "+faststart", "-f", "mp4")
PLY_TYPES = {"f4": "float", "i4": "int", "u1": "uchar"}


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """`mirage_engine.replacing`, whose failure is the user's to mend.

    Raises:
        ConfigError: the file cannot be written there.
    """
    try:
        with mirage_engine.replacing(Path(path)) as part:
            yield part
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error})") from error


class _GivenUp(Exception):
    """The file is not wanted any more."""


class VideoRecorder:
    """An mp4 (H.264, yuv420p, starts to play before it is loaded) that grows frame by frame.

    Use it in a `with`: an exception leaves no file. Odd sizes get one more row or column, a copy of
    the last, because yuv420p needs even ones.
    """

    def __init__(self, path: str | Path, fps: float, preset: str = "veryfast") -> None:
        """`preset` is x264's: slower is smaller. Raises ConfigError: cannot be written there."""
        self.path, self.frames = Path(path), 0
        self._fps, self._preset = fps, preset
        self._size: tuple[int, int] | None = None
        self._writer: Any = None
        self._file = contextlib.ExitStack()  # while open: `replacing`
        self._part = self._file.enter_context(replacing(self.path))
        self._open = True

    def add(self, frame: np.ndarray) -> None:
        """Appends [H, W, 3] uint8.

        Raises:
            ValueError: not such a picture, or another size than the first.
            ConfigError: the disk or the encoder refuses.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame must be uint8 [H, W, 3], got {frame.dtype} {frame.shape}")
        height, width = frame.shape[:2]
        if self._size is None:
            self._size = height, width
        if (height, width) != self._size:
            raise ValueError(f"frames must stay {self._size} (H, W), got {(height, width)}")
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        try:
            if self._writer is None:
                self._writer = self._start(even.shape[1], even.shape[0])
            self._writer.send(np.ascontiguousarray(even))
        except (OSError, RuntimeError) as error:  # what imageio-ffmpeg raises when ffmpeg dies
            self.abort()
            line = str(error).strip().splitlines()[0]
            raise ConfigError(f"{self.path}: the video cannot be written ({line})") from error
        self.frames += 1

    def close(self) -> None:
        """Finishes the file. Raises ConfigError: no frame was added, or the rename failed."""
        if not self._open:
            return
        self._open = False
        with self._file:
            self._stop()
            if self.frames == 0:
                raise ConfigError(f"{self.path}: a video needs at least one frame")

    def abort(self) -> None:
        """Gives the file up."""
        if self._open:
            self._open = False
            with contextlib.suppress(_GivenUp), self._file:
                with contextlib.suppress(OSError, RuntimeError):
                    self._stop()
                raise _GivenUp

    def __enter__(self) -> VideoRecorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _start(self, width: int, height: int) -> Any:
        writer = imageio_ffmpeg.write_frames(
            str(self._part),
            (width, height),
            fps=self._fps,  # pyright: ignore[reportArgumentType]
            codec="libx264",
            pix_fmt_out="yuv420p",
            macro_block_size=1,
            quality=None,  # pyright: ignore[reportArgumentType]
            output_params=["-crf", str(QUALITY), "-preset", self._preset, *MP4],
        )
        writer.send(None)
        return writer

    def _stop(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float) -> int:
    """Writes uint8 [H, W, 3] frames as mp4; returns how many. Raises as `VideoRecorder`."""
    with VideoRecorder(path, fps) as video:
        for frame in frames:
            video.add(frame)
    return video.frames


def write_png(
    path: str | Path,
    image: np.ndarray,  # [H, W, 3] uint8
    metadata: Mapping[str, object] | None = None,  # text chunks: seed, pose, version
) -> None:
    """Raises ConfigError: cannot be written there."""
    info = PngImagePlugin.PngInfo()
    for key, value in (metadata or {}).items():
        info.add_text(key, str(value))
    with replacing(path) as part:
        Image.fromarray(image).save(part, format="PNG", pnginfo=info)


def write_ply(
    path: str | Path,
    points_world: np.ndarray,  # [N, 3] m, or [N, 4] homogeneous: w 0 is sky and left out
    colors: np.ndarray,  # [N, 3] uint8
    scalars: Mapping[str, np.ndarray] | None = None,  # [N] each; a property of that name
) -> int:  # points written
    """A binary point cloud. Raises ConfigError: cannot be written there."""
    fields: dict[str, np.ndarray] = {
        **dict(zip("xyz", np.asarray(points_world, "f4").T, strict=False)),
        **dict(zip(("red", "green", "blue"), np.asarray(colors, "u1").T, strict=True)),
    }
    for name, values in (scalars or {}).items():
        whole = np.issubdtype(values.dtype, np.integer) or values.dtype == bool
        kind = "u1" if values.dtype == np.uint8 else "i4" if whole else "f4"
        fields[name] = values.astype(kind)
    solid = np.ones(len(points_world), bool)
    if points_world.shape[1] == 4:
        solid = points_world[:, 3] > 0
    kinds = [(name, values.dtype.str[1:]) for name, values in fields.items()]
    table = np.zeros(int(solid.sum()), [(name, "<" + kind) for name, kind in kinds])
    for name, values in fields.items():
        table[name] = values[solid]
    lines = ["ply", "format binary_little_endian 1.0", "comment x right, y down, z ahead; metres"]
    lines += [f"element vertex {len(table)}"]
    lines += [f"property {PLY_TYPES[kind]} {name}" for name, kind in kinds]
    with replacing(path) as part:
        part.write_bytes("\n".join([*lines, "end_header", ""]).encode("ascii") + table.tobytes())
    return len(table)
