"""A walk with real keys is recorded, and walked again: the same poses and the same frames."""

import json
import time

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from explorer.app import Explorer
from explorer.bindings import Bindings
from explorer.cli import Options, main
from explorer.config import ControlsConfig, ExplorerConfig
from explorer.engine_client import EngineClient
from explorer.event_log import EventLog
from explorer.start import replayed
from explorer.walk_reader import read_walk
from explorer.window import HeadlessWindow
from mirage_engine import ConfigError
from tests.explorer.test_app import FAKE, PATIENCE_S, Hands

pytestmark = pytest.mark.gl
SLOW = 1012  # a scene of the fake world that takes 12 ms per step


class Walker(Hands):
    """Somebody at the keys whose frames are never of the same length; keeps what there was."""

    def __init__(self, folder, window, client, **options):
        self.poses, self.made = [], []
        self.rng = np.random.default_rng(3)
        super().__init__(folder, window, client, **options)

    def frames(self, count=1):
        for _ in range(count):
            self.app.step(self.app.now_s + self.rng.uniform(0.004, 0.07))
            self.keep()

    def keep(self):
        self.poses.append(self.app.walker.camera.c2w.copy())
        newest = self.app.known.newest
        if newest is not None and (not self.made or self.made[-1] is not newest):
            self.made.append(newest)


@pytest.fixture(scope="module")
def window():
    window = HeadlessWindow((160, 100))
    yield window
    window.close()


@pytest.fixture
def client():
    clients = []

    def make():
        clients.append(EngineClient(FAKE))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def replay(folder, window, client, pause_s=0.0, **also):
    """Replays to the end; what was kept, without the frames that waited for the engine."""
    window.poll()
    options = replayed(Options(replay=folder / "log.ndjson", **also))
    bindings = Bindings(ControlsConfig())
    app = Explorer(options, ExplorerConfig(), bindings, window, client, EventLog(None, 0.0))
    app.begin(app.start, app.seed)
    poses, made, end = [], [], time.monotonic() + PATIENCE_S
    while not app.quit:
        assert time.monotonic() < end
        app.step(app.now_s + 0.016)
        if app.tape.waiting:
            time.sleep(0.002)
            continue
        time.sleep(pause_s)
        poses.append(app.walker.camera.c2w.copy())
        if app.known.newest is not None and (not made or made[-1] is not app.known.newest):
            made.append(app.known.newest)
    app.reel.close()
    app.tape.close()
    return poses, made


def same(walk, poses, made):
    assert len(poses) == len(walk.poses)
    assert all(np.array_equal(a, b) for a, b in zip(poses, walk.poses, strict=True))
    assert [s.index for s in made] == [s.index for s in walk.made]
    for mine, theirs in zip(made, walk.made, strict=True):
        assert all(np.array_equal(getattr(mine, n), getattr(theirs, n)) for n in ("frames", "keep"))
        assert all(
            np.array_equal(a.c2w, b.c2w) for a, b in zip(mine.cameras, theirs.cameras, strict=True)
        )


def leave(walk):
    walk.press("Esc")
    walk.down("Esc")
    assert walk.app.quit


