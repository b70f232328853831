"""From data into the world: one engine, the same parts, rows of one kind, and a curve that is measured from the border on."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Positive
from pilothouse.algorithm.stages import for_updates
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Rule, Stage, copy_of
from pilothouse.core.errors import SettingError, SpaceError
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform, half_and_half
from pilothouse.data.stores import ring
from pilothouse.evaluate import arms
from pilothouse.evaluate.arms import mean_of_curve
from pilothouse.evaluate.scripted_data import mixed_pendulum
from pilothouse.networks.actors import deterministic_actor
from pilothouse.networks.critics import twin_critic
from pilothouse.objectives.cloning import td3_bc
from pilothouse.objectives.temporal_difference import td3_td
from pilothouse.policies.exploration import noisy
from pilothouse.policies.policy import mode_of
from pilothouse.recipes.offline.rlpd import rlpd
from pilothouse.recipes.offline.td3bc import td3bc
from pilothouse.recipes.online.td3 import td3
from pilothouse.train.checkpoint import latest
from pilothouse.train.metrics import read_metrics
from pilothouse.train.resolve import world_source
from pilothouse.train.run import Run, train
from pilothouse.train.session import offline_cycles, open_session, plan_for
from pilothouse.train.sources import ContinuedSource, DataSource, SimulatorSource, Source

DATA = mixed_pendulum(random=100, poor=100, good=0)
WORLD = ContinuedSource(DATA, world_source("pendulum", environments=1))
SIMULATOR = ContinuedSource(DATA, SimulatorSource("Pendulum-v1"))
SOURCES = pytest.mark.parametrize("source", [WORLD, SIMULATOR], ids=["world", "simulator"])


@recipe("clone-and-go", takes=Takes(source="continued"))
def clone_and_go(
    spec: Spec, *, lr: Positive = 1e-2, offline: Count = 10, width: Count = 4, batch: Count = 4
) -> Algorithm:
    """Two updates a cycle on data, then one step and one update on rows of both."""

    def fit(rows: Any) -> Fit:
        slow = (follow("critic", "critic/slow", 0.1), follow("actor", "actor/slow", 0.1))
        objectives = (Objective(td3_td(), ("critic",)), Objective(td3_bc(1.0), ("actor",)))
        return Fit(objectives, rows, after=slow)

    old, both = Uniform("data", batch, 0.9), half_and_half("data", "replay", batch, 0.9)
    return Algorithm(
        parts={
            "actor": deterministic_actor(spec, width, 1),
            "actor/slow": copy_of("actor"),
            "critic": twin_critic(spec, width, 1),
            "critic/slow": copy_of("critic"),
            "replay": ring(spec, 64),
        },
        stages=(
            for_updates(offline, fit(old), fit(old)),
            Stage((Collect("replay", 1, noisy("actor", 0.1)), fit(both))),
        ),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )


def arrays(parts: Any) -> list[np.ndarray]:
    return [np.array(x) for x in jax.tree.leaves({name: parts[name] for name in ("actor", "critic", "critic/slow")})]


@SOURCES
def test_the_same_parts_go_on_and_what_is_lived_is_in_the_units_of_the_data(source: ContinuedSource) -> None:
    session = open_session(clone_and_go(), source, seeds=[3], episodes=0)
    machine = session.machine
    start = arrays(machine.state.parts)
    machine.advance(5)
    border = arrays(machine.state.parts)
    assert machine.counts_at(5) == (10, 0) and offline_cycles(machine) == 5 and session.step == 10
    machine.advance(1)
    after = arrays(machine.state.parts)
    assert session.step == 11 and int(machine.state.parts["replay"].added[0]) == 1
    for one, two, three in zip(start, border, after, strict=True):
        assert not np.array_equal(one, two)
        # ten updates of Adam at 1e-2 and then one more: the last moves each weight by no more than about its rate
        assert np.abs(three - two).max() < 0.05
    machine.advance(19)
    check_physics(source, jax.tree.map(lambda x: np.asarray(x)[0, :20], machine.state.parts["replay"].rows))
    session.close()


def check_physics(source: ContinuedSource, rows: Any) -> None:
    """Taken back by the data's moments, rows obey the physics of Pendulum: cosine and sine on the circle, and one step."""
    assert source.scaling.mean is not None
    mean, std = np.array(source.scaling.mean), np.array(source.scaling.std)
    for obs in (rows.obs, rows.next_obs):
        own = obs * std + mean
        np.testing.assert_allclose(own[:, 0] ** 2 + own[:, 1] ** 2, 1.0, atol=1e-5)
        assert (np.abs(obs[:, 0] ** 2 + obs[:, 1] ** 2 - 1) > 1e-3).any()
    inside = rows.episode_id[1:] == rows.episode_id[:-1]
    np.testing.assert_array_equal(rows.obs[1:][inside], rows.next_obs[:-1][inside])
    # One step by hand, in the world's units: rate' = rate + 0.05 (15 sin(angle) + 3 torque), torque = 2 * unit action.
    (_, sine, rate), torque = (rows.obs[0] * std + mean), 2.0 * rows.action[0, 0]
    wanted = np.clip(rate + 0.05 * (15.0 * sine + 3.0 * torque), -8, 8)
    np.testing.assert_allclose((rows.next_obs[0] * std + mean)[2], wanted, atol=1e-4)


