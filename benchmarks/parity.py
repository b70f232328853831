"""Do ours earn what the peers earn? Five seeds of each method, ours and the peer's, measured alike.

    python benchmarks/parity.py [METHOD …]     # goes on where it stopped; about two hours in all on two cores
    python benchmarks/parity.py --report       # only says what the finished seeds say

A finished seed is a file `results/parity/METHOD-SIDE-SEED.json`; one of other settings or other data is done again.
What is compared is the mean return of the likeliest action over 20 episodes after the last step, of actors that are
run by one and the same function here. The interval is Welch's, of the difference of the means over seeds.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from environments import FOLDER, HERE, python_of
from scipy import stats

SEEDS = 5
EPISODES = 20
FIRST_EPISODE = 10_000
BOUND = 0.2
"""Parity is only said when a deficit of this share of the peer's mean is excluded."""
LEVEL = 0.95


@dataclass(frozen=True)
class Method:
    """What is learned, for how many steps (SAC) or updates, and beside whom."""

    shown: str
    peer: str
    environment: str
    script: str
    steps: int
    offline: bool = True


METHODS = {
    "sac": Method("SAC", "Stable-Baselines3", "sb3", "peers/parity_sb3.py", 100_000, offline=False),
    "iql": Method("IQL", "d3rlpy", "d3rlpy", "peers/parity_d3rlpy.py", 20_000),
    "td3bc": Method("TD3+BC", "d3rlpy", "d3rlpy", "peers/parity_d3rlpy.py", 20_000),
    "awac": Method("AWAC", "d3rlpy", "d3rlpy", "peers/parity_d3rlpy.py", 20_000),
    "cql": Method("CQL", "d3rlpy", "d3rlpy", "peers/parity_d3rlpy.py", 5_000),
    "bc": Method("BC", "d3rlpy", "d3rlpy", "peers/parity_d3rlpy.py", 20_000),
}
RECORDED_STEPS = 100_000
TRIAL_STEPS, TRIAL_UPDATES = 1_050, 20
"""Enough to see that everything runs: past the first episode, and past the steps before learning."""


@dataclass(frozen=True)
class Job:
    """Where things lie, and how much is done: the defaults are the real thing, less is for trying it out."""

    results: Path = HERE / "results" / "parity"
    folder: Path = FOLDER / "parity"
    seeds: int = SEEDS
    episodes: int = EPISODES
    trial: bool = False

    def steps_of(self, method: str) -> int:
        if self.trial:
            return TRIAL_UPDATES if METHODS[method].offline else TRIAL_STEPS
        return METHODS[method].steps

    def file(self, method: str, side: str, seed: int) -> Path:
        return self.results / f"{method}-{side}-{seed}.json"


def run(environment: str, script: str, *arguments: object) -> None:
    """A script of one side, to its end; what it prints is kept in `.bench/logs/`."""
    FOLDER.joinpath("logs").mkdir(parents=True, exist_ok=True)
    log = FOLDER / "logs" / f"parity-{environment}.txt"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    clean.setdefault("JAX_PLATFORMS", "cpu")
    command = [str(python_of(environment)), str(HERE / script), *map(str, arguments)]
    with log.open("w") as into:
        done = subprocess.run(command, stdout=into, stderr=subprocess.STDOUT, cwd=FOLDER, env=clean)
    if done.returncode:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"{script}: {last[0] if last else 'ended without a word'} (see .bench/logs/{log.name})")


def returns_of(actor: Path, episodes: int) -> list[float]:
    """Returns of the actor's likeliest action: dense layers with ReLU between, the hyperbolic tangent of the last.

    An actor of ours with deviations that depend on the state, SAC's or CQL's, has their logarithms behind the means; they are left out by taking the action's entries.
    """
    import gymnasium

    given = dict(np.load(actor))
    layers = [(given[f"weight{i}"], given[f"bias{i}"]) for i in range(sum(name.startswith("bias") for name in given))]
    mean, std = given.get("mean", np.float32(0.0)), given.get("std", np.float32(1.0))
    env = gymnasium.make("HalfCheetah-v5")
    entries = env.action_space.shape[0]
    totals = []
    for episode in range(episodes):
        obs, _ = env.reset(seed=FIRST_EPISODE + episode)
        total, over = 0.0, False
        while not over:
            x = (obs.astype(np.float32) - mean) / std
            for weight, bias in layers[:-1]:
                x = np.maximum(x @ weight + bias, 0.0)
            weight, bias = layers[-1]
            obs, reward, terminated, truncated, _ = env.step(np.tanh(x @ weight + bias)[:entries])
            total, over = total + float(reward), terminated or truncated
        totals.append(total)
    env.close()
    return totals


def recorded(job: Job) -> str:
    """The fingerprint of the dataset, which is recorded first if it is not there."""
    arrays = job.folder / "data.npz"
    if not arrays.exists():
        job.folder.mkdir(parents=True, exist_ok=True)
        print("recording the dataset", file=sys.stderr)
        run("ours", "ours/parity.py", "record", TRIAL_STEPS if job.trial else RECORDED_STEPS, job.folder)
    return str(np.load(arrays)["fingerprint"])


def wanted(job: Job, method: str, fingerprint: str | None) -> dict[str, Any]:
    """What a finished seed has to say of itself to count."""
    return {"method": method, "steps": job.steps_of(method), "episodes": job.episodes, "data": fingerprint}


def finished(job: Job, method: str, side: str, seed: int, fingerprint: str | None) -> dict[str, Any] | None:
    file = job.file(method, side, seed)
    stored = json.loads(file.read_text()) if file.exists() else {}
    return stored if wanted(job, method, fingerprint).items() <= stored.items() else None


