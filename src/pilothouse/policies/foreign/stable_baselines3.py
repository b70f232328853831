"""Stable-Baselines3 models (`model.save`) without unpickling and without that library: as traceable policies.

A zip holds `data` (JSON, with pickles in base64 that are never opened) and `policy.pth` (tensors). Which algorithm it
is follows from the names of the tensors; activation and the like stand in `data` in words; the spaces are the place's,
and compared with what `data` says of its own.

**Source:** Raffin et al., "Stable-Baselines3", JMLR 2021; the forms of its version 2.9, with which it is tested.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pilothouse.core.errors import PolicyError, SpaceError
from pilothouse.core.spaces import Box, DictSpace, Discrete, MultiDiscrete, Space, Spec
from pilothouse.policies.foreign.archive import read_members, read_object, read_tensors
from pilothouse.policies.foreign.feedforward import Acts, Feedforward, Layer, Network, PictureNet, Trunk
from pilothouse.policies.host import HostPolicy, choices_in
from pilothouse.policies.policy import Carry, Extra

BUILT_IN = {f"stable_baselines3.{part}.policies" for part in ("common", "ppo", "a2c", "sac", "td3", "ddpg", "dqn")}
EXTRACTORS = {"FlattenExtractor", "CombinedExtractor", "NatureCNN"}
STRIDES = {0: 4, 2: 2, 4: 1}
"""Of the convolutions that pictures go through, by their place among the layers: Mnih et al., Nature 518 (2015)."""
MEAN_LIMIT = 2.0
"""Where SAC with state-dependent exploration bounds its mean."""


def _leaky(x: Array) -> Array:
    return jax.nn.leaky_relu(x, 0.01)


def _gelu(x: Array) -> Array:
    return jax.nn.gelu(x, approximate=False)


def _identity(x: Array) -> Array:
    return x


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "Tanh": jnp.tanh,
    "ReLU": jax.nn.relu,
    "ELU": jax.nn.elu,
    "SELU": jax.nn.selu,
    "CELU": jax.nn.celu,
    "GELU": _gelu,
    "SiLU": jax.nn.silu,
    "Mish": jax.nn.mish,
    "LeakyReLU": _leaky,
    "Sigmoid": jax.nn.sigmoid,
    "Softplus": jax.nn.softplus,
    "Softsign": jax.nn.soft_sign,
    "ReLU6": jax.nn.relu6,
    "Identity": _identity,
}

Tensors = Mapping[str, np.ndarray]


class NotBuiltIn(PolicyError):
    """A model that is made of classes which only its own code can build."""


def read_sb3(path: Path, spec: Spec, *, place: str = "the place", trust: bool = False) -> Feedforward | HostPolicy:
    """The policy of a zip, for a place of this spec, which it acts in as `model.predict(deterministic=True)` does.

    With `trust`, models with classes of their own are opened by stable_baselines3 itself, which unpickles them.

    Raises `PolicyError` for a file that is damaged, no model, or not of a known form; `SpaceError` where it does not
    fit the place; `MissingExtraError` without torch.
    """
    members = read_members(path, ("data", "policy.pth"))
    if set(members) != {"data", "policy.pth"}:
        raise PolicyError(f"{path} is no Stable-Baselines3 model: it lacks `data` or `policy.pth`. Was it saved by it?")
    data = read_object(path, "data", members["data"])
    try:
        _check_built_in(path, data)
        tensors = _arrays(path, read_tensors(path, members["policy.pth"], name="policy.pth"))
        _check_spaces(path, data, spec, place)
        return _build(path, data, tensors, spec, place)
    except NotBuiltIn as fault:
        if not trust:
            raise NotBuiltIn(
                f"{fault} Only its own code can build it, which the file holds as a pickle, and a pickle may run anything "
                "when it is opened. Give --trust if you trust its maker."
            ) from fault
        return _by_the_library(path, data, spec)


def _arrays(path: Path, found: Any) -> dict[str, np.ndarray]:
    if not isinstance(found, dict) or not all(hasattr(value, "numpy") for value in found.values()):
        raise PolicyError(f"{path}: policy.pth holds no state of a policy; expected tensors by name.")
    return {str(name): value.detach().float().numpy() for name, value in found.items()}


def _described(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    given = data.get(name)
    return given if isinstance(given, dict) else {}


def _class_named(text: Any) -> tuple[str, str]:
    """`("torch.nn.modules.activation", "ReLU")` of "<class 'torch.nn.modules.activation.ReLU'>"."""
    found = re.fullmatch(r"<class '(?:([\w.<>]*)\.)?(\w+)'>", str(text))
    return (found[1] or "", found[2]) if found else ("", str(text))


def _check_built_in(path: Path, data: Mapping[str, Any]) -> None:
    module = _described(data, "policy_class").get("__module__")
    if module not in BUILT_IN:
        raise NotBuiltIn(f"{path}: its policy class is of {module!r}, not of Stable-Baselines3.")
    extractor = _described(data, "policy_kwargs").get("features_extractor_class")
    if extractor is not None:
        module, name = _class_named(extractor)
        if not module.startswith("stable_baselines3.") or name not in EXTRACTORS:
            raise NotBuiltIn(
                f"{path}: its observations go through the class {name!r}, and only flat ones are read here."
            )


def _activation(path: Path, data: Mapping[str, Any], default: str) -> Callable[[Array], Array]:
    given = _described(data, "policy_kwargs").get("activation_fn")
    module, name = ("torch.nn", default) if given is None else _class_named(given)
    if not module.startswith("torch.nn") or name not in ACTIVATIONS:
        raise NotBuiltIn(f"{path}: its activation is {name!r}; known are {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]


def _build(path: Path, data: Mapping[str, Any], tensors: Tensors, spec: Spec, place: str) -> Feedforward:
    pictures = _pictures(path, data, tensors, spec)
    values: list[Network] = []
    acts: Acts
    limit = None
    if "action_net.weight" in tensors:  # PPO, A2C
        activation = _activation(path, data, "Tanh")
        actor = Network(
            _trunk(path, tensors, "mlp_extractor.policy_net", activation), _layer(path, tensors, "action_net")
        )
        values.append(
            Network(_trunk(path, tensors, "mlp_extractor.value_net", activation), _layer(path, tensors, "value_net"))
        )
        squashed = _described(data, "policy_kwargs").get("squash_output") is True
        acts = "likeliest" if choices_in(spec.action) else "squashed" if squashed else "clipped"
    elif any(name.startswith("q_net.q_net.") for name in tensors):  # DQN
        actor, acts = _sequence(path, tensors, "q_net.q_net", _activation(path, data, "ReLU")), "best"
    elif any(name.startswith("actor.latent_pi.") for name in tensors) or "actor.mu.weight" in tensors:  # SAC
        activation, acts = _activation(path, data, "ReLU"), "squashed"
        bounded = "actor.mu.0.weight" in tensors
        last = _layer(path, tensors, "actor.mu.0" if bounded else "actor.mu")
        if bounded:
            limit = float(_described(data, "policy_kwargs").get("clip_mean", MEAN_LIMIT))
        actor, values = (
            Network(_trunk(path, tensors, "actor.latent_pi", activation), last),
            _critics(path, tensors, activation),
        )
    elif any(name.startswith("actor.mu.") for name in tensors):  # TD3, DDPG
        activation, acts = _activation(path, data, "ReLU"), "squashed"
        actor, values = _sequence(path, tensors, "actor.mu", activation), _critics(path, tensors, activation)
    else:
        raise NotBuiltIn(f"{path}: the tensors of its policy ({', '.join(list(tensors)[:3])}, …) are of no known form.")
    _check_fits(path, actor, values, spec, place, pictures)
    return Feedforward(actor, tuple(values), spec, path.name, acts, limit, pictures)


def _pictures(
    path: Path, data: Mapping[str, Any], tensors: Tensors, spec: Spec
) -> tuple[PictureNet, PictureNet] | None:
    """What the actor and the values see pictures through; None for models that see rows of numbers."""
    of_actor = ("pi_features_extractor", "features_extractor", "actor.features_extractor", "q_net.features_extractor")
    of_values = ("vf_features_extractor", "features_extractor", "critic.features_extractor")
    prefixes = [next((p for p in names if f"{p}.cnn.0.weight" in tensors), None) for names in (of_actor, of_values)]
    if prefixes == [None, None]:
        if any("features_extractor." in name for name in tensors):
            raise NotBuiltIn(f"{path}: its observations go through a network that is not Stable-Baselines3's own.")
        return None
    if not isinstance(spec.obs, Box) or len(spec.obs.shape) != 3:
        raise SpaceError(f"{path} sees pictures, and the place shows none. Use it where it was learned.")
    first = prefixes[0] or str(prefixes[1])
    actor = _picture_net(path, data, tensors, first, spec.obs)
    shared = prefixes[1] is None or all(
        _same(value, tensors.get(name.replace(first, prefixes[1], 1)))
        for name, value in tensors.items()
        if name.startswith(f"{first}.")
    )
    return actor, actor if shared else _picture_net(path, data, tensors, str(prefixes[1]), spec.obs)


def _same(one: np.ndarray, other: np.ndarray | None) -> bool:
    return other is not None and np.array_equal(one, other)


def _picture_net(path: Path, data: Mapping[str, Any], tensors: Tensors, prefix: str, space: Box) -> PictureNet:
    names = [f"{prefix}.cnn.{place}" for place in STRIDES]
    if not all(f"{name}.{part}" in tensors for name in names for part in ("weight", "bias")):
        raise NotBuiltIn(f"{path}: {prefix} is not the convolutional network of Stable-Baselines3.")
    kernels = [tensors[f"{name}.weight"] for name in names]
    if not all(kernel.ndim == 4 for kernel in kernels):
        raise PolicyError(f"{path}: {prefix}.cnn holds no convolutions over pictures. Save the model again.")
    biases = [tensors[f"{name}.bias"] for name in names]
    kwargs = _described(data, "policy_kwargs")
    net = PictureNet(
        tuple(map(jnp.asarray, kernels)),
        tuple(map(jnp.asarray, biases)),
        _layer(path, tensors, f"{prefix}.linear.0"),
        tuple(STRIDES.values()),
        # The library moves channels to the front; where they already stand there, it leaves them.
        transposed=space.shape[0] != min(space.shape),
        scale=1.0 if kwargs.get("normalize_images") is False else 255.0,
    )
    try:
        jax.eval_shape(net, jax.ShapeDtypeStruct(space.shape, jnp.uint8))
    except (TypeError, ValueError) as fault:
        raise SpaceError(
            f"{path} sees pictures of {kernels[0].shape[1]} channels, of another size than the place's {list(space.shape)}. Use it "
            "where it was learned."
        ) from fault
    return net


def _indices(tensors: Tensors, prefix: str) -> list[int]:
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.weight")
    return sorted(int(found[1]) for name in tensors if (found := pattern.fullmatch(name)))


def _layer(path: Path, tensors: Tensors, prefix: str) -> Layer:
    weight, bias = tensors.get(f"{prefix}.weight"), tensors.get(f"{prefix}.bias")
    if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise PolicyError(f"{path}: {prefix} is no linear layer with weight and bias. Save the model again.")
    return Layer(jnp.asarray(weight), jnp.asarray(bias))


def _trunk(path: Path, tensors: Tensors, prefix: str, activation: Callable[[Array], Array]) -> Trunk:
    return Trunk(tuple(_layer(path, tensors, f"{prefix}.{i}") for i in _indices(tensors, prefix)), activation)


def _sequence(path: Path, tensors: Tensors, prefix: str, activation: Callable[[Array], Array]) -> Network:
    *hidden, last = (_layer(path, tensors, f"{prefix}.{i}") for i in _indices(tensors, prefix))
    return Network(Trunk(tuple(hidden), activation), last)


def _critics(path: Path, tensors: Tensors, activation: Callable[[Array], Array]) -> list[Network]:
    found = []
    while _indices(tensors, f"critic.qf{len(found)}"):
        found.append(_sequence(path, tensors, f"critic.qf{len(found)}", activation))
    return found


def _check_fits(
    path: Path,
    actor: Network,
    values: list[Network],
    spec: Spec,
    place: str,
    pictures: tuple[PictureNet, PictureNet] | None,
) -> None:
    inputs, outputs = _sizes(path, actor)
    seen = spec.obs.size if pictures is None else pictures[0].dense.weight.shape[0]
    if inputs != seen or outputs != spec.action.size:
        raise SpaceError(
            f"{path} takes {inputs} numbers and gives {outputs}; {place} shows {seen} and takes "
            f"{spec.action.size}{' choices' if choices_in(spec.action) else ''}. Use it where it was learned."
        )
    for value in values:
        width, one = _sizes(path, value)
        if one != 1 or width not in (inputs, inputs + outputs):
            raise PolicyError(f"{path}: a value takes {width} numbers and gives {one}; expected {inputs} and 1.")


def _sizes(path: Path, network: Network) -> tuple[int, int]:
    layers = (*network.trunk.layers, network.last)
    for before, after in zip(layers, layers[1:], strict=False):
        if before.weight.shape[0] != after.weight.shape[1]:
            raise PolicyError(
                f"{path}: a layer of {before.weight.shape[0]} units is followed by one that takes "
                f"{after.weight.shape[1]}. Save the model again."
            )
    return layers[0].weight.shape[1], layers[-1].weight.shape[0]


def _check_spaces(path: Path, data: Mapping[str, Any], spec: Spec, place: str) -> None:
    """What the file says of its spaces, in words, against the place's: kinds, shapes, and the bounds of actions."""
    for name, space in (("observation_space", spec.obs), ("action_space", spec.action)):
        described = _described(data, name)
        kind, theirs = _class_named(described.get(":type:"))[1], _kind_of(space)
        shape = described.get("_shape")
        same = kind in ("", "None", theirs) or (kind == "MultiBinary" and isinstance(space, Box | MultiDiscrete))
        if isinstance(shape, list) and len(shape) == 3 and isinstance(space, Box) and len(space.shape) == 3:
            shape = [*space.shape] if sorted(shape) == sorted(space.shape) else shape  # channels first or last
        if not same or (isinstance(shape, list) and theirs == "Box" and kind == "Box" and tuple(shape) != space.shape):  # pyright: ignore
            given = f"{kind}{shape if isinstance(shape, list) and kind == 'Box' else ''}"
            ours = f"{theirs}{list(space.shape) if isinstance(space, Box) else ''}"
            raise SpaceError(
                f"{path} was learned with {name.replace('_', ' ')} {given}; {place} has {ours}. Use it where it was learned."
            )
    if isinstance(spec.action, Box):
        for bound, values in zip(("low", "high"), spec.action.bounds(), strict=True):
            given = _numbers(_described(data, "action_space").get(bound))
            if given is not None and given.size == values.size and not np.allclose(given, values.ravel(), rtol=1e-4):
                raise SpaceError(
                    f"{path} was learned with actions whose {bound} is {given.tolist()}; in {place} it is "
                    f"{values.ravel().tolist()}. Use it where it was learned."
                )


