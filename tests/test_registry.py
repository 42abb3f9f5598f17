"""Plugins of third parties: distributions made on the spot, as an installer would leave them on the path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from xaikit.errors import PluginConflict, PluginContract, PluginError, UnknownPlugin
from xaikit.registry import KINDS, Entry, Registry, check_class

METHOD = '''"""Mine-CAM: the mean of all channels (Nobody, 2026)."""

from dataclasses import dataclass
from xaikit import Needs, hookimpl


@dataclass(frozen=True)
class MyCam:
    k: int = 3
    needs = Needs()

    def explain(self, view):
        return view.activations.mean(view.channel)


@hookimpl
def xaikit_method():
    return MyCam
'''
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution on the path; its modules are forgotten afterwards."""
    before = set(sys.modules)

    def distribution(name: str, entries: str, text: str = METHOD, version: str = "1.0", module: str = "") -> Path:
        folder = tmp_path / name
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module or name.replace('-', '_')}.py").write_text(text)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entries)
        monkeypatch.syspath_prepend(folder)
        return folder

    yield distribution
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def methods(**entries: str) -> str:
    return "[xaikit.methods]\n" + "".join(f"{name} = {module}\n" for name, module in entries.items())


# --- found, listed, loaded


def test_a_third_party_is_listed_without_being_imported_then_loaded(install: Install) -> None:
    install("acme-cams", methods(mycam="acme_cams"))
    registry = Registry()
    listed = {entry.name: entry for entry in registry.catalogue("method")}
    summary = "Mine-CAM: the mean of all channels (Nobody, 2026)."
    assert listed["mycam"] == Entry("mycam", "acme-cams", "1.0", "acme_cams", summary)
    assert "mycam" in registry.names("method")
    assert "acme_cams" not in sys.modules

    plugin = registry.find("method", "mycam")
    assert (plugin.kind, plugin.name, plugin.module) == ("method", "mycam", "acme_cams")
    assert (plugin.distribution, plugin.version) == ("acme-cams", "1.0")
    assert plugin.cls().k == 3
    assert registry.find("method", "mycam") is plugin


def test_loading_one_imports_no_other(install: Install) -> None:
    install("acme-one", methods(acmeone="acme_one"))
    install("acme-two", methods(acmetwo="acme_two"))
    Registry().find("method", "acmeone")
    assert "acme_one" in sys.modules
    assert "acme_two" not in sys.modules


def test_the_built_ins_are_sorted_and_stand_beside_it(install: Install) -> None:
    install("acme-cams", methods(aaa="acme_cams"))
    names = [entry.name for entry in Registry().catalogue("method")]
    assert names == sorted(names)
    assert names[0] == "aaa"
    assert {"gradcam", "layercam", "hirescam", "xgradcam", "gradcampp", "smoothgradcampp"} < set(names)


def test_a_kind_sees_its_own_group_only(install: Install) -> None:
    install("acme-cams", "[xaikit.targets]\nmycam = acme_cams\n[other.group]\ngradcam = acme_cams\n")
    assert "mycam" not in Registry().names("method")
    assert "mycam" in Registry().names("target")
    assert Registry().find("method", "gradcam").distribution == "xaikit"


# --- conflicts


def test_two_distributions_of_one_name_are_a_conflict_that_names_both(install: Install) -> None:
    install("acme-cams", methods(twin="acme_cams"))
    install("zeta.cams", methods(twin="zeta_cams"), module="zeta_cams")
    registry = Registry()
    assert [entry.distribution for entry in registry.catalogue("method") if entry.name == "twin"] == [
        "acme-cams",
        "zeta.cams",
    ]
    assert registry.names("method").count("twin") == 1
    with pytest.raises(PluginConflict) as caught:
        registry.find("method", "twin")
    assert str(caught.value) == (
        "method 'twin' is offered by acme-cams and zeta.cams; write use: acme-cams:twin or use: zeta.cams:twin"
    )
    assert "acme_cams" not in sys.modules


