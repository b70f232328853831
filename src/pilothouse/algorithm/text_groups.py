"""Learning to write from groups of completions of one prompt: what the methods of that family have in common."""

import optax

from pilothouse.algorithm.prompts import draw_prompts
from pilothouse.algorithm.rules import copy
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Rule, Stage, copy_of
from pilothouse.core.aliases import Loss
from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Spec, Tokens
from pilothouse.data.batches import Sweep, Uniform
from pilothouse.networks.transformer import TransformerConfig, transformer
from pilothouse.objectives.tokens import clone_answers
from pilothouse.policies.language import greedy_text, sampled_text


def from_groups(
    spec: Spec,
    loss: Loss,
    compare: Rule,
    *,
    lr: float,
    prompts: int,
    tries: int,
    pretraining: int,
    width: int,
    layers: int,
    epochs: int = 1,
    reference: bool = False,
) -> Algorithm:
    """Draw `tries` completions of each of `prompts` prompts, `compare` them, and sweep over them with `loss`.

    The part `policy` is a transformer of `layers` layers, `width` wide, which first clones the answers of the prompts
    for `pretraining` updates. With `reference`, a part `ref` keeps what it was then. Raises `SpaceError` for actions
    that are not tokens.
    """
    if not isinstance(spec.action, Tokens):
        raise SpaceError(
            f"This method writes tokens, and this source has {spec.action.kind} actions. Give a text world."
        )
    longest = spec.action.longest
    imitate = Fit((Objective(clone_answers, ("policy",)),), Uniform("prompts", 64))
    before = (Stage((imitate,), pretraining, optax.adam(1e-3)),) if pretraining else ()
    if reference and pretraining:
        before = (*before, Stage((copy("policy", "ref"),), 1))
    write = Collect(
        "rollout",
        longest,
        sampled_text("policy", longest),
        task=draw_prompts(prompts, tries),
        fresh=True,
        environments=prompts * tries,
    )
    learn = Fit((Objective(loss, ("policy",)),), Sweep("rollout", 1, epochs, whole=True))
    model = transformer(TransformerConfig(spec.action.vocabulary, width, layers, feedforward=4 * width))
    return Algorithm(
        parts={"policy": model, **({"ref": copy_of("policy")} if reference else {})},
        stages=(*before, Stage((write, compare, learn), optimizer=optax.adam(lr))),
        acts=greedy_text("policy", longest),
        optimizer=optax.adam(lr),
    )
