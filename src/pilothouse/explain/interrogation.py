"""Steps described by what went on inside and outside: hidden layer, action, value, confidence, time and reward."""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA

from pilothouse.core.spaces import Box
from pilothouse.explain.clusters import Embedding
from pilothouse.explain.watched import Watched
from pilothouse.rollout.actors import flat_response


def described(seen: Watched, *, components: int = 2, seed: int = 0) -> Embedding:
    """The embedding by `components` principal components of the latents (of the observations, where none are known),
    the action (a one-hot of choices), the value and the highest probability where the policy tells them, the step, its
    reward and the rewards so far. The components are those of `seen`, also for episodes described later.
    """
    inner = _inner(seen)
    scale = np.where(inner.std(axis=0) > 1e-8, inner.std(axis=0), 1.0)
    pca = PCA(min(components, *inner.shape), random_state=seed).fit(inner / scale)

    def of(one: Watched) -> Float[np.ndarray, "rows units"]:
        columns = [pca.transform(_inner(one) / scale), _acted(one), one.step[:, None], one.reward[:, None]]
        columns.append(so_far(one)[:, None])
        if "value" in seen.extras:
            columns.append(one.extras["value"].reshape(len(one), -1))
        if "probabilities" in seen.extras:
            columns.append(one.extras["probabilities"].max(axis=1, keepdims=True))
        return np.concatenate(columns, axis=1)

    return Embedding("latent, action, value, confidence, time and reward", of)


def _inner(seen: Watched) -> Float[np.ndarray, "rows units"]:
    return np.asarray(seen.extras.get("latent", seen.obs), np.float64).reshape(len(seen), -1)


def _acted(seen: Watched) -> Any:
    if isinstance(seen.spec.action, Box):
        return seen.action.reshape(len(seen), -1)
    return flat_response(seen.spec.action, seen.action)


def so_far(seen: Watched) -> Float[np.ndarray, " rows"]:
    """The sum of rewards of the episode up to and with each step."""
    total = np.cumsum(seen.reward)
    first = np.r_[True, seen.episode[1:] != seen.episode[:-1]]
    before = (total - seen.reward)[first]
    return total - before[np.cumsum(first) - 1]
