"""Messages survive the wire unchanged, and nothing else gets in."""

import dataclasses
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest

from explorer import protocol
from explorer.protocol import ProtocolError, decode, encode
from mirage_engine import (
    Camera,
    Edit,
    PointDetails,
    Preset,
    Segment,
    ViewRead,
    XRay,
    pinhole,
    pose,
)


def some_camera(rng):
    height, width = int(rng.integers(4, 30)), int(rng.integers(4, 30))
    c2w = pose(rng.normal(size=3), rng.uniform(-180, 180), rng.uniform(-80, 80))
    return Camera(c2w, pinhole((height, width), float(rng.uniform(30, 120))), (height, width))


def some_segment(rng):
    T, H, W, N = (int(n) for n in rng.integers(0, 9, 4))
    depth = rng.uniform(0, 9, (T, H, W)).astype(np.float32)
    depth[depth < 2] = np.inf
    return Segment(
        index=int(rng.integers(0, 1000)),
        frames=rng.integers(0, 256, (T, H, W, 3), dtype=np.uint8),
        depth_m=depth,
        keep=rng.uniform(size=(T, H, W)) > 0.5,
        cameras=tuple(some_camera(rng) for _ in range(T)),
        coverage=float(rng.uniform()),
        points_world=rng.normal(size=(N, 4)).astype(np.float32),
        colors=rng.integers(0, 256, (N, 3), dtype=np.uint8),
        footprints_m=rng.uniform(size=N).astype(np.float32),
        point_ids=rng.integers(0, 999, N, dtype=np.int32),
        removed_ids=rng.integers(0, 999, 3, dtype=np.int32),
        points_added=N,
        points=N + 7,
        nbytes=2**40,
        residual=float(rng.uniform()),
        seconds={"read": 0.25, "total": float(rng.uniform())},
    )


def some_reset(rng, epoch=1, n=11):
    columns = {name: rng.integers(0, 99, n, dtype=np.int32) for name in ("born", "ids", "seen")}
    return protocol.CloudReset(
        epoch,
        2,
        points_world=rng.normal(size=(n, 4)).astype(np.float32),
        colors=rng.integers(0, 256, (n, 3), dtype=np.uint8),
        footprints_m=rng.uniform(size=n).astype(np.float32),
        flags=rng.integers(0, 4, n, dtype=np.uint8),
        gone_world=rng.normal(size=(3, 4)).astype(np.float32),
        gone_footprints_m=rng.uniform(size=3).astype(np.float32),
        **columns,
    )


def some_view(rng):
    return ViewRead(
        some_camera(rng),
        mask=rng.uniform(size=(4, 6)) > 0.5,
        depth_m=rng.uniform(size=(4, 6)).astype(np.float32),
        scale=rng.normal(size=(4, 6)).astype(np.float32),
        point_ids=rng.integers(-1, 99, (4, 6), dtype=np.int32),
    )


def some_xray(rng, coming):
    t = int(rng.integers(1, 4))
    return XRay(
        segment=4,
        coming=coming,
        cameras=tuple(some_camera(rng) for _ in range(t)),
        latents=rng.normal(size=(t, 11, 4, 6)).astype(np.float16),
        mask=rng.uniform(size=(t, 4, 6)) > 0.5,
        depth_m=rng.uniform(size=(t, 4, 6)).astype(np.float32),
        point_ids=rng.integers(-1, 99, (t, 4, 6), dtype=np.int32),
        decoded=rng.integers(0, 256, (t, 16, 24, 3), dtype=np.uint8),
        first=(2, 3),
        source_frames=rng.integers(0, 9, (5, 2), dtype=np.int32),
        source_shares=rng.uniform(size=5).astype(np.float32),
        references=rng.integers(0, 9, (2, 2), dtype=np.int32),
        reference_shares=rng.uniform(size=2).astype(np.float32),
        residual=np.nan if coming else 0.25,
        gone_first=rng.uniform(size=(4, 6)) > 0.5,
    )


def some_details(rng):
    ids = np.arange(9, dtype=np.int32)
    latents = rng.normal(size=(4, 11)).astype(np.float16)
    flags = rng.integers(0, 4, 9, dtype=np.uint8)
    return PointDetails(ids, ids * 2, flags, ids[5:], latents, flags[5:])


