"""Run folders as `train` writes them, made by hand: many, quickly."""

import json
from pathlib import Path
from typing import Any


def make_run(
    place: Path, *, recipe: str = "ppo", seeds: int = 2, steps: int = 10, planned: int | None = None, **more: Any
) -> Path:
    """A run of `steps` logged steps whose return rises by 1 a step and differs by 10 between seeds."""
    place.mkdir(parents=True)
    settings = {"lr": 0.001, **more.pop("settings", {})}
    source = more.pop("source", {"world": "cartpole", "environments": 8, "stack": 1})
    config = {
        "recipe": recipe,
        "settings": settings,
        "source": source,
        "seeds": seeds,
        "seed": 0,
        "plan": {"steps": planned or steps},
        **more,
    }
    (place / "config.json").write_text(json.dumps(config))
    lines = [
        {
            "step": step,
            "seed": seed,
            "loss": 1.0 / step,
            "evaluation/return": float(step + 10 * seed),
            "diverged": False,
            "timing": {"seconds": 1.5},
        }
        for step in range(1, steps + 1)
        for seed in range(seeds)
    ]
    (place / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return place
