"""`xaikit explore` in a browser: a picture dropped is explained, and nobody outside is asked for anything."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from helpers.browsing import Tab
from helpers.runs import config, pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explored")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Of the command as somebody starts it."""
    (folder / "small.yaml").write_text(yaml.safe_dump(config(folder)))
    pictures(folder / "mine", ("<b>cat & dog.png",))
    command = [sys.executable, "-m", "xaikit", "explore", "small.yaml", "--no-open", "--to", "out"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.rstrip().endswith(f" until Ctrl-C; everything it writes is in {(folder / 'out').resolve()}")
        yield line.split()[0]
        process.terminate()


def test_a_picture_that_is_dropped_is_explained_and_the_page_asks_nobody_else(
    chromium: Chrome, address: str, folder: Path
) -> None:
    tab = Tab(chromium)
    tab.requests(), tab.errors()
    chromium.get(address)
    tab.wait("document.querySelector('#picture input[type=file]')")
    chromium.find_element("css selector", "#picture input[type=file]").send_keys(
        str(folder / "mine" / "<b>cat & dog.png")
    )
    explained = "document.querySelectorAll('#maps img').length >= 2 || document.querySelector('#notes textarea').value"
    # the first picture waits until torch is imported and the model is open
    WebDriverWait(chromium, 240, 0.2).until(lambda browser: browser.execute_script(f"return {explained}"))
    assert tab.run("return document.querySelector('#notes textarea').value") == ""
    said = tab.run("return [...document.querySelectorAll('#yaml .cm-line')].map(line => line.textContent).join('\\n')")
    assert list(yaml.safe_load(said)["methods"]) == ["gradcam", "layercam"]
    tab.wait("[...document.querySelectorAll('#maps img')].every(image => image.complete && image.naturalWidth > 0)")
    assert [each for each in tab.requests() if not each.startswith((address, "data:", "blob:"))] == []
    assert [each for each in tab.errors() if "Content Security Policy" in str(each)] == []


def test_everything_it_writes_is_in_its_folder(address: str, folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"small.yaml", "models.py", "photos", "mine", "out"}
    assert {path.name for path in (folder / "out").iterdir()} <= {"uploads", "run"}


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 200), ("evil.example", 400)])
def test_another_host_is_refused_and_the_policy_is_sent(address: str, host: str, status: int) -> None:
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=60)
    connection.request("GET", "/", headers={"Host": host})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == status
    if status == 200:
        assert str(answer.getheader("content-security-policy")).startswith("default-src 'self'; ")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("upload", {}, 415),
        ("upload", {"Origin": "http://evil.example"}, 403),
        ("queue/join", {"Origin": "http://evil.example"}, 403),
    ],
)
def test_no_code_is_uploaded_and_no_other_site_asks(
    address: str, folder: Path, path: str, headers: dict[str, str], status: int
) -> None:
    body = (
        '--x\r\nContent-Disposition: form-data; name="files"; filename="x.py"\r\n'
        "Content-Type: text/plain\r\n\r\nf = print\r\n--x--\r\n"
    )
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=60)
    connection.request(
        "POST", f"/gradio_api/{path}", body, {"Content-Type": "multipart/form-data; boundary=x", **headers}
    )
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == status
    assert [*folder.rglob("x.py")] == []