def test_the_whole_curve_in_the_world_is_measured_from_the_border_on(monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_session(clone_and_go(offline=1_000), WORLD, seeds=[0], episodes=1)
    plan = plan_for(session.machine, WORLD, 40, evaluations=4)
    assert (plan.online_from, plan.cycles, plan.steps) == (500, 540, 1_040)
    borders, done = [], 0
    while done < plan.cycles:
        done = plan.next_border(done)
        borders.append(done)
    assert [b for b in borders if plan.due(plan.evaluate_every, b)] == [500, 510, 520, 530, 540]
    assert [b for b in borders if b <= 500] == [125, 250, 375, 500]
    assert all(plan.checkpoint_due(b) for b in borders if b < 500)
    session.run(plan)
    steps = [look.step for look in session.looks]
    assert steps == sorted(set(steps)) and steps[-1] == 1_040  # each look has a step of its own
    assert [look.step for look in session.looks if look.returns is not None] == [1_000, 1_010, 1_020, 1_030, 1_040]
    returns = [look.returns.mean() for look in session.looks if look.returns is not None]
    np.testing.assert_allclose(mean_of_curve(session), np.mean(returns[1:]), rtol=1e-6)
    given: list[Any] = []
    monkeypatch.setattr(arms, "learn", lambda *a, **k: given.append((a, k)) or session)
    found = arms.curve_returns({"one": (clone_and_go, {"lr": 0.5})}, WORLD, steps=40, seeds=[0], evaluations=4)
    np.testing.assert_allclose(found.values["one"], np.mean(returns[1:]), rtol=1e-6)
    assert given[0][0][0].floats == {"lr": 0.5} and given[0][1] == {"steps": 40, "seeds": [0], "evaluations": 4}


REFUSED: list[tuple[Any, Source, dict[str, int | None], str]] = [
    (clone_and_go(), WORLD, {"steps": 10}, "--online-steps N"),
    (td3bc(), WORLD.offline, {"steps": 10, "online_steps": 10}, "does not go on from data"),
    (td3(), WORLD.place, {"steps": 10, "online_steps": 10}, "does not go on from data"),
    (rlpd(), WORLD, {"steps": 10, "online_steps": 10}, "learns nothing before it goes online"),
    (td3(), WORLD.offline, {"steps": 10}, "learns from an environment"),
    (td3(), WORLD, {"steps": 10}, "learns from an environment"),
    (td3bc(), WORLD, {"steps": 10}, "learns from a dataset"),
    (rlpd(), WORLD.offline, {"online_steps": 10}, "goes on in the world"),
    (rlpd(), WORLD.place, {"online_steps": 10}, "goes on in the world"),
    (clone_and_go(), WORLD, {"online_steps": 0}, "online_steps=0"),
    (clone_and_go(), WORLD, {"steps": 0, "online_steps": 5}, "steps=0"),
    (td3bc(), WORLD.offline, {}, "No --steps"),
]


@pytest.mark.parametrize(("bound", "source", "lengths", "words"), REFUSED, ids=range(len(REFUSED)))
def test_lengths_and_sources_that_do_not_fit_are_refused_in_one_line(
    bound: Any, source: Source, lengths: Any, words: str, tmp_path: Path
) -> None:
    with pytest.raises((SettingError, SpaceError), match=words) as refused:
        train(bound, source, out=tmp_path / "none", **lengths)
    assert "\n" not in str(refused.value) and not (tmp_path / "none").exists()


@SOURCES
def test_cut_short_before_the_border_and_resumed_across_it_bit_for_bit(source: ContinuedSource, tmp_path: Path) -> None:
    """Killed while it still learns from the data, where checkpoints fall too: nothing is lived yet, and no row is kept."""
    how: dict[str, Any] = {"steps": 8, "online_steps": 6, "episodes": 0, "evaluations": 2}

    def stop(line: str) -> None:
        if line.startswith("step 8/"):
            raise KeyboardInterrupt

    train(clone_and_go(), source, out=tmp_path / "whole", **how)
    with pytest.raises(KeyboardInterrupt):
        train(clone_and_go(), source, out=tmp_path / "cut", tell=stop, **how)
    assert latest(tmp_path / "cut" / "checkpoints").name == f"{4:012d}"  # type: ignore
    going = train(clone_and_go(), source, out=tmp_path / "cut", resume=True, **how)
    assert going.steps == 14
    whole, again = [tmp_path / name / "checkpoints" / f"{14:012d}" / "state.safetensors" for name in ("whole", "cut")]
    assert whole.read_bytes() == again.read_bytes()
    lines = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "cut")]
    one, other = ([{k: v for k, v in line.items() if k != "timing"} for line in each] for each in lines)
    assert one == other
    config = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert (config["steps"], config["online_steps"], config["settings"]["offline"]) == (8, 6, 8)
    assert config["plan"]["online_from"] == 4 and config["source"]["continued"] is True
    with pytest.raises(SettingError, match="begun with settings"):
        train(clone_and_go(), source, out=tmp_path / "cut", **{**how, "steps": 10}, resume=True)