def some_messages(rng):
    epoch = int(rng.integers(0, 2**31))
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    start = protocol.Start("image", image=image)
    ids = rng.integers(0, 999, 7, dtype=np.int32)
    return [
        protocol.Begin(epoch, Preset("pocket"), 5, start, "/tmp/a b.mirage", 3),
        protocol.Begin(epoch, Preset("x"), 5, protocol.Start("prompt", prompt="Küche, 床"), ""),
        protocol.Ask(epoch, 9, tuple(some_camera(rng) for _ in range(4))),
        protocol.Ask(epoch, 10, ()),
        protocol.Cancel(epoch),
        protocol.Undo(epoch),
        protocol.Change(epoch, Edit("delete", ids)),
        protocol.Change(epoch, Edit("budget", budget_mib=2.5)),
        protocol.Look(epoch, some_camera(rng)),
        protocol.Inspect(epoch, (some_camera(rng), some_camera(rng))),
        protocol.Inspect(epoch, ()),
        protocol.Details(epoch, -1),
        protocol.Save(epoch, "worlds/ä.mirage"),
        protocol.Stop(epoch),
        protocol.Heartbeat(epoch, 0.5),
        protocol.Stage(epoch, "loading codec"),
        protocol.Ready(epoch, 3, some_camera(rng), 4, 2**40, Preset("pocket")),
        protocol.Progress(epoch, 3, 1, 2),
        protocol.SegmentReady(epoch, some_segment(rng), 4),
        some_reset(rng, epoch),
        protocol.Changed(epoch, "hide", ids, ids[:0], 40, 2**40),
        protocol.Looked(epoch, some_view(rng)),
        protocol.Inspected(epoch, some_xray(rng, coming=True)),
        protocol.Inspected(epoch, some_xray(rng, coming=False)),
        protocol.DetailsReady(epoch, some_details(rng)),
        protocol.Saved(epoch, "x"),
        protocol.Failure(epoch, "generate", "no", False, 4),
        protocol.Dropped(epoch, 4),
    ]


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert np.array_equal(a, b)
    elif dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b or (a != a and b != b)  # NaN is itself, too


@pytest.mark.parametrize("seed", range(8))
def test_every_message_comes_back_as_it_was(seed):
    messages = some_messages(np.random.default_rng(seed))
    assert {type(m).__name__ for m in messages} == set(protocol.KINDS)
    for message in messages:
        assert_same(decode(encode(message)), message)


def test_views_of_other_layouts_are_sent_by_value():
    cloud = np.asfortranarray(np.arange(44, dtype=np.float32).reshape(11, 4))[::2]
    sent = replace(
        some_reset(np.random.default_rng(0), n=6),
        points_world=cloud,
        footprints_m=cloud[:, 1],
        born=np.arange(6)[::-1],
    )
    assert_same(decode(encode(sent)), sent)


def test_a_whole_number_is_taken_for_a_float_but_not_the_reverse():
    assert decode(encode(protocol.Heartbeat(1, 2))).busy_s == 2.0
    with pytest.raises(ProtocolError, match=r"Progress.step: float, wanted int"):
        decode(encode(protocol.Progress(1, 1, 0.5, 2)))  # type: ignore[arg-type]


def test_objects_are_never_sent():
    with pytest.raises(TypeError, match="Python objects"):
        encode(protocol.SegmentReady(1, np.array([object()]), 0))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="cannot send a set"):
        encode(protocol.Stage(1, {1}))  # type: ignore[arg-type]


def sealed(header):
    body = json.dumps(header).encode()
    return (
        protocol.HEAD.pack(protocol.MAGIC, protocol.VERSION, zlib.crc32(body), len(body), len(body))
        + body
    )


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (["Explode", {}, []], "unknown message kind 'Explode'"),
        (["Cancel", {"epoch": 1, "more": 2}, []], "wanted .'epoch'."),
        (["Cancel", {"epoch": "1"}, []], "epoch: str, wanted int"),
        (["Stage", {"epoch": 1, "text": 3}, [["|O", [1]]]], "cannot be carried"),
        (["Stage", {"epoch": 1, "text": 3}, [["<f4", [10**9]]]], "makes no sense"),
        ({"kind": "Stage"}, "makes no sense"),
        (["Failure", {"epoch": 1, "doing": "harm", "text": "", "user": True, "request": 1}, []],
         "'harm' is none of"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_its_reason(header, words):
    with pytest.raises(ProtocolError, match=words):
        decode(sealed(header))


def test_other_versions_and_strangers_are_named():
    data = bytearray(encode(protocol.Cancel(1)))
    data[4] += 1
    with pytest.raises(ProtocolError, match="message version 3, this program speaks 2"):
        decode(bytes(data))
    with pytest.raises(ProtocolError, match="not a message"):
        decode(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ProtocolError, match="not a message"):
        decode(b"")


@pytest.mark.parametrize("seed", range(4))
def test_any_flipped_bit_or_missing_end_is_noticed(seed):
    rng = np.random.default_rng(seed)
    data = encode(protocol.SegmentReady(1, some_segment(rng), 4))
    for at in rng.integers(0, len(data), 60):
        if 6 <= at < 8 or 24 <= at < 32:  # padding of the head
            continue
        broken = bytearray(data)
        broken[at] ^= 1 << int(rng.integers(8))
        with pytest.raises(ProtocolError):
            decode(bytes(broken))
        with pytest.raises(ProtocolError):
            decode(data[:at])


def test_arrays_of_a_message_cannot_be_written():
    got = decode(encode(protocol.SegmentReady(1, some_segment(np.random.default_rng(3)), 4)))
    with pytest.raises(ValueError, match="read-only"):
        got.segment.frames[...] = 0
