"""Files appear whole or not at all."""

from __future__ import annotations

import pytest

from mirage_engine.files import replacing


def test_what_was_written_takes_the_place_of_the_old_file(tmp_path):
    path = tmp_path / "new" / "facts.txt"
    for text in ("old", "new"):
        with replacing(path) as part:
            part.write_text(text)
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["facts.txt"]
    assert path.stat().st_mode & 0o044, "others may read it"


def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "facts.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
