"""ONNX files as policies, through onnxruntime."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from pilothouse.core.errors import MissingExtraError, PolicyError, SpaceError
from pilothouse.core.spaces import DictSpace, Space, Spec
from pilothouse.policies.foreign.outputs import acted
from pilothouse.policies.host import HostPolicy, brief
from pilothouse.policies.policy import Carry, Extra

TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
}


def read_onnx(path: Path, spec: Spec, *, place: str = "the place") -> "OnnxPolicy":
    """The policy of a graph that takes observations (one input, or one for each entry of a Dict) and gives actions.

    The first axis of every input and output is of copies; a graph made for one copy is asked once for each.
    `pilothouse.policies.foreign.outputs` says which output is the action.

    Raises `PolicyError` for a file that is damaged or takes something else, `SpaceError` where shapes do not fit,
    `MissingExtraError` without onnxruntime.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as missing:
        raise MissingExtraError(f"Reading {path}", "onnx") from missing
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = (
        1  # policies are small: threads cost more than they save
    )
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )  # another try with the same provider would only print to standard output
    except Exception as fault:
        raise PolicyError(f"{path} is no ONNX model that onnxruntime opens ({brief(fault)}).") from fault
    return OnnxPolicy(session, spec, path.name, place)


class OnnxPolicy(HostPolicy):
    """A session of onnxruntime, whose inputs fit the spec's observations."""

    def __init__(self, session: Any, spec: Spec, name: str, place: str):
        self.session, self.spec, self.name = session, spec, name
        self.outputs = [each.name for each in session.get_outputs()]
        inputs = {each.name: each for each in session.get_inputs()}
        if isinstance(spec.obs, DictSpace):
            if set(inputs) != set(spec.obs.spaces):
                raise SpaceError(f"{name} takes {sorted(inputs)}; {place} shows {sorted(spec.obs.spaces)}.")
            self.inputs = {key: (key, *self._form(inputs[key], inner, place)) for key, inner in spec.obs.items}
        else:
            if len(inputs) != 1:
                raise PolicyError(
                    f"{name} takes {len(inputs)} inputs ({', '.join(inputs)}); expected one, the observations. "
                    "A graph that also takes its own memory cannot be used as it is: wrap it in module:function."
                )
            (only,) = inputs.values()
            self.inputs = {"": (only.name, *self._form(only, spec.obs, place))}
        self.fixed = min((batch for _, _, _, batch in self.inputs.values() if batch), default=0)

    def _form(self, given: Any, space: Space, place: str) -> tuple[Any, tuple[int, ...], int]:
        """The dtype of an input, the shape of one copy, and the number of copies it is made for (0 for any)."""
        if given.type not in TYPES:
            raise PolicyError(f"{self.name} takes {given.type} as {given.name}; expected numbers.")
        batch, *shape = given.shape if given.shape else [None]
        size = int(np.prod(space.shape)) if not isinstance(space, DictSpace) else 0
        fixed = [n for n in shape if isinstance(n, int)]
        known = len(fixed) == len(shape)
        if (known and int(np.prod(fixed)) != size) or (not known and len(shape) != len(space.shape)):  # pyright: ignore
            raise SpaceError(
                f"{self.name} takes observations of shape {list(given.shape)} as {given.name}; {place} shows {list(space.shape)} "  # pyright: ignore
                "for each copy. Use it where it was learned."
            )
        return TYPES[given.type], tuple(fixed) if known else space.shape, batch if isinstance(batch, int) else 0  # pyright: ignore

    def act_many(self, obs: PyTree, carry: Carry, seed: int) -> tuple[PyTree, Carry, Extra]:
        copies = len(jax.tree.leaves(obs)[0])
        if self.fixed == 1 and copies > 1:
            rows = [self._run(jax.tree.map(lambda x, i=i: x[i : i + 1], obs)) for i in range(copies)]
            named = {key: np.concatenate([np.atleast_1d(row[key]) for row in rows]) for key in rows[0]}
        elif self.fixed > 1 and copies != self.fixed:
            raise PolicyError(
                f"{self.name} was exported for {self.fixed} copies at a time; export it for any, or for one."
            )
        else:
            named = self._run(obs)
        action, extra = acted(self.name, self.spec.action, named, copies)
        return action, carry, extra

    def _run(self, obs: PyTree) -> dict[str, np.ndarray]:
        feed = {}
        for key, (name, dtype, shape, _) in self.inputs.items():
            part = np.asarray(obs[key] if key else obs)
            feed[name] = part.astype(dtype).reshape(len(part), *shape)
        # Our own exports call the parts of a Dict action `action/name`.
        names = [name.removeprefix("action/") for name in self.outputs]
        return dict(zip(names, self.session.run(None, feed), strict=True))
