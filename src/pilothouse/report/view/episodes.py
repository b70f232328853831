"""One episode of a saved policy, acted here and now, with everything needed to look at it step by step."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, DictSpace
from pilothouse.explain.sensitivity import action_sensitivity
from pilothouse.report.view.folder import read_config
from pilothouse.rollout.collect import act, fresh_carries
from pilothouse.train.evaluation import HELD_OUT
from pilothouse.train.learned_values import value_of
from pilothouse.train.policy_files import load, policy_folder
from pilothouse.train.resolve import environment_source, world_source
from pilothouse.train.sources import SimulatorSource, WorldSource

LONGEST = 1_000
"""Steps that are kept; a longer episode is shown as far as that."""
MOST_FRAMES = 500
"""Pictures kept of an episode: every one, every second, … so that they stay below this."""
WIDEST = 480


@dataclass(frozen=True)
class Watched:
    """An episode. Leading axes are steps; `value`, `sensitivity` and `frames` may be missing, and then `notes` say why.

    `to_come` is the undiscounted reward from this step to the end: what `value`, which is discounted, is about.
    `frames` are JPEG images, of every `every`-th step.
    """

    place: str
    seed: int
    obs: np.ndarray
    obs_names: list[str]
    action: np.ndarray
    reward: np.ndarray
    to_come: np.ndarray
    ended: str
    value: np.ndarray | None = None
    sensitivity: np.ndarray | None = None
    frames: list[bytes] = field(default_factory=list, repr=False)
    every: int = 1
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """What the page's script reads."""
        return {
            "place": self.place,
            "seed": self.seed,
            "steps": len(self.reward),
            "obs": _rounded(self.obs),
            "obsNames": self.obs_names,
            "action": _rounded(self.action),
            "reward": _rounded(self.reward),
            "toCome": _rounded(self.to_come),
            "value": None if self.value is None else _rounded(self.value),
            "sensitivity": None if self.sensitivity is None else _rounded(self.sensitivity),
            "frames": len(self.frames),
            "every": self.every,
            "ended": self.ended,
            "notes": list(self.notes),
        }


def _rounded(array: np.ndarray) -> Any:
    clean = np.where(np.isfinite(array), array, 0.0)
    return np.vectorize(lambda x: float(f"{x:.5g}"), otypes=[float])(clean).tolist() if clean.size else []


def place_of(run: Path) -> WorldSource | SimulatorSource:
    """Where a run's policies are measured. Raises `DataError` where that is not known."""
    config = read_config(run / "config.json") or {}
    source = config.get("source")
    source = source if isinstance(source, dict) else {}
    for found in (source.get("evaluation"), source.get("world_source"), source):
        if not isinstance(found, dict):
            continue
        stack = found.get("stack", 1)
        if isinstance(found.get("world"), str) and found["world"] != "arithmetic":
            return world_source(found["world"], stack=stack)
        if isinstance(found.get("env"), str):
            return environment_source(found["env"], stack=stack)
    raise DataError("This run names no environment to act in; it learned from data alone (or from text).")


def watch(run: Path, *, policy_seed: int | None = None, seed: int = 0) -> Watched:
    """Acts one held-out episode of a run's policy. Raises `PilothouseError`s for whatever is missing."""
    place = place_of(run)
    folder = policy_folder(run, policy_seed)
    policy = load(folder)
    decide = jax.jit(lambda obs, carry, key: act(policy, obs, carry, key, each=False)[:2])
    begin = fresh_carries(policy, (), 1, jax.random.key(seed), each=False)
    if isinstance(place, WorldSource):
        seen, actions, rewards, carries, frames, ended, notes = _in_world(place, decide, begin, seed)
    else:
        seen, actions, rewards, carries, frames, ended, notes = _in_simulator(place, decide, begin, seed)
    obs, names = _flat(place.spec.obs, seen)
    sensitivity = None
    if names and isinstance(place.spec.obs, Box):
        stacked = jax.tree.map(lambda *x: jnp.stack([leaf[0] for leaf in x]), *carries)
        scale = jnp.asarray(obs.std(axis=0), jnp.float32)
        found = jax.jit(lambda o, c: action_sensitivity(policy, place.spec.action, o, c, scale, jax.random.key(seed)))
        sensitivity = np.asarray(found(jnp.asarray(np.stack(seen)), stacked))
    else:
        notes.append("Saliency is shown for observations that are one flat list of numbers.")
    value = value_of(run, policy.spec, policy_seed)
    values = None
    if value is not None:
        values = np.asarray(jax.jit(jax.vmap(value))(_stack(seen), _stack(actions)), np.float64)
    else:
        notes.append("This run keeps no value to look up; what is still to come was measured in this episode.")
    reward = np.asarray(rewards, np.float64)
    every = -(-len(frames) // MOST_FRAMES) if frames else 1
    return Watched(
        place.name,
        seed,
        obs,
        names,
        np.stack([np.ravel(a).astype(np.float64) for a in map(_joined, actions)]),
        reward,
        np.cumsum(reward[::-1])[::-1],
        ended,
        values,
        sensitivity,
        [_jpeg(frame) for frame in frames[::every]],
        every,
        tuple(notes),
    )


def _stack(rows: list[Any]) -> Any:
    return jax.tree.map(lambda *x: jnp.stack([jnp.asarray(leaf) for leaf in x]), *rows)


def _joined(action: Any) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(action)])


