"""Camera paths from and to files: RealEstate10K, Spatia, nerfstudio, and our own JSON.

    RealEstate10K .txt   a URL line, then per line: timestamp fx fy cx cy k1 k2 and a 3x4 w2c by
                         rows; OpenCV axes, intrinsics as shares of the picture's width and height
    Spatia w2c.txt       one 4x4 w2c per line as a JSON list; OpenCV axes; beside it
                         intrinsics.txt with [fx fy cx cy], as shares
    nerfstudio .json     `frames` with a c2w `transform_matrix`; OpenGL axes; intrinsics in pixels
    ours .json           written by `write_cameras`; says its axes in its head

What is read starts at the identity: the world is the first camera's frame. Translations keep the
file's unit, taken as metres. Intrinsics go to the lens size by scaling until the picture covers it
and cropping in the centre; a file of shares is taken to have square pixels, which gives its aspect.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.recorder import replacing
from mirage_engine import OPENGL_FROM_OPENCV, Camera, ConfigError

Array = NDArray[np.float64]
log = logging.getLogger("mirage")

OUR_FORMAT = "mirage-cameras-1"
OUR_AXES = "c2w, metres; camera axes OpenCV: x right, y down, z ahead"
RE10K_COLUMNS = 19
NOT_RIGID = 1e-3  # further from a rotation than rounding explains


def read_cameras(
    path: str | Path,
    size: tuple[int, int],  # (H, W) px of the lens
    intrinsics: Array,  # [3, 3] px of `size`, where the file has none
) -> list[Camera]:
    """The cameras of a file in any of the formats, the first at the identity.

    Raises:
        ConfigError: the file cannot be read or understood; names the line or the frame.
    """
    path = Path(path)
    text = _read_text(path)
    if path.suffix == ".json":
        poses, lenses = _read_json(path, text, size)
    elif text.lstrip().startswith("["):
        poses, lenses = _read_spatia(path, text, size)
    else:
        poses, lenses = _read_re10k(path, text, size)
    if not poses:
        raise ConfigError(f"{path}: holds no cameras")
    first = Camera(poses[0], intrinsics, size)
    cameras = []
    for i, (c2w, lens) in enumerate(zip(poses, lenses, strict=True)):
        relative = first.w2c @ c2w if i else np.eye(4)
        cameras.append(Camera(relative, intrinsics if lens is None else lens, size))
    return cameras


def write_re10k(path: str | Path, cameras: Sequence[Camera], url: str = "mirage") -> None:
    """Frame numbers stand for timestamps. Raises ConfigError: cannot be written there."""
    lines = [url]
    for number, camera in enumerate(cameras):
        (height, width), k = camera.size, camera.intrinsics
        shares = [k[0, 0] / width, k[1, 1] / height, k[0, 2] / width, k[1, 2] / height]
        numbers = [*shares, 0.0, 0.0, *camera.w2c[:3].ravel()]
        lines.append(" ".join([str(number), *(repr(float(v)) for v in numbers)]))
    _write_text(path, "\n".join([*lines, ""]))


def write_nerfstudio(
    path: str | Path,
    cameras: Sequence[Camera],
    images: Sequence[str] | None = None,  # file names, one per camera
) -> None:
    """`transforms.json`. Raises ConfigError: cannot be written there."""
    names = images or [f"images/{number:05d}.png" for number in range(len(cameras))]
    frames = []
    for name, camera in zip(names, cameras, strict=True):
        (height, width), k = camera.size, camera.intrinsics
        frames.append(
            {
                "file_path": name,
                "transform_matrix": (camera.c2w @ OPENGL_FROM_OPENCV).tolist(),
                **{"fl_x": k[0, 0], "fl_y": k[1, 1], "cx": k[0, 2], "cy": k[1, 2]},
                **{"w": width, "h": height},
            }
        )
    _write_text(path, json.dumps({"camera_model": "PINHOLE", "frames": frames}, indent=1))


def write_cameras(path: str | Path, cameras: Sequence[Camera]) -> None:
    """Our own JSON; all cameras share a size. Raises ConfigError: cannot be written there."""
    height, width = cameras[0].size
    assert all(camera.size == (height, width) for camera in cameras), "one size for all"
    data = {
        "format": OUR_FORMAT,
        "axes": OUR_AXES,
        "size": {"width": width, "height": height},
        "cameras": [
            {"c2w": camera.c2w.tolist(), "intrinsics": camera.intrinsics.tolist()}
            for camera in cameras
        ],
    }
    _write_text(path, json.dumps(data, indent=1))


def fit_intrinsics(
    intrinsics: Array,  # [3, 3] px of the source
    source: tuple[float, float],  # (H, W)
    target: tuple[int, int],  # (H, W)
) -> Array:  # [3, 3] px of the target
    """The lens after scaling the source to cover the target and cropping it in the centre."""
    scale = max(target[0] / source[0], target[1] / source[1])
    fitted: Array = np.diag([scale, scale, 1.0]) @ intrinsics
    fitted[0, 2] -= (source[1] * scale - target[1]) / 2
    fitted[1, 2] -= (source[0] * scale - target[0]) / 2
    return fitted


Read = tuple[list[Array], list[Array | None]]  # c2w poses; intrinsics, None where the file has none


def _read_re10k(path: Path, text: str, size: tuple[int, int]) -> Read:
    poses: list[Array] = []
    lenses: list[Array | None] = []
    distorted = False
    for number, line in enumerate(text.splitlines(), 1):
        where, columns = f"{path}, line {number}", line.split()
        whole = len(columns) == RE10K_COLUMNS
        if not columns or (number == 1 and not whole and not _is_number(columns[0])):
            continue  # the URL line
        if not whole:
            raise ConfigError(
                f"{where}: {len(columns)} columns; RealEstate10K has {RE10K_COLUMNS}: "
                "timestamp fx fy cx cy k1 k2 and 12 of w2c"
            )
        values = np.array([_number(word, where) for word in columns[1:]])
        distorted |= bool(values[4:6].any())
        lenses.append(_from_shares(values[:4], size, where))
        poses.append(_pose_from_w2c(np.vstack([values[6:].reshape(3, 4), [0, 0, 0, 1]]), where))
    if distorted:
        log.warning("%s: lens distortion (k1, k2) is left out", path)
    return poses, lenses


def _read_spatia(path: Path, text: str, size: tuple[int, int]) -> Read:
    lens, beside = None, path.with_name("intrinsics.txt")
    if beside.exists():
        words = _read_text(beside).replace("[", " ").replace("]", " ").replace(",", " ").split()
        if len(words) != 4:
            raise ConfigError(f"{beside}, line 1: {len(words)} numbers; needs fx fy cx cy")
        where = f"{beside}, line 1"
        lens = _from_shares(np.array([_number(word, where) for word in words]), size, where)
    poses = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                rows = json.loads(line)
            except json.JSONDecodeError as error:
                raise ConfigError(f"{where}: not a JSON list ({error.msg})") from None
            poses.append(_pose_from_w2c(_matrix(rows, where), where))
    return poses, [lens] * len(poses)


def _read_json(path: Path, text: str, size: tuple[int, int]) -> Read:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}, line {error.lineno}: not valid JSON ({error.msg})") from None
    if isinstance(data, dict) and isinstance(data.get("frames"), list):
        return _read_nerfstudio(path, data, size)
    if isinstance(data, dict) and data.get("format") == OUR_FORMAT:
        return _read_ours(path, data, size)
    raise ConfigError(
        f"{path}: neither nerfstudio ('frames' with 'transform_matrix') "
        f"nor ours ('format': '{OUR_FORMAT}')"
    )


def _read_nerfstudio(path: Path, data: dict[str, Any], size: tuple[int, int]) -> Read:
    poses: list[Array] = []
    lenses: list[Array | None] = []
    for i, frame in enumerate(data["frames"]):
        where = f"{path}, frames[{i}]"
        if not isinstance(frame, dict) or "transform_matrix" not in frame:
            raise ConfigError(f"{where}: has no 'transform_matrix'")
        c2w_gl = _matrix(frame["transform_matrix"], f"{where}, transform_matrix")
        poses.append(_rigid(c2w_gl @ OPENGL_FROM_OPENCV, where))
        lenses.append(_nerfstudio_lens({**data, **frame}, size, where))
    if any(data.get(key) for key in ("k1", "k2", "k3", "k4", "p1", "p2")):
        log.warning("%s: lens distortion is left out", path)
    return poses, lenses


def _nerfstudio_lens(keys: dict[str, Any], size: tuple[int, int], where: str) -> Array | None:
    if "fl_x" in keys:
        missing = [key for key in ("w", "h") if key not in keys]
        if missing:
            raise ConfigError(f"{where}: 'fl_x' needs '{missing[0]}' as well")
        fx, w, h = (_positive(keys[key], f"{where}, {key}") for key in ("fl_x", "w", "h"))
        fy = _positive(keys.get("fl_y", fx), f"{where}, fl_y")
        cx = _number(keys.get("cx", w / 2), f"{where}, cx")
        cy = _number(keys.get("cy", h / 2), f"{where}, cy")
        return fit_intrinsics(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), (h, w), size)
    if "camera_angle_x" in keys:  # radians; without a size, that of the lens is meant
        angle = _positive(keys["camera_angle_x"], f"{where}, camera_angle_x")
        if angle >= math.pi:
            raise ConfigError(f"{where}, camera_angle_x: must be below pi, got {angle}")
        h = _positive(keys.get("h", size[0]), f"{where}, h")
        w = _positive(keys.get("w", size[1]), f"{where}, w")
        focal = w / 2 / math.tan(angle / 2)
        middle = np.array([[focal, 0, w / 2], [0, focal, h / 2], [0, 0, 1.0]])
        return fit_intrinsics(middle, (h, w), size)
    return None


def _read_ours(path: Path, data: dict[str, Any], size: tuple[int, int]) -> Read:
    if data.get("axes") != OUR_AXES:
        raise ConfigError(f"{path}: axes must be '{OUR_AXES}', got {data.get('axes')!r}")
    source = None
    if "size" in data:
        sides = data["size"] if isinstance(data["size"], dict) else {}
        height, width = (_positive(sides.get(k), f"{path}, size {k}") for k in ("height", "width"))
        source = height, width
    if not isinstance(data.get("cameras"), list):
        raise ConfigError(f"{path}: 'cameras' must be a list")
    poses: list[Array] = []
    lenses: list[Array | None] = []
    for i, camera in enumerate(data["cameras"]):
        where = f"{path}, cameras[{i}]"
        if not isinstance(camera, dict) or "c2w" not in camera:
            raise ConfigError(f"{where}: has no 'c2w'")
        poses.append(_rigid(_matrix(camera["c2w"], f"{where}, c2w"), where))
        lens = None
        if "intrinsics" in camera:
            if source is None:
                raise ConfigError(f"{path}: intrinsics need the picture's 'size'")
            lens = _matrix(camera["intrinsics"], f"{where}, intrinsics", side=3)
            _positive(min(lens[0, 0], lens[1, 1]), f"{where}, focal length")
            lens = fit_intrinsics(lens, source, size)
        lenses.append(lens)
    return poses, lenses


def _from_shares(shares: Array, size: tuple[int, int], where: str) -> Array:
    """[3, 3] px from fx cx as shares of a picture's width, fy cy of its height."""
    fx, fy, cx, cy = shares
    _positive(min(fx, fy), f"{where}, focal length")
    aspect = fy / fx  # width over height, if pixels are square
    lens = np.array([[fx * aspect, 0, cx * aspect], [0, fy, cy], [0, 0, 1.0]])
    return fit_intrinsics(lens, (1.0, aspect), size)


