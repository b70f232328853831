"""Statistics that observations are standardised with before a policy from elsewhere sees them.

`.npz` with `mean` and `var` (and `epsilon`, `clip`, if they are not 1e-8 and 10) is read as it is. `VecNormalize.save`
of Stable-Baselines3 writes a pickle, which may run anything when opened: it is read with `trust` only, and then with
nothing but NumPy's arrays rebuilt and every other object an empty shell that keeps its fields.
"""

import io
import pickle
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pilothouse.core.errors import PolicyError, SpaceError
from pilothouse.core.spaces import Box, Spec
from pilothouse.policies.foreign.feedforward import Standardised
from pilothouse.policies.host import HostPolicy, brief
from pilothouse.policies.policy import Carry, Extra, Memoryless, Random

LARGEST = 2**26
"""Bytes of a file of statistics at most."""


@dataclass(frozen=True)
class Statistics:
    """`(obs - mean) / sqrt(var + epsilon)`, clipped to ±`clip`."""

    mean: np.ndarray
    var: np.ndarray
    epsilon: float = 1e-8
    clip: float = 10.0

    @property
    def std(self) -> np.ndarray:
        return np.sqrt(self.var + self.epsilon)


def read_statistics(path: Path, spec: Spec, *, trust: bool = False) -> Statistics:
    """The statistics of a file, for observations of this spec.

    Raises `PolicyError` for a pickle without `trust`, a damaged file, or one of other content; `SpaceError` where they
    are of other observations.
    """
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST else None
    except OSError as fault:
        raise PolicyError(f"The statistics {path} cannot be read: {fault.strerror}.") from fault
    if content is None:
        raise PolicyError(f"{path} is too large for statistics of observations ({path.stat().st_size} bytes).")
    if content.startswith((b"PK", b"\x93NUMPY")):
        found = _from_npz(path)
    elif not trust:
        raise PolicyError(
            f"{path} is a pickle, as VecNormalize saves, and a pickle may run anything when it is opened. Give --trust if "
            "you trust its maker, or save its numbers: np.savez('stats.npz', mean=env.obs_rms.mean, var=env.obs_rms.var, "
            "epsilon=env.epsilon, clip=env.clip_obs)."
        )
    else:
        found = _from_pickle(path, content)
    if not isinstance(spec.obs, Box) or len(spec.obs.shape) != 1 or found.mean.shape != spec.obs.shape:
        raise SpaceError(f"{path} standardises observations of shape {found.mean.shape}; the place shows {spec.obs}.")
    good = found.mean.shape == found.var.shape and np.isfinite(found.mean).all() and (found.var >= 0).all()
    if not good or not np.isfinite(found.std).all() or not (found.std > 0).all() or not found.clip > 0:
        raise PolicyError(f"{path} holds a mean that is not finite, or a variance or a clip that is not above 0.")
    return found


def standardised(policy: Any, statistics: Statistics, spec: Spec) -> Any:
    """The policy that sees standardised observations: traceable if it was."""
    if isinstance(policy, HostPolicy):
        return HostStandardised(policy, statistics)
    if not isinstance(policy, Memoryless) or isinstance(policy, Random):
        raise PolicyError("Statistics of observations go with policies from elsewhere; ours carry their own.")
    mean, std = (np.asarray(x, np.float32) for x in (statistics.mean, statistics.std))
    name = getattr(policy, "name", "policy")
    return Standardised(policy, jax.numpy.asarray(mean), jax.numpy.asarray(std), statistics.clip, spec, name)


class HostStandardised(HostPolicy):
    """Shows a host policy standardised observations."""

    def __init__(self, policy: HostPolicy, statistics: Statistics):
        self.policy, self.statistics, self.spec, self.name = policy, statistics, policy.spec, policy.name

    def begin(self, copies: int, seed: int) -> Carry:
        return self.policy.begin(copies, seed)

    def act_many(self, obs: Any, carry: Carry, seed: int) -> tuple[Any, Carry, Extra]:
        shown = np.clip((obs - self.statistics.mean) / self.statistics.std, -self.statistics.clip, self.statistics.clip)
        return self.policy.act_many(shown.astype(np.float32), carry, seed)


def _from_npz(path: Path) -> Statistics:
    try:
        with np.load(path, allow_pickle=False) as found:
            mean, var = np.asarray(found["mean"], np.float64), np.asarray(found["var"], np.float64)
            numbers = {name: float(found[name]) for name in ("epsilon", "clip") if name in found}
    except (OSError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile, EOFError) as fault:
        raise PolicyError(f"{path} is no .npz with `mean` and `var` ({brief(fault)}).") from fault
    return Statistics(mean, var, **numbers)


class _Shell:
    """Stands for an object of any class: keeps its fields, and does nothing."""

    def __init__(self, *given: Any, **named: Any):
        del given, named

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
            state = state[1]
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...


class _Careful(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        arrays = {"_reconstruct", "_frombuffer", "scalar"}
        if module in ("numpy._core.multiarray", "numpy.core.multiarray", "numpy._core.numeric", "numpy.core.numeric"):
            if name in arrays:
                return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return super().find_class(module, name)
        return type(name, (_Shell,), {})


def _check_opcodes(content: bytes) -> None:
    """Raises `ValueError` for a pickle that is garbled, or keeps what it remembers at places that it cannot fill.

    Memory is set aside up to the highest of these places: a turned byte may ask for many gigabytes.
    """
    for opcode, argument, _ in pickletools.genops(content):
        if "PUT" in opcode.name and isinstance(argument, int) and argument > len(content):
            raise ValueError(f"a place {argument} in {len(content)} bytes")


def _from_pickle(path: Path, content: bytes) -> Statistics:
    try:
        _check_opcodes(content)
        found = _Careful(io.BytesIO(content)).load()
        rms = found.obs_rms
        return Statistics(
            np.asarray(rms.mean, np.float64),
            np.asarray(rms.var, np.float64),
            float(found.epsilon),
            float(found.clip_obs),
        )
    except Exception as fault:  # what a garbled pickle raises may be anything
        raise PolicyError(
            f"{path} holds no statistics of VecNormalize over one Box ({type(fault).__name__}: {brief(fault)})."
        ) from fault