def test_a_walk_is_walked_again_to_the_last_bit(tmp_path, window, client, caplog):
    """Turns, walls, flight, undo, pause, surgery, a tour and a second world."""
    window.poll()
    w = Walker(tmp_path, window, client(), scene=SLOW).ready()
    w.turn()
    w.down("W")
    w.frames(80)
    w.press("V")
    w.down("Space")
    w.frames(25)
    for key in ("Space", "W"):
        w.up(key)
    w.press("P")
    w.press("Z")
    w.wait(lambda: w.app.client.state == "idle")
    w.frames(20)
    w.press("P")
    w.frames(20)
    w.press("E")
    inspector, table = w.app.inspection.inspector, w.app.known.table
    inspector.selection.replace(table["ids"][table.alive & (table["points_world"][:, 0] > 2.4)])
    before = int(table.alive.sum())
    w.press("Delete")
    w.wait(lambda: table.alive.sum() < before)
    w.press("Tab")
    w.press("T")
    w.frames(150)
    w.press("N")
    w.wait(lambda: w.app.start.scene == SLOW + 1 and w.app.known.ready and w.segments() == 0)
    w.down("Left")
    w.frames(40)
    w.up("Left")
    leave(w)
    assert len(w.made) > 6 and np.ptp([p[:3, 3] for p in w.poses], axis=0).max() > 1
    film = tmp_path / "frames.mp4"
    caplog.set_level("INFO", "mirage")
    for pause_s, also in ((0.0, {}), (0.01, {"record_frames": film})):  # walk or engine ahead
        poses, made = replay(tmp_path, window, client(), pause_s, **also)
        same(w, poses, made)
        assert "all as they were" in caplog.text
        caplog.clear()
    wanted = np.concatenate([segment.frames for segment in made]).astype(float)
    filmed = imageio.imread(film, plugin="FFMPEG").astype(float)
    assert filmed.shape == wanted.shape
    assert np.abs(filmed - wanted).mean((1, 2, 3)).max() < 6


def test_a_dropped_picture_is_part_of_the_walk_and_must_be_the_same(tmp_path, window, client):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (90, 60)).save(photo)
    w = Walker(tmp_path, window, client()).ready()
    w.drop(photo)
    w.wait(lambda: w.app.start.kind == "image" and w.app.known.ready and w.segments() == 0)
    leave(w)
    same(w, *replay(tmp_path, window, client()))
    Image.new("RGB", (90, 60), "red").save(photo)
    with pytest.raises(ConfigError, match="recorded with another start"):
        replay(tmp_path, window, client())
    photo.unlink()
    with pytest.raises(ConfigError, match="cannot be begun again"):
        replay(tmp_path, window, client())


def test_a_walk_that_was_cut_short_is_walked_as_far_as_it_goes(tmp_path, window, client):
    w = Walker(tmp_path, window, client()).ready()
    w.down("W")
    w.frames(20)
    lines = (tmp_path / "log.ndjson").read_text().splitlines()
    frames = [i for i, line in enumerate(lines) if '"frame"' in line]
    (tmp_path / "log.ndjson").write_text("\n".join(lines[: frames[-5]]))
    poses, _ = replay(tmp_path, window, client())
    assert len(poses) == len(w.poses) - 5
    assert all(np.array_equal(a, b) for a, b in zip(poses, w.poses, strict=False))


def test_the_walker_of_a_log_walks_at_its_own_speed(tmp_path, window, client):
    w = Walker(tmp_path, window, client()).ready()
    path = tmp_path / "log.ndjson"
    first, rest = path.read_text().split("\n", 1)
    heading = json.loads(first)
    heading["pilot"]["walk_m_s"] = 0.2
    w.down("W")
    w.frames(40)
    w.up("W")
    leave(w)
    rest = path.read_text().split("\n", 1)[1]
    path.write_text(json.dumps(heading) + "\n" + rest)
    poses, _ = replay(tmp_path, window, client())
    assert 0.02 < poses[-1][2, 3] < 0.3 * w.poses[-1][2, 3]


@pytest.fixture(scope="module")
def log_lines(tmp_path_factory, window):
    """Of a short walk with a key, a turn and some segments."""
    folder, client = tmp_path_factory.mktemp("log"), EngineClient(FAKE)
    window.poll()
    w = Walker(folder, window, client).ready()
    w.turn()
    w.press("M")
    leave(w)
    client.close()
    return (folder / "log.ndjson").read_text().splitlines()


def refusal(tmp_path, lines, capsys):
    path = tmp_path / "broken.ndjson"
    path.write_text("\n".join(lines) + "\n")
    assert main(["--replay", str(path)]) == 2
    text = capsys.readouterr().err
    assert (text.count("\n") == 1 and str(path) in text) or "--replay" in text
    return text


