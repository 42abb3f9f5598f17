import io
from pathlib import Path

import pytest
from PIL import Image


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of pictures in folders, with what does not belong among them."""
    root = tmp_path / "photos"
    for name in ("10.png", "2.png", "cats/a.PNG", "cats/deep/b.jpeg", "dogs/c.png", ".hidden/d.png", "dogs/._c.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png())
    (root / "notes.txt").write_text("no picture")
    (root / "table.h5").write_bytes(b"no picture")
    (root / "birds").mkdir()
    return root
