"""One file of HTML: what is inside is text, its modules are one, and nothing comes from outside."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.page_runs import page_run
from xaikit.registry import Registry
from xaikit.report.page.document import STATIC, document, script_text
from xaikit.report.page.payload import as_json, payload
from xaikit.store.pictures import picture_name, save_picture

MODULES = {path.stem: path.read_text(encoding="utf-8") for path in STATIC.glob("*.js")}
MOST_LINES = 300


class Elements(HTMLParser):
    """The elements of a page, and what refers to something outside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += 1
        self.sources += [str(value) for name, value in attrs if name in ("src", "href", "srcset", "data", "style")]


def test_no_two_modules_define_one_name() -> None:
    """They become one scope, where the second one would break the page."""
    defined = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
    names = Counter(name for text in MODULES.values() for name in defined.findall(text))
    assert len(names) > 200
    assert [name for name, count in names.items() if count > 1] == []


def test_nothing_refers_to_anything_outside() -> None:
    elements = Elements(document({"title": "run"}))
    assert elements.sources == ["data:,"]
    assert "http" not in re.sub(r'"http://www\.w3\.org/2000/svg"', "", script_text())


def test_what_a_run_says_is_text_wherever_it_stands() -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\u2028"
    page = document({"title": hostile, "names": [hostile, {hostile: hostile}]})
    assert Elements(page).count["script"] == 2
    assert Elements(page).count["img"] == 0
    assert as_json({"name": hostile}).isascii()


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_small_and_import_what_the_page_can_join(name: str) -> None:
    text = MODULES[name]
    assert len(text.splitlines()) <= MOST_LINES
    imports = [line for line in text.splitlines() if line.startswith(("import", "} from"))]
    pattern = r'import (\{ [\w, ]+ \} from )?"\./(\w+)\.js";'
    assert [line for line in imports if not (match := re.fullmatch(pattern, line)) or match[2] not in MODULES] == []
    assert text.startswith("// ")


def test_what_is_imported_is_exported() -> None:
    exported = {
        name: set(re.findall(r"^export (?:async )?(?:function\*?|class|const|let) (\w+)", text, re.MULTILINE))
        for name, text in MODULES.items()
    }
    imported = [
        (name, other, each)
        for name, text in MODULES.items()
        for names, other in re.findall(r'^import \{ (.*) \} from "\./(\w+)\.js";', text, re.MULTILINE)
        for each in names.split(", ")
    ]
    assert [place for place in imported if place[2] not in exported[place[1]]] == []
    assert imported


def test_no_two_modules_have_a_name_in_common() -> None:
    pattern = re.compile(r"^(?:export )?(?:async )?(?:function\*?|class|const|let) (\w+)", re.MULTILINE)
    names = Counter(name for text in MODULES.values() for name in pattern.findall(text))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_imports_is_there(name: str) -> None:
    for words, module in re.findall(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";', MODULES[name], re.MULTILINE):
        exported = re.findall(r"^export (?:async )?(?:function|class|const) (\w+)", MODULES[module], re.MULTILINE)
        assert set(words.split(", ")) <= set(exported)


def test_every_module_is_in_the_page_once() -> None:
    script = script_text()
    assert [name for name, text in MODULES.items() if script.count(text.splitlines()[0]) != 1] == []
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)


def test_no_module_writes_html() -> None:
    words = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser")
    assert [(name, word) for name, text in MODULES.items() for word in words if word in text] == []


def test_the_template_is_beside_them() -> None:
    assert (Path(STATIC).parent / "page.html.j2").is_file()


def test_64_photographs_by_8_labels_are_less_than_3_mb(tmp_path: Path) -> None:
    """Photographs of noise, which take twice what real ones do, and maps of 14 cells a side at one layer."""
    labels = [f"label{place}" for place in range(8)]
    report = page_run(tmp_path / "run", photographs=64, labels=labels, layers=("layer4",), cells=14, side=224)
    draw = np.random.default_rng(0)
    for k in range(64):
        coarse = Image.fromarray(draw.integers(0, 256, (56, 56, 3), np.uint8)).resize(
            (224, 224), Image.Resampling.BICUBIC
        )
        save_picture(report.index.store.folder, picture_name(f"p{k}"), coarse)
    page = document(payload([report], Registry().lazy()))
    assert len(page.encode()) < 3_000_000
