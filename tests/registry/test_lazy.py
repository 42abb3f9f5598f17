"""A lazy module is executed as far as it is used, and what its class declares is what the module itself declares."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.distributions import Install, installing, methods
from xaikit.cli.cards import card
from xaikit.errors import PluginContract, PluginError
from xaikit.needs import Needs
from xaikit.registry import KINDS, Registry, needs_of
from xaikit.registry.lazy import lazy_module
from xaikit.schema.keys import keys_of

PLUGIN = '''"""Lazy-CAM: made on the spot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import acme_heavy
import acme_heavy as whole
from acme_heavy import Tensor, mean
from xaikit import Needs, hookimpl

if TYPE_CHECKING:
    from acme_nowhere import View

LEAST = 1
LEAST += 1
Variant = Literal["paper", "other"]
table = mean(LEAST)
"""Something that is computed."""


class Pinned(Tensor):
    pass


@dataclass(frozen=True)
class Lazy:
    """It says what it does."""

    k: int = LEAST
    variant: "Variant" = "paper"
    sizes: list[int] = field(default_factory=list)
    needs: ClassVar[Needs] = Needs(gradients=1)

    def __post_init__(self) -> None:
        check(self.k)

    def explain(self, view: View) -> Tensor:
        return whole.mean(view) + acme_heavy.mean(view)


def check(k: int) -> None:
    if k < LEAST:
        raise ValueError(f"k: expected at least {LEAST}, got {k}")


@hookimpl
def xaikit_method() -> type:
    return Lazy