def _kind_of(space: Space) -> str:
    match space:
        case Box():
            return "Box"
        case Discrete():
            return "Discrete"
        case MultiDiscrete():
            return "MultiDiscrete"
        case DictSpace():
            return "Dict"
    return space.kind


def _numbers(text: Any) -> np.ndarray | None:
    """The numbers of an array that was printed, if it was printed whole."""
    if not isinstance(text, str) or "..." in text:
        return None
    try:
        return np.array([float(word) for word in re.sub(r"[\[\],]", " ", text).split()])
    except ValueError:
        return None


class LibraryModel(HostPolicy):
    """A model that its own library opened."""

    def __init__(self, model: Any, spec: Spec, name: str):
        self.model, self.spec, self.name = model, spec, name

    def act_many(self, obs: Any, carry: Carry, seed: int) -> tuple[Any, Carry, Extra]:
        action, _ = self.model.predict(obs, deterministic=True)
        return np.asarray(action), carry, {}


ALGORITHMS = (
    ("PPO", "clip_range"),
    ("A2C", "gae_lambda"),
    ("TD3", "target_policy_noise"),
    ("SAC", "target_entropy"),
    ("DQN", "exploration_fraction"),
)
"""Algorithms by a setting that only they have, in this order."""


def _by_the_library(path: Path, data: Mapping[str, Any], spec: Spec) -> LibraryModel:
    try:
        import stable_baselines3  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as missing:
        raise PolicyError(
            f"{path} has classes of its own, and only stable_baselines3 can open it. Install that: "
            "pip install stable-baselines3"
        ) from missing
    name = next((name for name, setting in ALGORITHMS if setting in data), None)
    if name is None:
        raise PolicyError(f"{path} is of no algorithm of Stable-Baselines3 that is known here.")
    try:
        model = getattr(stable_baselines3, name).load(path, device="cpu")
    except Exception as fault:
        raise PolicyError(
            f"stable_baselines3 cannot open {path} as {name} ({type(fault).__name__}: {fault})."
        ) from fault
    return LibraryModel(model, spec, path.name)