def _pose_from_w2c(w2c: Array, where: str) -> Array:
    return np.asarray(np.linalg.inv(_rigid(w2c, where)), np.float64)


def _rigid(matrix: Array, where: str) -> Array:
    """The same pose with its rotation free of rounding errors."""
    rotation = matrix[:3, :3]
    u, _, vt = np.linalg.svd(rotation)
    nearest = u @ vt
    if np.abs(nearest - rotation).max() > NOT_RIGID or np.linalg.det(nearest) < 0:
        raise ConfigError(f"{where}: not a rigid pose; its 3x3 part must be a rotation")
    if np.abs(matrix[3] - [0, 0, 0, 1]).max() > NOT_RIGID:
        raise ConfigError(f"{where}: the last row must be 0 0 0 1")
    rigid = np.eye(4)
    rigid[:3, :3], rigid[:3, 3] = nearest, matrix[:3, 3]
    return rigid


def _matrix(rows: Any, where: str, side: int = 4) -> Array:
    try:
        matrix = np.array(rows, np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: must be {side}x{side} numbers") from None
    if matrix.shape == (3, 4) and side == 4:
        matrix = np.vstack([matrix, [0, 0, 0, 1]])
    if matrix.shape != (side, side):
        raise ConfigError(f"{where}: must be {side}x{side} numbers, got {list(matrix.shape)}")
    if not np.isfinite(matrix).all():
        raise ConfigError(f"{where}: holds a number that is not finite")
    return matrix


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: '{value}' is not a number") from None
    if not math.isfinite(number):
        raise ConfigError(f"{where}: '{value}' is not finite")
    return number


def _positive(value: Any, where: str) -> float:
    number = _number(value, where)
    if number <= 0:
        raise ConfigError(f"{where}: must be above 0, got {number:g}")
    return number


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ConfigError(f"{path}: cannot be read ({reason})") from None


def _write_text(path: str | Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, "utf-8")
