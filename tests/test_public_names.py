"""The stable Python names."""

import pilothouse


def test_the_python_names() -> None:
    assert sorted(pilothouse.__all__) == ["dataset", "evaluate", "examine", "load", "papers", "recipe", "train"]
    for name in pilothouse.__all__:
        assert callable(getattr(pilothouse, name))