'''
HEAVY = "class Tensor:\n    pass\n\n\ndef mean(value):\n    return value\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    with installing(tmp_path, monkeypatch) as function:
        install_as(function, "acme-heavy", HEAVY)
        yield function


def install_as(install: Install, name: str, text: str) -> None:
    install(name, methods(**{name.replace("-", ""): name.replace("-", "_")}), text)


def test_options_are_read_and_checked_without_what_is_computed_with(install: Install) -> None:
    install_as(install, "acme-lazy", PLUGIN)
    plugin = Registry().lazy().find("method", "acmelazy")
    keys = keys_of(plugin.cls)
    assert list(keys) == ["k", "variant", "sizes"]
    assert keys["variant"].words == ("paper", "other")
    assert needs_of(plugin.cls) == Needs(gradients=1)
    assert "Lazy-CAM: made on the spot." in card(plugin)
    assert plugin.cls().k == 2
    with pytest.raises(ValueError, match="k: expected at least 2, got 1"):
        plugin.cls(k=1)
    assert not {"acme_heavy", "acme_lazy"} & set(sys.modules)

    assert plugin.cls().explain(3) == 6
    assert "acme_heavy" in sys.modules
    assert Registry().find("method", "acmelazy").cls is not plugin.cls
    assert Registry().lazy().find("method", "acmelazy").cls is sys.modules["acme_lazy"].Lazy


def test_modules_of_its_own_package_are_lazy_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "acme_shelf"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""A shelf."""\n')
    (folder / "beside.py").write_text("import json.tool as tool\nfrom acme_shelf import other\nLIMIT = 4\n")
    (folder / "other.py").write_text("")
    (folder / "plugin.py").write_text(
        "from .beside import LIMIT, nothing\nfrom acme_shelf.beside import tool\n"
        "def limit():\n    return LIMIT\ndef further():\n    return tool\ndef wrong():\n    return nothing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "json.tool", raising=False)
    module = lazy_module("acme_shelf.plugin")
    assert module.limit() == 4
    assert not {"acme_shelf", "acme_shelf.beside", "json.tool"} & set(sys.modules)
    assert module.further() is sys.modules["json.tool"]
    for _ in range(2):
        with pytest.raises(ImportError, match="cannot import name 'nothing'"):
            module.wrong()
    with pytest.raises(AttributeError, match=r"'lazy acme_shelf\.plugin' has no attribute 'limits'"):
        module.limits  # noqa: B018


@pytest.mark.parametrize(
    "statement",
    [
        "try:\n    import json.tool\nexcept ImportError:\n    pass",
        "print('hello')",
        "from acme_heavy import *",
        "if True:\n    import acme_heavy",
        "for each in ():\n    pass",
    ],
)
def test_a_module_with_a_statement_that_cannot_wait_is_imported(install: Install, statement: str) -> None:
    install_as(install, "acme-eager", PLUGIN.replace("LEAST = 1\n", f"LEAST = 1\n{statement}\n"))
    plugin = Registry().lazy().find("method", "acmeeager")
    assert plugin.cls is sys.modules["acme_eager"].Lazy


def test_what_is_wrong_with_a_plugin_is_said_as_ever(install: Install) -> None:
    install_as(install, "acme-missing", PLUGIN.replace("import acme_heavy\n", "import acme_not_there\n"))
    install_as(install, "acme-broken", PLUGIN + "def (:\n")
    install_as(install, "acme-raising", PLUGIN.replace("LEAST = 1", "LEAST = 1 / 0"))
    install_as(install, "acme-old", PLUGIN + 'xaikit_api = "0.1"\n')
    install_as(install, "acme-misspelt", PLUGIN.replace("def xaikit_method", "def xaikit_metod"))
    registry = Registry().lazy()
    with pytest.raises(PluginError, match="failed to import: ModuleNotFoundError: No module named 'acme_not_there'"):
        registry.find("method", "acmemissing")
    with pytest.raises(PluginError, match="failed to import: SyntaxError"):
        registry.find("method", "acmebroken")
    for _ in range(2):
        with pytest.raises(PluginError, match="ZeroDivisionError: division by zero"):
            registry.find("method", "acmeraising")
    with pytest.raises(PluginContract, match=r"was built for version 0\.1 of xaikit's hooks"):
        registry.find("method", "acmeold")
    with pytest.raises(PluginContract, match="implements a hook that xaikit does not have"):
        registry.find("method", "acmemisspelt")


def test_threads_wait_for_what_another_one_binds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme_slow.py").write_text(
        "import time\ndef slow():\n    time.sleep(0.05)\n    return []\nVALUE = slow()\ndef value():\n    return VALUE\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = lazy_module("acme_slow")
    with ThreadPoolExecutor(8) as pool:
        assert len({id(value) for value in pool.map(lambda _: module.value(), range(8))}) == 1


READ_ALL = """
import json, sys
from xaikit.cli.cards import card
from xaikit.registry import Registry
from xaikit.schema.keys import keys_of

def read(kind, name):
    plugin = registry.find(kind, f"xaikit:{name}")
    return card(plugin), list(keys_of(plugin.cls)), "torch" in sys.modules

registry = Registry().lazy()
print(json.dumps([read(*each) for each in json.loads(sys.argv[1])]))
"""


MAY_BE_TENSORS = {
    *(("target", name) for name in ("box", "region", "similarity")),
    *(
        ("method", name)
        for name in ("deeplift", "expectedgradients", "integratedgradients", "kernelshap", "lime", "occlusion")
    ),
}
"""Whose options may be tensors: in Python, no config can say one."""


def test_the_shelf_says_of_itself_the_same_without_torch() -> None:
    registry = Registry()
    shelf = [(kind, each.name) for kind in KINDS for each in registry.catalogue(kind) if each.distribution == "xaikit"]
    shelf = sorted(shelf, key=lambda each: each in MAY_BE_TENSORS)
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, json.dumps(shelf)], capture_output=True, text=True, check=True
    )
    lazy = json.loads(done.stdout)
    plugins = [registry.find(kind, f"xaikit:{name}") for kind, name in shelf]
    assert [text for text, _, _ in lazy] == [card(plugin) for plugin in plugins]
    assert [keys for _, keys, _ in lazy] == [list(keys_of(plugin.cls)) for plugin in plugins]
    assert {each for each, (*_, torch) in zip(shelf, lazy, strict=True) if torch} == MAY_BE_TENSORS