def test_python_names_the_place_beside_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    import pilothouse
    from pilothouse import api

    given: list[Any] = []
    done = Run(Path(), "", [], 0, [], 0.0)
    monkeypatch.setattr(api, "_train", lambda bound, source, **how: given.append((source, how)) or done)
    pilothouse.train(clone_and_go(), DATA, env="pendulum", online_steps=5)
    pilothouse.train(td3bc(), DATA, env="pendulum", steps=5)
    (lived, how), (offline, _) = given
    assert isinstance(lived, ContinuedSource) and lived.place.environments == 1 and how["online_steps"] == 5
    assert isinstance(offline, DataSource) and offline.evaluation is not None
    with pytest.raises(SettingError, match="place to learn in already"):
        pilothouse.train(td3(), "pendulum", env="pendulum", steps=5)
    with pytest.raises(SettingError, match="does not fit the dataset"):
        pilothouse.train(clone_and_go(), DATA, env="cartpole", online_steps=5)


def test_a_stage_of_so_many_updates_is_in_whole_cycles() -> None:
    one = Fit((Objective(td3_td(), ("critic",)),), Uniform("data", 4, 0.9), times=3)
    assert [for_updates(n, one, one).cycles for n in (1, 6, 7, 12, 13)] == [1, 1, 2, 2, 3]
    with pytest.raises(ValueError, match="without updates"):
        for_updates(3, Rule(lambda parts, batch, aux, key: {}, ()))