@pytest.mark.parametrize("use", ["acme-cams:gradcam", "Acme_Cams:gradcam", "acme.cams:gradcam"])
def test_naming_the_distribution_settles_it(install: Install, use: str) -> None:
    install("acme-cams", methods(gradcam="acme_cams"))
    registry = Registry()
    assert registry.find("method", use).distribution == "acme-cams"
    assert registry.find("method", "xaikit:gradcam").module == "xaikit_cams.gradcam"
    with pytest.raises(PluginConflict, match="offered by acme-cams and xaikit; write use: acme-cams:gradcam or"):
        registry.find("method", "gradcam")


def test_one_distribution_seen_twice_is_no_conflict() -> None:
    twice = [point for point in _installed("xaikit.methods") for _ in range(2)]
    assert Registry(twice).find("method", "gradcam").distribution == "xaikit"


def _installed(group: str) -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return list(entry_points(group=group))


# --- what is wrong is named, and stops nothing else


def test_one_that_fails_to_import_is_named_and_stops_nothing_else(install: Install) -> None:
    install("acme-broken", methods(brokencam="acme_broken"), '"""Broken-CAM."""\nimport not_installed_anywhere\n')
    registry = Registry()
    assert {"brokencam", "gradcam"} <= set(registry.names("method"))
    assert registry.find("method", "gradcam").name == "gradcam"
    with pytest.raises(PluginError) as caught:
        registry.find("method", "brokencam")
    assert str(caught.value) == (
        "method 'brokencam' (acme_broken, from acme-broken 1.0) failed to import: "
        "ModuleNotFoundError: No module named 'not_installed_anywhere'"
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_one_whose_module_is_gone_is_listed_as_such(install: Install) -> None:
    install("acme-gone", methods(gonecam="acme_gone_away"))
    listed = {entry.name: entry for entry in Registry().catalogue("method")}
    assert listed["gonecam"].summary == "(not found: acme_gone_away)"
    with pytest.raises(PluginError, match=r"method 'gonecam' \(acme_gone_away, from acme-gone 1.0\) failed to import"):
        Registry().find("method", "gonecam")


def test_metadata_without_a_name_stops_nothing_else(install: Install) -> None:
    folder = install("acme-nameless", methods(namelesscam="acme_nameless"))
    (folder / "acme_nameless-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\n")
    registry = Registry()
    listed = {entry.name: entry for entry in registry.catalogue("method")}
    assert (listed["namelesscam"].distribution, listed["namelesscam"].version) == ("unknown", "")
    assert registry.find("method", "gradcam").distribution == "xaikit"
    assert registry.find("method", "namelesscam").cls.__name__ == "MyCam"


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


@pytest.mark.parametrize(("text", "said"), CONTRACTS.values(), ids=CONTRACTS)
def test_a_module_that_breaks_the_contract_is_named(install: Install, text: str, said: str) -> None:
    install("acme-odd", methods(oddcam="acme_odd"), text)
    with pytest.raises(PluginContract) as caught:
        Registry().find("method", "oddcam")
    message = str(caught.value)
    assert message.startswith("method 'oddcam' (acme_odd, from acme-odd 1.0)")
    assert said in message


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
    from dataclasses import make_dataclass

    members = dict.fromkeys(KINDS[kind].members)
    cls = make_dataclass("Mine", [(name, int)], namespace=members, frozen=True)
    with pytest.raises(PluginContract, match=f"^here: Mine has a field with a reserved name: {name}$"):
        check_class(kind, cls, "here")


# --- unknown names


@pytest.mark.parametrize(
    ("kind", "use", "said"),
    [
        ("method", "gradcm", "no method 'gradcm'; did you mean 'gradcam'"),
        ("method", "GradCAM", "no method 'GradCAM'; did you mean 'gradcam'"),
        ("target", "qqq", "no target 'qqq'; known: classes, label, logit, top"),
        ("scaler", "tahn", "no scaler 'tahn'; did you mean 'tanh'?"),
        ("method", "", "no method ''; known: gradcam, "),
        ("method", "xaikit:gradcm", "method 'xaikit:gradcm': xaikit has no 'gradcm'; did you mean 'gradcam'"),
    ],
)
def test_an_unknown_name_lists_the_nearest(kind: str, use: str, said: str) -> None:
    with pytest.raises(UnknownPlugin) as caught:
        Registry().find(kind, use)
    assert str(caught.value).startswith(said)


def test_an_unknown_name_of_a_known_distribution_lists_what_it_offers(install: Install) -> None:
    install("acme-cams", methods(mycam="acme_cams", othercam="acme_cams"))
    with pytest.raises(UnknownPlugin, match=r"^no method 'gradcam'; known: mycam, othercam$"):
        Registry(disabled=["xaikit"]).find("method", "acme-cams:gradcam")
    with pytest.raises(UnknownPlugin, match=r"^no method 'mycm'; did you mean 'mycam'"):
        Registry().find("method", "acme-cams:mycm")


def test_a_registry_of_nothing_says_so() -> None:
    assert Registry([]).names("method") == ()
    assert Registry([]).catalogue("method") == ()
    with pytest.raises(UnknownPlugin, match=r"^no method 'gradcam'; there are none$"):
        Registry([]).find("method", "gradcam")


# --- import paths and files


def test_a_class_by_its_import_path(install: Install) -> None:
    install("acme-plain", "", METHOD)
    plugin = Registry().find("method", "acme_plain:MyCam")
    assert (plugin.name, plugin.cls.__name__, plugin.distribution) == ("MyCam", "MyCam", "acme_plain")
    assert (plugin.version, plugin.module) == ("", "acme_plain")


def test_what_a_distribution_offers_goes_before_a_class_of_the_same_package(install: Install) -> None:
    text = METHOD.replace("@hookimpl", "Named = MyCam\n\n\n@hookimpl").replace("k: int = 3", "k: int = 4")
    install("acmeboth", methods(mycam="acmeboth"), text)
    assert Registry().find("method", "acmeboth:mycam").version == "1.0"
    assert Registry().find("method", "acmeboth:MyCam").version == ""


@pytest.mark.parametrize(
    ("use", "error", "said"),
    [
        (
            "acme_plain:MyCm",
            UnknownPlugin,
            "method 'acme_plain:MyCm': acme_plain has no 'MyCm'; did you mean 'MyCam'?",
        ),
        (
            "acme_nowhere:MyCam",
            PluginError,
            "method 'acme_nowhere:MyCam' failed to import: ModuleNotFoundError: No module named 'acme_nowhere'",
        ),
        (
            "acme_plain:xaikit_method",
            PluginContract,
            "method 'acme_plain:xaikit_method': expected a frozen dataclass, got <function xaikit_method",
        ),
        ("acme_plain:Needs", PluginContract, "method 'acme_plain:Needs': Needs lacks needs, explain"),
        ("acme_plain:", UnknownPlugin, "method 'acme_plain:': acme_plain has no ''; known: MyCam, Needs"),
    ],
)
def test_a_wrong_import_path_is_said(install: Install, use: str, error: type[PluginError], said: str) -> None:
    install("acme-plain", "", METHOD)
    with pytest.raises(error) as caught:
        Registry().find("method", use)
    assert type(caught.value) is error
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("use", ["./mycam.py:MyCam", "mycam.py:MyCam", "ideas/../mycam.py:MyCam"])
def test_a_class_of_a_file_beside_the_config(tmp_path: Path, use: str) -> None:
    (tmp_path / "ideas").mkdir()
    (tmp_path / "mycam.py").write_text(METHOD)
    plugin = Registry().find("method", use, base=tmp_path)
    assert plugin.cls().k == 3
    assert plugin.name == "MyCam"


def test_a_file_is_looked_for_in_the_working_directory_without_a_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mycam.py").write_text(METHOD)
    monkeypatch.chdir(tmp_path)
    assert Registry().find("method", "./mycam.py:MyCam").cls().k == 3
    assert Registry().find("method", f"{tmp_path}/mycam.py:MyCam").cls().k == 3


@pytest.mark.parametrize("use", ["./mycam.py:MyCam", "mycam.py:MyCam"])
def test_files_of_one_name_in_two_folders_are_two_plugins(tmp_path: Path, use: str) -> None:
    registry = Registry()
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "mycam.py").write_text(METHOD.replace("= 3", f"= {number}"))
        assert registry.find("method", use, base=folder).cls().k == number


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "mycam.py").write_text(METHOD.replace("= 3", f"= {number}"))
        assert Registry().find("method", "./mycam.py:MyCam", base=tmp_path).cls().k == number


