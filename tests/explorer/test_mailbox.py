"""Who goes first: commands, then questions and requests in turns; the newest of what may be old."""

import numpy as np

from explorer.mailbox import Mailbox
from explorer.protocol import Ask, Change, Details, Inspect, Look, Save, Undo
from mirage_engine import Camera, Edit, pinhole, pose

CAMERAS = [Camera(pose([0, 0, 0], 10.0 * i), pinhole((8, 8), 70.0), (8, 8)) for i in range(4)]
CHANGE = Change(1, Edit("hide", np.arange(3, dtype=np.int32)))


def taken(box):
    messages = []
    while (message := box.take(0.0)) is not None:
        messages.append(message)
    return messages


def test_commands_come_first_and_in_order():
    box = Mailbox()
    look, ask = Look(1, CAMERAS[0]), Ask(1, 1, ())
    for message in (look, ask, CHANGE, Save(1, "x"), Undo(1)):
        box.put(message)
    assert taken(box) == [CHANGE, Save(1, "x"), Undo(1), look, ask]


def test_of_looks_and_xrays_only_the_newest_is_kept_but_all_details():
    box = Mailbox()
    looks = [Look(1, camera) for camera in CAMERAS]
    xrays = [Inspect(1, (camera,)) for camera in CAMERAS]
    for i, (look, xray) in enumerate(zip(looks, xrays, strict=True)):
        for message in (look, Details(1, i), xray):
            box.put(message)
    details = [Details(1, i) for i in range(4)]
    assert taken(box) == [*details[:3], looks[3], details[3], xrays[3]]


def test_a_request_does_not_wait_for_ever_behind_questions():
    box, order = Mailbox(), []
    for i in range(6):
        box.put(Ask(1, i, ()))
        box.put(Look(1, CAMERAS[i % 4]))
        order.append(type(box.take(0.0)).__name__)
    assert order == ["Look", "Ask"] * 3


def test_a_change_stops_a_segment_and_questions_do_not():
    box = Mailbox()
    for question in (Look(1, CAMERAS[0]), Inspect(1, ()), Details(1, -1), Save(1, "x")):
        box.put(question)
    assert not box.wants_stop(1, 4)
    box.put(CHANGE)
    assert box.wants_stop(3, 4)
