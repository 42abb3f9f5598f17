import sys

import pytest

from helpers.signals import write_video
from xaikit import ConfigError, DataError
from xaikit_sources.video import Video


@pytest.mark.parametrize("frames", [1, 4, 20, 40])
def test_frames_are_evenly_over_the_whole_length(tmp_path, frames):
    (one,) = Video(str(write_video(tmp_path / "a.mp4")), frames=frames).photographs()
    film = one.decode(one.read())
    assert film.shape == (3, frames, 48, 64)
    expected = [int((place + 0.5) * 20 / frames) * 240 // 19 for place in range(frames)]
    assert film.mean((0, 2, 3)).mul(255).tolist() == pytest.approx(expected, abs=6)


def test_a_folder_of_classes(tmp_path):
    for name in ("run", "walk"):
        (tmp_path / name).mkdir()
        write_video(tmp_path / name / "a.mp4", frames=3)
    assert [one.label for one in Video(str(tmp_path), label="folder").photographs()] == ["run", "walk"]


def test_what_is_no_video_and_no_pyav(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    (one,) = Video(str(tmp_path / "a.mp4")).photographs()
    with pytest.raises(DataError, match=r"a\.mp4: cannot be read as a video"):
        one.decode(one.read())
    with pytest.raises(ValueError, match="frames: expected at least 1, got 0"):
        Video("a.mp4", frames=0)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"needs PyAV; install it by: pip install 'xaikit\[video\]'"):
        Video(str(tmp_path)).photographs()
