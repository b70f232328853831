"""From what a user names as POLICY to a policy: a run, a file of another library, a Python name, or `random`."""

import hashlib
from pathlib import Path
from typing import Any

from pilothouse.core.errors import CheckpointError, PolicyError, SettingError
from pilothouse.policies.host import HostPolicy
from pilothouse.policies.language_model import LanguageModel
from pilothouse.policies.policy import Policy, Random
from pilothouse.train.sources import SimulatorSource, WorldSource

Place = WorldSource | SimulatorSource

KINDS = "a run, a policy folder, .zip (Stable-Baselines3), .onnx, .pt, .stablehlo, module:function, or `random`"


def open_policy(
    name: str | Path,
    place: Place,
    *,
    builder: str | None = None,
    trust: bool = False,
    normalize: str | Path | None = None,
    seed: int | None = None,
) -> Policy | HostPolicy:
    """The policy called `name`, acting in the units of `place`.

    **Arguments:**
    - `name`: a run, checkpoint or policy folder of ours; a Stable-Baselines3 `.zip`; `.onnx`; `.pt` or `.pth` (TorchScript,
      or a state with `builder`); `.stablehlo` of our export; `module:function`; or `random`.
    - `builder`: `module:function` that makes the torch module of a state.
    - `trust`: open what only unpickling opens (classes of its own, a whole torch module, VecNormalize's `.pkl`).
    - `normalize`: statistics that observations are standardised with, of VecNormalize or as `.npz`.
    - `seed`: which policy of a run of several seeds.

    **Raises:** `PolicyError`, `CheckpointError`, `SpaceError`, `UnknownNameError` or `MissingExtraError`, one line each.
    """
    found = _opened(name, place, builder, trust, seed)
    if normalize is None:
        return found
    from pilothouse.policies.foreign.normalisation import read_statistics, standardised

    statistics = read_statistics(Path(normalize), place.spec, trust=trust)
    return standardised(found, statistics, place.spec)


def _opened(name: str | Path, place: Place, builder: str | None, trust: bool, seed: int | None) -> Policy | HostPolicy:
    path, spec = Path(name), place.spec
    kind = path.suffix.lower()
    if builder is not None and kind not in (".pt", ".pth"):
        raise SettingError(f"--builder goes with a torch state (.pt); {name} is none.")
    if str(name) == "random":
        return Random(spec.action)
    if path.is_dir():
        return _folder(path, seed)
    if not path.is_file():
        if ":" in str(name) and kind not in (".zip", ".onnx", ".pt", ".pth", ".stablehlo"):
            from pilothouse.policies.foreign.function import function_policy

            return function_policy(str(name), spec)
        raise CheckpointError(f"No such policy: {name}. Give {KINDS}.")
    match kind:
        case ".zip":
            from pilothouse.policies.foreign.stable_baselines3 import read_sb3

            return read_sb3(path, spec, place=place.name, trust=trust)
        case ".onnx":
            from pilothouse.policies.foreign.onnx_file import read_onnx

            return read_onnx(path, spec, place=place.name)
        case ".pt" | ".pth":
            from pilothouse.policies.foreign.torch_file import read_torch

            return read_torch(path, spec, builder=builder, trust=trust)
        case ".stablehlo":
            from pilothouse.policies.foreign.stablehlo import read_stablehlo

            return read_stablehlo(path, spec, place=place.name)
        case ".d3":
            raise PolicyError(
                f"{name} is d3rlpy's own pickle. Export the policy: algo.save_policy('policy.onnx') or '.pt'."
            )
        case ".pkl" | ".pickle" | ".joblib":
            raise PolicyError(f"{name} is a pickle, which may run anything when it is opened. Give {KINDS}.")
    raise PolicyError(f"{name} is of no kind that is known. Give {KINDS}.")


def _folder(path: Path, seed: int | None) -> Policy:
    from pilothouse.policies.foreign.hugging_face import is_language_model
    from pilothouse.train.policy_files import load

    if not (path / "policy").exists() and is_language_model(path):
        raise PolicyError(
            f"{path} is a language model of Hugging Face, which acts in no environment: give --task FILE and "
            "--verifier NAME in place of --env."
        )
    return load(path, seed=seed)


def open_language_model(name: str | Path, *, seed: int | None = None) -> LanguageModel:
    """The language model called `name`: a folder of Hugging Face, or a run, checkpoint or policy folder of ours.

    A run of ours in the arithmetic world writes in that world's characters. Raises `PolicyError` for a policy that
    writes no text, `CheckpointError` where there is none, and what `read_language_model` raises.
    """
    from pilothouse.policies.foreign.hugging_face import is_language_model, read_language_model
    from pilothouse.policies.language import Decoding
    from pilothouse.train.policy_files import load
    from pilothouse.worlds.arithmetic import EOS, VOCABULARY, ArithmeticWords

    path = Path(name)
    if not path.is_dir():
        raise CheckpointError(f"No such language model: {name}. Give a folder: a run, or a model of Hugging Face.")
    if not (path / "policy").exists() and is_language_model(path):
        return read_language_model(path)
    policy: Any = load(path, seed=seed)
    while hasattr(policy, "policy"):
        policy = policy.policy
    if not isinstance(policy, Decoding) or policy.model.config.vocabulary != VOCABULARY:
        raise PolicyError(f"{name} is a policy that writes no text. Give --env or --world, where it acts.")
    return LanguageModel(policy.model, ArithmeticWords(), (EOS,), name=path.name)


def place_named(*, env: str | None, world: str | None, stack: int = 1) -> Place:
    """The environment or world that is named. Raises `SettingError` for none or both."""
    from pilothouse.train.resolve import environment_source, world_source

    if (env is None) == (world is None):
        raise SettingError(
            "Where? Give --env ID or --world NAME." if env is None else "Give --env or --world, not both."
        )
    return environment_source(env, stack=stack) if env is not None else world_source(str(world), stack=stack)


def policy_and_place(
    name: str | Path,
    *,
    env: str | None = None,
    world: str | None = None,
    builder: str | None = None,
    trust: bool = False,
    normalize: str | Path | None = None,
) -> tuple[Policy | HostPolicy, Place]:
    """`open_policy`, and the place that `env` or `world` names, shown to the policy as it was where it learned."""
    # Ours say how many observations they see together.
    stack = getattr(_folder(Path(name), None), "stack", 1) if Path(name).is_dir() else 1
    place = place_named(env=env, world=world, stack=stack)
    return open_policy(name, place, builder=builder, trust=trust, normalize=normalize), place


def fingerprint_of(name: str | Path) -> str | None:
    """The SHA-256 of the file that holds the policy (of the weights, for a folder); None for what is no file.

    Of a language model in several files, that of their checksums one after another.
    """
    from pilothouse.policies.foreign.hugging_face import is_language_model
    from pilothouse.train.policy_files import policy_folder

    path = Path(name)
    if not path.exists():
        return None
    if not path.is_dir():
        files = [path]
    elif not (path / "policy").exists() and is_language_model(path):
        files = sorted(path.glob("*.safetensors"))
    else:
        files = [policy_folder(path) / "policy.safetensors"]
    found = [_checksum_of(each) for each in files]
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()


def _checksum_of(path: Path) -> str:
    with path.open("rb") as opened:  # weights may be larger than memory
        return hashlib.file_digest(opened, "sha256").hexdigest()