def test_a_wrong_file_is_said(tmp_path: Path) -> None:
    registry = Registry()
    with pytest.raises(UnknownPlugin) as missing:
        registry.find("method", "./none.py:MyCam", base=tmp_path)
    assert str(missing.value) == f"method './none.py:MyCam': there is no file {tmp_path.resolve() / 'none.py'}"

    (tmp_path / "broken.py").write_text("import not_installed_anywhere\n")
    for _ in range(2):
        with pytest.raises(PluginError, match=r"^method './broken.py:MyCam' failed to import: ModuleNotFoundError: No"):
            registry.find("method", "./broken.py:MyCam", base=tmp_path)

    (tmp_path / "notes.txt").write_text("no Python")
    with pytest.raises(PluginError, match=r"notes.txt is not a Python file$"):
        registry.find("method", "./notes.txt:MyCam", base=tmp_path)

    (tmp_path / "mycam.py").write_text(METHOD)
    with pytest.raises(UnknownPlugin, match=r"^method './mycam.py:mycam': ./mycam.py has no 'mycam'; did you mean"):
        registry.find("method", "./mycam.py:mycam", base=tmp_path)


# --- the environment


@pytest.mark.parametrize(
    "disabled",
    ["acme-cams", "ACME_Cams", " acme.cams ", "other,acme-cams", "xaikit.methods:mycam", "x, xaikit.methods:mycam"],
)
def test_a_plugin_can_be_disabled(install: Install, monkeypatch: pytest.MonkeyPatch, disabled: str) -> None:
    install("acme-cams", methods(mycam="acme_cams"))
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", disabled)
    registry = Registry()
    assert "mycam" not in registry.names("method")
    assert "mycam" not in [entry.name for entry in registry.catalogue("method")]
    assert "gradcam" in registry.names("method")
    with pytest.raises(UnknownPlugin, match="^no method 'mycam'; "):
        registry.find("method", "mycam")


