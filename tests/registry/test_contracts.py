"""A plugin that is not what its kind asks for is refused, and the message names what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import make_dataclass
from pathlib import Path

import pytest

from helpers.distributions import METHOD, Install, installing, methods
from xaikit.errors import PluginContract, PluginError
from xaikit.registry import KINDS, Registry, check_class


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    with installing(tmp_path, monkeypatch) as function:
        yield function


CONTRACTS = {
    "no hook": ("", "has no hookimpl named xaikit_method"),
    "unmarked hook": ("def xaikit_method():\n    return int\n", "has no hookimpl named xaikit_method"),
    "another kind's hook": (
        "from xaikit import hookimpl\n@hookimpl\ndef xaikit_target():\n    return int\n",
        "has no hookimpl named xaikit_method",
    ),
    "misspelt hook": (
        "from xaikit import hookimpl\n@hookimpl\ndef xaikit_metod():\n    return int\n",
        "implements a hook that xaikit does not have: unknown hook 'xaikit_metod'",
    ),
    "hook with an argument": (
        "from xaikit import hookimpl\n@hookimpl\ndef xaikit_method(config):\n    return int\n",
        "implements a hook that xaikit does not have: ",
    ),
    "not frozen": (METHOD.replace("(frozen=True)", ""), ": MyCam must be frozen: @dataclass(frozen=True)"),
    "no dataclass": (
        METHOD.replace("@dataclass(frozen=True)\n", ""),
        ": expected a frozen dataclass, got <class 'acme_odd.MyCam'>",
    ),
    "an instance": (METHOD.replace("return MyCam", "return MyCam()"), ": expected a frozen dataclass, got MyCam(k=3)"),
    "no explain": (METHOD.replace("def explain", "def explains"), ": MyCam lacks explain"),
    "neither member": (
        METHOD.replace("def explain", "def explains").replace("needs =", "need ="),
        ": MyCam lacks needs, explain",
    ),
    "reserved field": (METHOD.replace("k: int", "layers: int"), ": MyCam has a field with a reserved name: layers"),
    "reserved fields": (
        METHOD.replace("k: int = 3", "use: int = 1\n    finish: int = 2"),
        ": MyCam has a field with a reserved name: finish, use",
    ),
}


@pytest.mark.parametrize(("text", "reason"), CONTRACTS.values(), ids=CONTRACTS)
def test_a_module_that_breaks_the_contract_is_named(install: Install, text: str, reason: str) -> None:
    install("acme-odd", methods(oddcam="acme_odd"), text)
    with pytest.raises(PluginContract) as caught:
        Registry().find("method", "oddcam")
    message = str(caught.value)
    assert message.startswith("method 'oddcam' (acme_odd, from acme-odd 1.0)")
    assert reason in message


def test_a_hook_that_raises_is_named_and_chained(install: Install) -> None:
    raising = METHOD.replace("return MyCam", "raise OSError('no disk')")
    install("acme-raising", methods(raisingcam="acme_raising"), raising)
    with pytest.raises(PluginError) as caught:
        Registry().find("method", "raisingcam")
    assert str(caught.value) == (
        "method 'raisingcam' (acme_raising, from acme-raising 1.0): xaikit_method() failed: OSError: no disk"
    )
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in sorted(KINDS[kind].reserved)])
def test_every_reserved_name_is_refused(kind: str, name: str) -> None:
    members = dict.fromkeys(KINDS[kind].members)
    cls = make_dataclass("Mine", [(name, int)], namespace=members, frozen=True)
    with pytest.raises(PluginContract, match=f"^here: Mine has a field with a reserved name: {name}$"):
        check_class(kind, cls, "here")
