"""Plugins of third parties: distributions made on the spot, as an installer would leave them on the path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path
from unittest.mock import PropertyMock

import pytest

from helpers.distributions import METHOD, Install, installing, methods
from xaikit.errors import PluginConflict, PluginError, UnknownPlugin
from xaikit.registry import Entry, Registry


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    with installing(tmp_path, monkeypatch) as function:
        yield function


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


@pytest.mark.parametrize("missing", [None, KeyError("Name")])
def test_a_distribution_whose_name_is_missing_is_unknown(missing: KeyError | None) -> None:
    """Python gives None; its backport importlib_metadata, which takes over once anything imports it, raises."""
    name = PropertyMock(return_value=None) if missing is None else PropertyMock(side_effect=missing)
    nameless = type("Nameless", (PathDistribution,), {"name": name, "version": name})(Path("nowhere"))
    point = EntryPoint("namelesscam", "acme_nameless", "xaikit.methods")
    vars(point)["dist"] = nameless
    assert Registry([point]).catalogue("method")[0].distribution == "unknown"


# --- unknown names


@pytest.mark.parametrize(
    ("kind", "use", "message"),
    [
        ("method", "gradcm", "no method 'gradcm'; did you mean 'gradcam'"),
        ("method", "GradCAM", "no method 'GradCAM'; did you mean 'gradcam'"),
        ("normalizer", "qqq", "no normalizer 'qqq'; known: max, minmax"),
        ("scaler", "tahn", "no scaler 'tahn'; did you mean 'tanh'?"),
        ("method", "", "no method ''; known: ablationcam, "),
        ("method", "xaikit:gradcm", "method 'xaikit:gradcm': xaikit has no 'gradcm'; did you mean 'gradcam'"),
    ],
)
def test_an_unknown_name_lists_the_nearest(kind: str, use: str, message: str) -> None:
    with pytest.raises(UnknownPlugin) as caught:
        Registry().find(kind, use)
    assert str(caught.value).startswith(message)


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
    with pytest.raises(UnknownPlugin, match=r"^no method 'mycam'; "):
        registry.find("method", "mycam")


def test_disabling_settles_a_conflict(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("xaikit.acme", methods(gradcam="acme_dotted"), module="acme_dotted")
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", "xaikit_acme")
    assert Registry().find("method", "gradcam").distribution == "xaikit"
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", "xaikit")
    assert Registry().find("method", "gradcam").distribution == "xaikit.acme"


def test_a_group_and_name_leave_the_other_plugins_of_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", "xaikit.normalizers:max")
    assert Registry().names("normalizer") == ("minmax", "quantile")
    assert "max" in Registry().names("fuser")


def test_nothing_is_disabled_by_an_empty_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", " , ")
    assert Registry().names("scaler") == ("smooth", "tanh")
    monkeypatch.setenv("XAIKIT_DISABLE_PLUGINS", "xaikit")
    assert Registry(disabled=[]).names("scaler") == ("smooth", "tanh")


def test_what_is_loaded_is_traced_on_demand_alone(
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
