from xaikit.differences import differences


def test_nested_keys_are_dotted_and_lists_are_compared_whole() -> None:
    there = {"model": {"name": "vgg16", "weights": None}, "layers": ["a"], "old": 1}
    here = {"model": {"name": "vgg16", "weights": "DEFAULT"}, "layers": ["a", "b"], "new": {"deep": True}}
    assert differences(there, here) == [
        "model.weights: None there, 'DEFAULT' here",
        "layers: ['a'] there, ['a', 'b'] here",
        "old: 1 there, nothing here",
        "new: nothing there, {'deep': True} here",
    ]


def test_what_json_makes_equal_does_not_differ() -> None:
    assert differences({"layers": ["a", "b"], "of": {"1": 0.5}}, {"layers": ("a", "b"), "of": {1: 0.5}}) == []