def do_seed(job: Job, method: str, side: str, seed: int, fingerprint: str | None) -> None:
    """Learns and measures one seed of one side; its file is renamed into place last."""
    about = METHODS[method]
    environment, script = ("ours", "ours/parity.py") if side == "ours" else (about.environment, about.script)
    actor = job.folder / f"{method}-{side}-{seed}.npz"
    job.folder.mkdir(parents=True, exist_ok=True)
    run(environment, script, "learn", method, seed, job.steps_of(method), job.folder, actor)
    returns = returns_of(actor, job.episodes)
    result = wanted(job, method, fingerprint) | {
        "side": "ours" if side == "ours" else about.peer,
        "seed": seed,
        "steps_done": int(np.load(actor)["steps"]),
        "mean": float(np.mean(returns)),
        "returns": [round(value, 2) for value in returns],
    }
    job.results.mkdir(parents=True, exist_ok=True)
    unfinished = job.file(method, side, seed).with_suffix(".tmp")
    unfinished.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    unfinished.replace(job.file(method, side, seed))
    print(f"{about.shown}, {result['side']}, seed {seed}: {result['mean']:.1f}")


def welch(ours: list[float], peer: list[float], level: float = LEVEL) -> tuple[float, float, float]:
    """The difference of the means, ours less the peer's, and its interval's ends by Welch's t."""
    a, b = np.asarray(ours, np.float64), np.asarray(peer, np.float64)
    gap = float(a.mean() - b.mean())
    parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    error = math.sqrt(sum(parts))
    if error == 0.0:
        return gap, gap, gap
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    reach = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    return gap, gap - reach, gap + reach


def statement(shown: str, peer_name: str, ours: list[float], peer: list[float]) -> dict[str, Any]:
    """What may be said: the interval, the smallest deficit that it excludes, and "parity" only where that is small.

    Deficits larger than the interval's lower end are excluded. A peer whose mean is not above 0 has no share to speak of.
    """
    gap, low, high = welch(ours, peer)
    mean = float(np.mean(peer))
    excluded = max(0.0, -low)
    share = excluded / mean if mean > 0 else None
    parity = share is not None and share < BOUND
    of_peer = (
        f"{share:.0%} of the peer's mean" if share is not None else "the peer's mean is not above 0: no share of it"
    )
    told = (
        f"{shown}: ours {np.mean(ours):.0f}, {peer_name} {mean:.0f} over {len(ours)} and {len(peer)} seeds; difference "
        f"{gap:+.0f}, 95% [{low:.0f}, {high:.0f}]; deficits beyond {excluded:.0f} are excluded ({of_peer}): "
        f"{'parity' if parity else f'a deficit of {BOUND:.0%} is not excluded'}."
    )
    return {
        "ours_mean": float(np.mean(ours)),
        "peer": peer_name,
        "peer_mean": mean,
        "seeds": [len(ours), len(peer)],
        "difference": gap,
        "interval": [low, high],
        "smallest_excluded_deficit": excluded,
        "share_of_peer": share,
        "parity": parity,
        "sentence": told,
    }


def report(job: Job, methods: list[str]) -> None:
    """Prints a line for each method, and writes those of whole ones to `summary.json`."""
    fingerprint = str(np.load(job.folder / "data.npz")["fingerprint"]) if (job.folder / "data.npz").exists() else None
    summary_file = job.results / "summary.json"
    summary = json.loads(summary_file.read_text()) if summary_file.exists() else {}
    for method in methods:
        about = METHODS[method]
        data = (fingerprint or stored_fingerprint(job, method)) if about.offline else None
        means = {}
        for side in ("ours", "peer"):
            done = [finished(job, method, side, seed, data) for seed in range(job.seeds)]
            means[side] = [each["mean"] for each in done if each is not None]
        summary.pop(method, None)
        if min(map(len, means.values())) < max(2, job.seeds):
            counts = f"{len(means['ours'])} of ours and {len(means['peer'])} of {about.peer}'s"
            print(f"{about.shown}: {counts} out of {job.seeds} seeds are done; nothing is said yet.")
            continue
        summary[method] = statement(about.shown, about.peer, means["ours"], means["peer"])
        print(summary[method]["sentence"])
    job.results.mkdir(parents=True, exist_ok=True)
    summary_file.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")


def stored_fingerprint(job: Job, method: str) -> str | None:
    """Where the data themselves are not at hand, those that the first finished seed was learned from."""
    file = job.file(method, "ours", 0)
    return json.loads(file.read_text()).get("data") if file.exists() else None


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares our returns with the peers'.")
    parser.add_argument("method", nargs="*", help=f"all if none is given: {', '.join(METHODS)}")
    parser.add_argument("--report", action="store_true", help="learn nothing, only say what is there")
    parser.add_argument("--trial", metavar="FOLDER", help="a trial in this folder: 2 seeds, 1 episode, few steps")
    options = parser.parse_args()
    if unknown := [name for name in options.method if name not in METHODS]:
        print(f"error: no method {', '.join(unknown)}; there are {', '.join(METHODS)}", file=sys.stderr)
        return 2
    job, methods = Job(), options.method or list(METHODS)
    if options.trial:
        place = Path(options.trial).resolve()
        job = Job(place / "results", place, seeds=2, episodes=1, trial=True)
    if not options.report:
        data = recorded(job) if any(METHODS[method].offline for method in methods) else None
        for seed in range(job.seeds):
            for method in methods:
                about = data if METHODS[method].offline else None
                for side in ("ours", "peer"):
                    if finished(job, method, side, seed, about) is None:
                        do_seed(job, method, side, seed, about)
    report(job, methods)
    return 0


if __name__ == "__main__":
    sys.exit(main())
