"""The pages of docs/: what they tell to do is done, and what the code writes is what it writes today."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest

import xaikit
from helpers.pages import DOCS, Block, Reader, blocks
from xaikit import hookspecs
from xaikit.registry import KINDS


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Has read docs/write-a-method.md."""
    one = Reader(tmp_path_factory.mktemp("reader"))
    for block in blocks("write-a-method.md"):
        one.do(block)
    return one


def test_every_block_of_write_a_method_does_what_it_says(reader: Reader) -> None:
    assert {block.language for block in blocks("write-a-method.md")} == {"python", "sh", "text", "yaml"}
    report = xaikit.open(reader.folder / "runs" / "sharp")
    assert report.labels == ("gradcam", "sharpcam", "sharper")
    assert not report.failures
    assert report.manifest["plugins"]["xaikit.methods:sharpcam"]["distribution"] == "xaikit-sharpcam"


def test_at_its_end_there_is_a_wheel_and_the_method_is_gone(reader: Reader) -> None:
    assert [path.name for path in (reader.folder / "dist").iterdir()] == ["xaikit_sharpcam-0.1.0-py3-none-any.whl"]
    assert "no method 'sharpcam'" in reader.environment.sh("xaikit methods sharpcam", reader.folder, fails=True)


def test_a_block_that_is_wrong_would_be_seen(reader: Reader) -> None:
    for wrong in (Block("sh", "", "xaikit run no.yaml"), Block("text", "", "never said"), Block("python", "", "1 / 0")):
        with pytest.raises((AssertionError, ZeroDivisionError)):
            reader.do(wrong)


@pytest.mark.parametrize("page", ["hooks.md", "methods.md", "targets.md"])
def test_a_page_that_the_code_writes_is_up_to_date(page: str) -> None:
    made = generator().PAGES[page]()
    assert (DOCS / page).read_text(encoding="utf-8") == made, "run: python docs/generate.py"


def test_hooks_has_every_hook_and_every_kind() -> None:
    page = (DOCS / "hooks.md").read_text(encoding="utf-8")
    hooks = [name for name in vars(hookspecs) if name.startswith("xaikit_")]
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == hooks
    assert {kind.hook for kind in KINDS.values()} <= set(hooks)
    for name in hooks:
        assert f"```python\ndef {name}() -> type\n```\n" in page


def test_methods_has_every_method() -> None:
    page = (DOCS / "methods.md").read_text(encoding="utf-8")
    names = [entry.name for entry in xaikit.Registry().catalogue("method") if entry.distribution == "xaikit"]
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == names


def test_targets_has_every_target_and_every_layout() -> None:
    page = (DOCS / "targets.md").read_text(encoding="utf-8")
    entries = [*xaikit.Registry().catalogue("target"), *xaikit.Registry().catalogue("layout")]
    names = [entry.name for entry in entries if entry.distribution == "xaikit"]
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == names


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_what_a_page_links_to_is_there(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (DOCS / page).read_text(encoding="utf-8")):
        assert (DOCS / target).exists()
