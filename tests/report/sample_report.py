"""Made-up results of the shape that the quickstart measures: nothing here was run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from pilothouse.core.spaces import Box, Spec
from pilothouse.data.dataset import Dataset
from pilothouse.data.episodes import dataset_from_transitions
from pilothouse.report import (
    DatasetQuality,
    Estimate,
    Level,
    MethodResult,
    OffPolicyEstimate,
    OnlineRun,
    QuickstartData,
)
from pilothouse.statistics import Interval, interquartile_mean, mean, mean_interval, stratified_bootstrap_interval

CEILING = 9360.0
"""What a whole episode of InvertedDoublePendulum-v5 can give."""


def estimate(values) -> Estimate:
    values = np.asarray(values, np.float64)
    return Estimate(float(values.mean()), mean_interval(values) if len(values) > 1 else None)


def online_run(rng: np.random.Generator) -> OnlineRun:
    steps = np.arange(1_000, 17_000, 1_000)
    middle = 60 + (CEILING - 60) / (1 + np.exp(-(steps - 9_500) / 1_300))
    returns = np.clip(
        middle[:, None] + rng.normal(0, 1, (16, 20)) * (0.35 * middle * (1 - middle / 9_700))[:, None], 30, CEILING
    )
    random = estimate(rng.normal(59, 14, 20))
    final = estimate(np.clip(rng.normal(9_340, 30, 20), 0, CEILING))
    return OnlineRun("sac", steps, returns, random, final, 16_000, 61.4)


def dataset(rng: np.random.Generator) -> DatasetQuality:
    levels = [
        Level("random", rng.normal(58, 18, 160).clip(20), 1_010),
        Level("mixed", np.r_[rng.gamma(2, 140, 90), rng.uniform(900, 8_000, 9)], 7_420),
        Level("late", np.r_[rng.uniform(4_000, 9_000, 2), rng.normal(9_320, 40, 6).clip(0, CEILING)], 7_570),
    ]
    every = np.concatenate([np.asarray(level.returns) for level in levels])
    return DatasetQuality(
        "experience-v0", levels, estimate(every), "b3:7f0c9a2d51e84c6b", "runs/quickstart-1/experience-v0", 0.094, 0.71,
        "minari 0.5.4",
    )  # fmt: skip


def method(label: str, recipe: str, returns, rng: np.random.Generator, fqe: OffPolicyEstimate | None) -> MethodResult:
    returns = np.asarray(returns, np.float64)
    steps = np.linspace(0, 6_000, 9)
    rise = 1 / (1 + np.exp(-(steps - 2_000) / 700))
    curves = returns[:, None] * rise * (1 + 0.09 * rng.normal(size=(len(returns), 9)))
    curves[:, -1] = returns

    def over_seeds(statistic) -> Estimate:
        return Estimate(float(statistic(returns)), stratified_bootstrap_interval(returns, statistic, resamples=500))

    return MethodResult(
        label, recipe, list(range(len(returns))), returns, over_seeds(interquartile_mean), over_seeds(mean), 6_000,
        float(rng.uniform(6, 14)), fqe, steps, curves.clip(40, CEILING),
    )  # fmt: skip


def off_policy(value: float, half: float, measured: float, measured_half: float, reason: str = "") -> OffPolicyEstimate:
    def around(center: float, width: float) -> Estimate:
        return Estimate(center, Interval(center - width, center + width))

    return OffPolicyEstimate(around(value, half), not reason, around(measured, measured_half), reason)


def quickstart_data(*, frames: int = 0) -> QuickstartData:
    rng = np.random.default_rng(7)
    methods = [
        method("BC", "bc", [182, 121, 240, 163, 149], rng, off_policy(96, 9, 92, 6)),
        method("TD3+BC", "td3bc", [8_870, 9_330, 6_420, 9_150, 8_990], rng, off_policy(812, 30, 801, 45)),
        method(
            "IQL", "iql", [7_430, 9_120, 8_020, 5_980, 8_610], rng,
            off_policy(1_240, 60, 770, 50, "the Bellman error on held-out transitions is 4 times that of training"),
        ),
    ]  # fmt: skip
    return QuickstartData(
        environment="InvertedDoublePendulum-v5",
        command="pilothouse quickstart --seed 0",
        online=online_run(rng),
        dataset=dataset(rng),
        methods=methods,
        held_out_episodes=20,
        versions={"python": "3.11.7", "pilothouse": "0.1.0", "jax": "0.10.2", "equinox": "0.13.8", "mujoco": "3.17.0"},
        machine={"processor": "x86_64", "cores": "2", "system": "Linux"},
        stages={
            "learning online": 63.8, "recording": 2.1, "learning offline": 92.5, "off-policy estimates": 31.0,
            "filming": 4.2,
        },
        frames=swinging(frames),
        video_caption="TD3+BC, seed 1: one held-out episode, return 9,330.",
        no_video="" if frames else "No video: this machine cannot render (libEGL is missing).",
    )  # fmt: skip


def hopeless_data() -> QuickstartData:
    """Nothing beat the data, the online agent failed, a seed diverged, nothing was estimated."""
    data, rng = quickstart_data(), np.random.default_rng(3)
    methods = [
        method("BC", "bc", [410, 395, 380, 420, 405], rng, None),
        replace(method("IQL", "iql", [390, 470, 350, 440, 300], rng, None), diverged=[4]),
    ]
    online = replace(data.online, final=estimate([40, 55, 61, 70]))
    return replace(data, methods=methods, online=online)


def swinging(count: int, height: int = 240, width: int = 320) -> list[np.ndarray]:
    """A bar that swings before a pale ground: frames that a video can be made of."""
    rows, columns = np.mgrid[0:height, 0:width]
    frames = []
    for index in range(count):
        tip = np.array([np.sin(index / 9) * 90 + width / 2, 60 + 15 * np.cos(index / 9)])
        base = np.array([width / 2, height - 40.0])
        along = ((columns - base[0]) * (tip - base)[0] + (rows - base[1]) * (tip - base)[1]) / ((tip - base) ** 2).sum()
        along = along.clip(0, 1)
        away = np.hypot(columns - base[0] - along * (tip - base)[0], rows - base[1] - along * (tip - base)[1])
        frame = np.full((height, width, 3), (214, 224, 232), np.uint8)
        frame[height - 40 :] = (150, 160, 168)
        frame[away < 7] = (196, 92, 30)
        frames.append(frame)
    return frames


def write_run(folder: Path, *, seeds: int = 5, lines: int = 60) -> Path:
    """A run folder as `pilothouse train` leaves it: SAC, with one loss that turned NaN in the last seed."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "recipe": "sac",
        "settings": {"lr": 3e-4, "batch": 256, "discount": 0.99},
        "source": {"env": "HalfCheetah-v5", "options": {}},
        "seeds": seeds,
        "command": "pilothouse train sac --env HalfCheetah-v5 --seeds 5 --steps 60000",
        "versions": {"python": "3.11.7", "jax": "0.10.2", "pilothouse": "0.1.0"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    rows = []
    for seed in range(seeds):
        top = rng.uniform(3_500, 6_500)
        for index in range(lines):
            row = {
                "step": (index + 1) * 1_000,
                "seed": seed,
                "critic/loss": float(30 * np.exp(-index / 20) + rng.gamma(2, 1)),
                "actor/loss": float(-index * 1.4 + rng.normal(0, 3)),
                "temperature": float(np.exp(-index / 25)),
                "diverged": False,
                "timing": {"seconds": index * 2.1 + 4},
            }
            if index % 3 == 2:
                row["evaluation/return"] = float(top * (1 - np.exp(-index / 18)) + rng.normal(0, 220))
            if seed == seeds - 1 and index == lines - 1:
                row |= {"critic/loss": None, "diverged": True}
            rows.append(json.dumps(row))
    (folder / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def faulty_dataset(episodes: int = 60) -> Dataset:
    """Walks with much that is wrong: gaps, repeated episodes, actions out of bounds, an entry that never changes."""
    rng = np.random.default_rng(4)
    lengths = rng.integers(20, 90, episodes)
    rows = int(lengths.sum())
    obs = np.cumsum(rng.normal(size=(rows, 11)), axis=0) * 0.1
    obs[:, 7] = 1.0
    after = np.roll(obs, -1, axis=0)
    after[::50] += 0.5
    ids = np.repeat(np.arange(episodes), lengths)
    action = rng.choice([-0.9, 0.9], size=(rows, 3)) + rng.normal(0, 0.08, (rows, 3))
    fields = {"obs": obs, "next_obs": after, "action": action, "reward": (rng.uniform(size=rows) > 0.97) * 1.0}
    ends = np.append(ids[1:] != ids[:-1], True)
    marks = {"terminated": ends & (ids % 3 == 0), "truncated": ends & (ids % 3 != 0), "episode_id": ids}
    spec = Spec(Box((11,)), Box((3,), -1.0, 1.0))
    data = dataset_from_transitions({**fields, **marks}, spec, name="warehouse-floor-nightly-recordings-v3")
    return data.select([*range(episodes), 0, 1, 2])