def changed(lines, kind, **fields):
    """The log with the first line of a kind changed."""
    at = next(i for i, line in enumerate(lines) if json.loads(line)["type"] == kind)
    entry = json.loads(lines[at]) | fields
    return [*lines[:at], json.dumps(entry), *lines[at + 1 :]]


def test_what_is_no_log_of_this_program_is_refused_in_a_line(tmp_path, log_lines, capsys):
    (tmp_path / "picture").write_bytes(bytes(range(256)))
    assert main(["--replay", str(tmp_path / "picture")]) == 2
    assert "cannot be read (not text)" in capsys.readouterr().err
    assert main(["--replay", str(tmp_path / "none")]) == 2
    assert "cannot be read (No such file" in capsys.readouterr().err
    for lines in (["hello"], ["[]"], ["{}"], log_lines[1:]):
        assert "line 1 is not the beginning of a log" in refusal(tmp_path, lines, capsys)
    assert "holds no walk" in refusal(tmp_path, log_lines[:1], capsys)
    assert "written by version 0.0.9" in refusal(
        tmp_path, changed(log_lines, "walk", version="0.0.9"), capsys
    )
    assert "(format 99)" in refusal(tmp_path, changed(log_lines, "walk", format=99), capsys)


def test_a_log_of_another_world_is_refused_in_a_line(tmp_path, log_lines, capsys):
    begin = next(json.loads(x) for x in log_lines if json.loads(x)["type"] == "begin")
    other = begin["preset"] | {"summary": "another"}
    assert "another preset" in refusal(tmp_path, changed(log_lines, "begin", preset=other), capsys)
    assert "another seed" in refusal(tmp_path, changed(log_lines, "begin", seed=5), capsys)
    start = begin["start"] | {"scene": 8}
    assert "another start" in refusal(tmp_path, changed(log_lines, "begin", start=start), capsys)
    for flag, value in (("--seed", "1"), ("--memory", "none"), ("--log", "b.ndjson")):
        assert main(["--replay", str(tmp_path / "broken.ndjson"), flag, value]) == 2
        assert f"{flag} does not go with --replay" in capsys.readouterr().err


def test_a_log_in_which_the_engine_died_is_refused(tmp_path, log_lines, capsys):
    assert "started anew" in refusal(tmp_path, changed(log_lines, "engine", lost="x"), capsys)


IDLE_TALK = {"t", "fps", "frame_ms_p95", "coverage", "engine", "engine_pid"}  # not read


def test_damaged_lines_are_refused_by_number(tmp_path, log_lines):
    rng, path = np.random.default_rng(0), tmp_path / "broken.ndjson"
    kinds = [json.loads(line)["type"] for line in log_lines]
    read = [i for i, kind in enumerate(kinds) if kind in ("frame", "engine", "input", "display")]
    talk = [i for i in read if kinds[i] != "frame"]
    for i in [*rng.choice(read, 40), *rng.choice(talk, 60)]:
        line, entry = log_lines[i], json.loads(log_lines[i])
        name = str(rng.choice([key for key in entry if key not in IDLE_TALK]))
        worse = json.dumps(entry | {name: {"a": [None]}})
        for broken in (line[: rng.integers(1, len(line))], worse, line[::-1]):
            path.write_text("\n".join([*log_lines[:i], broken, *log_lines[i + 1 :]]))
            with pytest.raises(ConfigError, match=rf"{path}: line {i + 1} is damaged"):
                read_walk(path)
    frames = [i for i, kind in enumerate(kinds) if kind == "frame"]
    path.write_text("\n".join(line for i, line in enumerate(log_lines) if i not in frames[20:22]))
    with pytest.raises(ConfigError, match="is damaged"):
        read_walk(path)


def test_a_log_is_small(log_lines):
    frames = [line for line in log_lines if json.loads(line)["type"] in ("frame", "input")]
    assert sum(map(len, frames)) / sum('"frame"' in line for line in frames) < 120  # bytes each
