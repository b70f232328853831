"""What the outputs of a network from elsewhere mean: which is the action, and what else is said.

The action is the output called `action` or `actions`, else the first. Where choices are asked for, whole numbers are
the choices themselves, and rows of one number a choice are scores, of which the highest is chosen: probabilities if they
are called so (or are not negative and sum to 1), `logits` if they are called that.
"""

from collections.abc import Mapping

import numpy as np

from pilothouse.core.errors import PolicyError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space
from pilothouse.policies.host import choices_in
from pilothouse.policies.policy import Extra

ACTIONS = ("action", "actions", "probabilities", "logits")


def acted(name: str, space: Space, outputs: Mapping[str, np.ndarray], copies: int) -> tuple[object, Extra]:
    """`(action, extra)` of named outputs, each with a leading axis of copies, in the order in which they were given."""
    extra: Extra = {}
    for known in ("value", "values", "latent", "q"):
        if known in outputs:
            array = np.asarray(outputs[known])
            one = known in ("value", "values") and array.size == copies
            extra["value" if known == "values" else known] = array.reshape(copies) if one else array
    if isinstance(space, DictSpace):
        missing = [key for key, _ in space.items if key not in outputs]
        if missing:
            raise PolicyError(
                f"{name} gives {', '.join(outputs)}; expected an output for each of {sorted(space.spaces)}."
            )
        return {key: acted(name, inner, {"action": outputs[key]}, copies)[0] for key, inner in space.items}, extra
    chosen = next((key for key in ACTIONS if key in outputs), next(iter(outputs), None))
    if chosen is None:
        raise PolicyError(f"{name} gives no output; expected an action.")
    array = np.asarray(outputs[chosen])
    if isinstance(space, Box):
        return (array.reshape(copies, *space.shape) if array.size == copies * space.size else array), extra
    choices = choices_in(space)
    if isinstance(space, Discrete | MultiDiscrete):
        beside = next((key for key in ("probabilities", "logits") if key in outputs and key != chosen), None)
        if beside is not None and np.shape(outputs[beside]) == (copies, sum(choices)):
            _chosen(space, beside, np.asarray(outputs[beside], np.float64), extra)
        whole = len(choices) == array.shape[-1] and array.dtype.kind in "iu" if array.ndim else False
        if array.shape == (copies, sum(choices)) and not whole:
            return _chosen(space, chosen, array.astype(np.float64), extra), extra
    if array.dtype.kind == "f" and (array == np.round(array)).all():
        array = array.astype(np.int64)
    return (array.reshape(copies, *space.shape) if array.size == copies * len(choices) else array), extra


def _chosen(space: Discrete | MultiDiscrete, called: str, scores: np.ndarray, extra: Extra) -> np.ndarray:
    parts = np.split(scores, np.cumsum(choices_in(space))[:-1], axis=1)
    if called == "logits":
        exponents = [np.exp(part - part.max(axis=1, keepdims=True)) for part in parts]
        extra["probabilities"] = np.concatenate([e / e.sum(axis=1, keepdims=True) for e in exponents], axis=1)
    elif called == "probabilities" or all((p >= 0).all() and np.allclose(p.sum(axis=1), 1, atol=1e-4) for p in parts):
        extra["probabilities"] = scores
    else:
        extra["scores"] = scores
    if not np.isfinite(scores).all():
        return np.full((len(scores), *space.shape), np.nan)  # refused, as NaN is, where actions are checked
    action = np.stack([part.argmax(axis=1) for part in parts], axis=1)
    return action.reshape(len(scores), *space.shape)
