from __future__ import annotations

import pytest

from xaikit.errors import LayerNotFound
from xaikit.passes.layer_names import LayerName, parsed

NAMES = ["conv", "conv@2", "net", "net.a+b", "net.c[0]", "net.d*", "net.e", "layer1", "layer2"]


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("conv", LayerName(("conv",))),
        ("conv@2", LayerName(("conv@2",))),
        ("conv@3", LayerName(("conv",), call=3)),
        ("conv@2@last+", LayerName(("conv@2",), call="last", consumed=True)),
        ("conv[1][out]@first", LayerName(("conv",), (1, "out"), "first")),
        ("net.a+b", LayerName(("net.a+b",))),
        ("net.a+b+", LayerName(("net.a+b",), consumed=True)),
        ("net.c[0]", LayerName(("net.c[0]",))),
        ("net.c[0][1]", LayerName(("net.c[0]",), (1,))),
        ("net.d*", LayerName(("net.d*",))),
        ("layer*", LayerName(("layer1", "layer2"))),
        ("layer*[0]@2", LayerName(("layer1", "layer2"), (0,), 2)),
        ("layer[12]", LayerName(("layer1", "layer2"))),
        ("net.*[[]0]", LayerName(("net.c[0]",))),
        ("net.*+b", LayerName(("net.a+b",))),
    ],
)
def test_what_a_module_is_called_goes_before_any_meaning(text: str, layer: LayerName) -> None:
    assert parsed(text, NAMES) == layer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv@0", "layer 'conv@0': expected a name, name\\[index\\], name@first, name@last or name\\+, or name@2"),
        ("conv@frist", "expected a name"),
        ("conf@last", "no layer 'conf'; did you mean 'conv'"),
    ],
)
def test_what_is_called_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(LayerNotFound, match=message):
        parsed(text, NAMES)
