"""Every grid is of float settings that its recipe has, within their ranges, around the recipe's own default or below it."""

import pytest

from pilothouse.algorithm.registry import load_recipe
from pilothouse.core.errors import SettingError
from pilothouse.evaluate.tuning_grids import GRIDS, OTHERWISE, grid_for, lanes, settings_of_grid


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_a_grid_is_of_settings_that_its_recipe_has(name: str) -> None:
    bound = load_recipe(name)()
    for setting, values in GRIDS[name].items():
        about = bound.recipe.settings[setting]
        assert setting in bound.floats and len(set(values)) == len(values) >= 2
        assert [about.check(value) for value in values] == list(values)
    assert grid_for(bound, {}) == {setting: tuple(values) for setting, values in GRIDS[name].items()}


def test_a_recipe_without_a_grid_tries_learning_rates_and_what_is_given_goes_first() -> None:
    assert grid_for(load_recipe("sac-n")(), {}) == dict(OTHERWISE)
    assert grid_for(load_recipe("td3bc")(), {"td3bc.alpha": [3.0], "iql.expectile": [0.9]}) == {"alpha": (3.0,)}
    with pytest.raises(SettingError, match="floats"):
        grid_for(load_recipe("td3bc")(), {"width": [32.0]})


def test_every_combination_of_settings_and_all_seeds_of_each() -> None:
    found = settings_of_grid({"a": (1.0, 2.0), "b": (3.0, 4.0)})
    assert found == [{"a": 1.0, "b": 3.0}, {"a": 1.0, "b": 4.0}, {"a": 2.0, "b": 3.0}, {"a": 2.0, "b": 4.0}]
    seeds, floats = lanes(found[:2], [7, 8])
    assert seeds == [7, 8, 7, 8] and floats == {"a": [1.0] * 4, "b": [3.0, 3.0, 4.0, 4.0]}