def test_disabling_settles_a_conflict(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("xaikit.acme", methods(gradcam="acme_dotted"), module="acme_dotted")
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", "xaikit_acme")
    assert Registry().find("method", "gradcam").distribution == "xaikit"
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", "xaikit")
    assert Registry().find("method", "gradcam").distribution == "xaikit.acme"


def test_a_group_and_name_leave_the_other_plugins_of_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", "xaikit.normalizers:max")
    assert Registry().names("normalizer") == ("minmax",)
    assert "max" in Registry().names("fuser")


def test_nothing_is_disabled_by_an_empty_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", " , ")
    assert Registry().names("scaler") == ("tanh",)
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", "xaikit")
    assert Registry(disabled=[]).names("scaler") == ("tanh",)


def test_what_is_loaded_is_traced_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("XAIKIT_TRACE_PLUGINS", raising=False)
    Registry().find("scaler", "tanh")
    assert capsys.readouterr() == ("", "")

    monkeypatch.setenv("XAIKIT_TRACE_PLUGINS", "1")
    (tmp_path / "mycam.py").write_text(METHOD)
    registry = Registry()
    for _ in range(2):
        registry.find("scaler", "tanh")
    registry.find("method", "./mycam.py:MyCam", base=tmp_path)
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert out == ""
    assert first == "xaikit: scaler 'tanh' is xaikit_finish.scale.tanh of xaikit"
    assert second.startswith("xaikit: method 'MyCam' is xaikit_file_mycam_")
    assert second.endswith(" of ./mycam.py")


def test_an_unknown_kind_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError, match="methods"):
        Registry().names("methods")
