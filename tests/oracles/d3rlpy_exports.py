"""Policies that d3rlpy exports (`save_policy`), and what it answers: artefacts of tests/policies/foreign.

    python -m venv /tmp/d3 && /tmp/d3/bin/pip install d3rlpy==2.8.1 torch==2.13.0 onnx onnxscript
    /tmp/d3/bin/python tests/oracles/d3rlpy_exports.py tests/policies/foreign

Writes `d3rlpy_<name>.{pt,onnx}` (width 8) and `d3rlpy.json`: observations and the actions of `algo.predict`.
"""

import json
import sys
from pathlib import Path

import d3rlpy
import numpy as np
import torch

OUT = Path(sys.argv[1])


def main() -> None:
    generator = np.random.default_rng(0)
    obs = generator.normal(size=(200, 3)).astype(np.float32)
    ends = np.zeros(200, np.float32)
    ends[99::100] = 1
    rewards = generator.normal(size=200).astype(np.float32)
    width = d3rlpy.models.VectorEncoderFactory([8, 8])
    found = {"versions": {"d3rlpy": d3rlpy.__version__, "torch": torch.__version__}, "policies": {}}
    original = torch.onnx.export

    def old_exporter(*given, **named):
        """The exporter that takes traced functions, which d3rlpy hands over."""
        return original(*given, **{**named, "dynamo": False})

    torch.onnx.export = old_exporter
    kinds = {
        "td3bc": (
            d3rlpy.algos.TD3PlusBCConfig(
                actor_encoder_factory=width,
                critic_encoder_factory=width,
                observation_scaler=d3rlpy.preprocessing.StandardObservationScaler(),
                action_scaler=d3rlpy.preprocessing.MinMaxActionScaler(minimum=[-2.0], maximum=[2.0]),
            ),
            generator.uniform(-2, 2, (200, 1)).astype(np.float32),
        ),
        "discrete_cql": (
            d3rlpy.algos.DiscreteCQLConfig(encoder_factory=width),
            generator.integers(0, 3, (200, 1)),
        ),
    }
    for name, (config, actions) in kinds.items():
        data = d3rlpy.dataset.MDPDataset(obs, actions, rewards, ends)
        algo = config.create(device="cpu:0")
        algo.fit(data, n_steps=20, n_steps_per_epoch=20, logger_adapter=d3rlpy.logging.NoopAdapterFactory())
        for suffix in ("pt", "onnx"):
            algo.save_policy(str(OUT / f"d3rlpy_{name}.{suffix}"))
            print(name, suffix, (OUT / f"d3rlpy_{name}.{suffix}").stat().st_size)
        asked = obs[:12]
        found["policies"][name] = {"obs": asked.tolist(), "action": algo.predict(asked).tolist()}
    (OUT / "d3rlpy.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