def _flat(space: Any, seen: list[Any]) -> tuple[np.ndarray, list[str]]:
    """Observations as rows of numbers with names, where there are few enough to look at."""
    if isinstance(space, DictSpace):
        parts = {name: np.stack([np.ravel(row[name]) for row in seen]) for name, _ in space.items}
        named = [f"{name}[{i}]" for name, part in parts.items() for i in range(part.shape[1])]
        rows = np.concatenate(list(parts.values()), axis=1)
    else:
        rows = np.stack([np.ravel(np.asarray(row)) for row in seen])
        named = [f"obs[{i}]" for i in range(rows.shape[1])]
    return (rows.astype(np.float64), named) if len(named) <= 400 else (np.zeros((len(seen), 0)), [])


def _in_world(place: WorldSource, decide: Any, carry: Any, seed: int) -> tuple[Any, ...]:
    world, key = place.world, jax.random.key(HELD_OUT + seed)
    step, reset = jax.jit(world.step), jax.jit(lambda key: world.reset((), key))
    render = getattr(world, "render", None)
    state, obs = reset(key)
    seen, actions, rewards, carries, frames, notes, ended = [], [], [], [], [], [], "cut short"
    for number in range(LONGEST):
        now = jax.random.fold_in(key, number)
        if render is not None:
            frames.append(np.asarray(render(jax.tree.map(np.asarray, state))))
        seen.append(jax.tree.map(np.asarray, obs))
        carries.append(carry)
        action, carry = decide(jax.tree.map(lambda x: x[None], obs), carry, now)
        action = jax.tree.map(lambda x: x[0], action)
        state, outcome = step(state, action, now)
        actions.append(jax.tree.map(np.asarray, action))
        rewards.append(float(outcome.reward))
        obs = outcome.next_obs
        if bool(outcome.terminated) or bool(outcome.truncated):
            ended = "terminated" if bool(outcome.terminated) else "time limit"
            break
    return seen, actions, rewards, carries, frames, ended, notes


def _in_simulator(place: SimulatorSource, decide: Any, carry: Any, seed: int) -> tuple[Any, ...]:
    from pilothouse.worlds.host import GymnasiumWorld
    from pilothouse.worlds.rendering import rendering_backend
    from pilothouse.worlds.wrappers import frame_stack

    notes: list[str] = []
    drawn = rendering_backend()  # before MuJoCo is imported: it chooses its renderer then
    try:
        bare = GymnasiumWorld(place.name, 1, render_mode="rgb_array")
        bare.reset([0], [0])
        bare.render(0)
    except Exception as fault:  # a renderer may fail in ways of its own; the episode is shown without pictures
        notes.append(f"No pictures: {drawn.reason or ' '.join(str(fault).split())[:160]}")
        bare = GymnasiumWorld(place.name, 1)
    pictures = not notes
    world = bare if place.stack == 1 else frame_stack(bare, place.stack)
    key = jax.random.key(HELD_OUT + seed)
    obs = world.reset([0], [HELD_OUT + seed])
    seen, actions, rewards, carries, frames, ended = [], [], [], [], [], "cut short"
    try:
        for number in range(LONGEST):
            if pictures:
                frames.append(np.asarray(bare.render(0)))
            seen.append(jax.tree.map(lambda x: np.array(x[0]), obs))
            carries.append(carry)
            action, carry = decide(obs, carry, jax.random.fold_in(key, number))
            action = jax.tree.map(np.asarray, action)
            outcome = world.step(action)
            actions.append(jax.tree.map(lambda x: x[0], action))
            rewards.append(float(outcome["reward"][0]))
            obs = jax.tree.map(np.array, outcome["next_obs"])
            if outcome["terminated"][0] or outcome["truncated"][0]:
                ended = "terminated" if outcome["terminated"][0] else "time limit"
                break
    finally:
        world.close()
    return seen, actions, rewards, carries, frames, ended, notes


def _jpeg(frame: np.ndarray) -> bytes:
    from PIL import Image

    image = Image.fromarray(frame)
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=82)
    return target.getvalue()
