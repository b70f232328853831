import pytest

from pilothouse.core.errors import SettingError, UnknownNameError
from pilothouse.worlds.registry import names, options_of, world


def test_the_names_are_the_documented_ones():
    assert names() == (
        "cartpole",
        "pendulum",
        "pendulum-sparse",
        "pendulum-uncertain",
        "cartpole-context",
        "pendulum-context",
        "acrobot",
        "mountain-car-continuous",
        "mountain-car-sparse",
        "point-maze",
        "tabular",
        "linear-bandit",
        "robot-fish",
        "tidy-up",
        "door-key",
        "arc-grids",
        "skirmish",
        "karel",
        "karel-programs",
        "arithmetic",
        "cartpole-pictures",
        "pendulum-pictures",
        "mountain-car-pictures",
        "point-maze-pictures",
    )


def test_options_reach_the_world():
    assert world("pendulum", gravity=5, horizon=50).gravity == 5.0
    assert world("point-maze", maze="medium").spec.obs.shape == (6,)
    assert world("tabular", states=7).spec.obs.n == 7
    assert world("arithmetic", digits=3, longest=9).horizon == 9
    assert options_of("cartpole")["horizon"] == 500 and options_of("tabular")["branching"] == 3


@pytest.mark.parametrize(
    ("name", "options", "error", "told"),
    [
        ("cartpol", {}, UnknownNameError, "Did you mean 'cartpole'"),
        ("cartpole", {"gravty": 1.0}, UnknownNameError, "Did you mean 'gravity'"),
        ("cartpole", {"gravity": "much"}, SettingError, "expected float"),
        ("cartpole", {"horizon": 0}, SettingError, "at least 1 step"),
        ("cartpole", {"horizon": 2.5}, SettingError, "expected int"),
        ("cartpole", {"horizon": True}, SettingError, "expected int"),
        ("arithmetic", {"longest": "many"}, SettingError, "expected int"),
        ("tabular", {"branching": 99}, SettingError, "branching=99"),
    ],
)
def test_faults_name_what_is_known(name, options, error, told):
    with pytest.raises(error, match=told):
        world(name, **options)
