"""GRPO through the engine: one optimiser step on 8 prompts × 8 completions × 32 tokens, generation included.

The architecture, vocabulary, prompts, reward, clip and learning rate are the TRL side's. With a divergence weight of 0
TRL keeps no reference model, and neither does this: the algorithm is made of the recipe's pieces without one.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine import PACKAGES, EngineWorker
from protocol import serve

PROMPTS, COMPLETIONS, TOKENS, PROMPT_TOKENS = 8, 8, 32, 8
CHARACTERS = "0123456789+-*=? abcdefghijklmnopqrstuvwxyz.,:;()ABCDEFGHIJK"
SPECIAL = 3
VOCABULARY = SPECIAL + len(CHARACTERS)


def make() -> EngineWorker:
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from pilothouse.algorithm.rules import in_turn
    from pilothouse.algorithm.text_groups import from_groups
    from pilothouse.core.batch import Batch
    from pilothouse.core.spaces import DictSpace, Discrete, Spec, Tokens
    from pilothouse.objectives.group_advantages import (
        less_group_mean,
        mean_over_tokens_then_sequences,
        over_group_deviation,
    )
    from pilothouse.objectives.terms import clipped, terms
    from pilothouse.objectives.tokens import evaluate_tokens
    from pilothouse.train.sources import WorldSource
    from pilothouse.worlds.world import Outcome

    texts = [f"{index % 90 + 10:02d}+{index % 83 + 10:02d}=? "[:PROMPT_TOKENS] for index in range(512)]
    tokens = np.array([[SPECIAL + CHARACTERS.index(c) for c in text] for text in texts], np.int32)

    class State(eqx.Module):
        count: Any

    class Text(eqx.Module):
        """Any 32 tokens; each digit among them earns 1/32."""

        horizon: int = eqx.field(static=True, default=TOKENS)

        @property
        def spec(self) -> Spec:
            places = Discrete(PROMPT_TOKENS + TOKENS)
            obs = DictSpace.of({"token": Discrete(VOCABULARY), "position": places})
            return Spec(obs, Tokens(VOCABULARY, TOKENS, PROMPT_TOKENS))

        def reset(self, task: Any, key: Any) -> Any:
            return State(jnp.int32(0)), {"token": task["prompt"][-1], "position": jnp.int32(PROMPT_TOKENS - 1)}

        def step(self, state: Any, action: Any, key: Any) -> Any:
            count = state.count + 1
            digit = (action >= SPECIAL) & (action < SPECIAL + 10)
            outcome = Outcome(
                next_obs={"token": action, "position": PROMPT_TOKENS - 1 + count},
                reward=digit / TOKENS,
                terminated=count >= TOKENS,
                truncated=jnp.zeros((), bool),
            )
            return State(count), outcome

    world = Text()
    source = WorldSource("characters", world, PROMPTS * COMPLETIONS, prompts=Batch(prompt=jnp.asarray(tokens)))
    compare = in_turn(less_group_mean(COMPLETIONS), over_group_deviation(COMPLETIONS), mean_over_tokens_then_sequences)
    loss = terms(evaluate_tokens("policy"), (clipped(0.2, normalise=False), 1.0), name="grpo")
    sizes = {"prompts": PROMPTS, "tries": COMPLETIONS, "width": 128, "layers": 4}
    algorithm = from_groups(world.spec, loss, compare, lr=1e-5, pretraining=0, **sizes)
    model = jax.eval_shape(algorithm.parts["policy"], jax.random.key(0))  # type: ignore
    parameters = sum(leaf.size for leaf in jax.tree.leaves(model))
    return EngineWorker(algorithm, source, sizes, {"parameters": int(parameters)})


if __name__ == "__main__":
    serve(make, *PACKAGES)
