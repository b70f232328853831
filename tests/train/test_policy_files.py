"""Saved policies: what was saved comes back, and a manifest that was tampered with is refused in one line."""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.algorithm.interpreter import init_parts
from pilothouse.algorithm.registry import load_recipe
from pilothouse.core.errors import CheckpointError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.train.policy_files import load, save_policy
from pilothouse.train.sources import Scaling

SPEC = Spec(Box((3,)), Box((2,), (-2.0, 0.0), (2.0, 4.0)))
SCALING = Scaling((1.0, 2.0, 3.0), (1.0, 2.0, 4.0))
HOSTILE = (None, -1, 0.5, "x", [], {}, [[]], 10**30, float("nan"), True, "../../etc/passwd", [1, 2])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bound = load_recipe("td3bc")(width=4, depth=1)
    parts = init_parts(bound.build(SPEC.unit()), jax.random.key(0))
    folder = tmp_path_factory.mktemp("policies") / "policy"
    save_policy(folder, bound, SPEC, SCALING, parts)
    return folder


def rewritten(saved: Path, into: Path, manifest: Any) -> Path:
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(saved, into)
    (into / "manifest.json").write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
    return into


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a manifest: every entry, at every depth."""
    for name, inner in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield (*path, name)
        yield from places(inner, (*path, name))


def test_what_is_saved_comes_back_in_the_sources_units(saved: Path) -> None:
    policy = load(saved)
    assert policy.spec == SPEC and policy.recipe == "td3bc" and policy.stack == 1
    obs = np.array([0.3, -0.4, 5.0], np.float32)
    action, _ = policy.act(obs)
    actor = init_parts(load_recipe("td3bc")(width=4, depth=1).build(SPEC.unit()), jax.random.key(0))["actor"]
    # The actor itself sees standardised observations and acts in [-1, 1]; half-widths 2, middles 0 and 2.
    seen = (obs - np.array(SCALING.mean, np.float32)) / np.array(SCALING.std, np.float32)
    inner = np.asarray(actor(jnp.asarray(seen)).mode())
    np.testing.assert_allclose(action, inner * 2 + [0, 2], rtol=1e-5)


def test_only_what_acting_reads_is_saved(saved: Path) -> None:
    assert json.loads((saved / "manifest.json").read_text())["parts"] == ["actor"]


def test_no_entry_of_the_manifest_can_be_garbled_unnoticed(saved: Path, tmp_path: Path) -> None:
    whole = json.loads((saved / "manifest.json").read_text())
    refused = 0
    for path in places(whole):
        for value in HOSTILE:
            manifest = copy.deepcopy(whole)
            inner = manifest
            for name in path[:-1]:
                inner = inner[name]
            inner[path[-1]] = value
            folder = rewritten(saved, tmp_path / "garbled", manifest)
            try:
                found = load(folder)
            except CheckpointError as fault:
                refused += 1
                assert "\n" not in str(fault) and len(str(fault)) < 1_000, (path, value)
            else:
                # What may change without notice are numbers that mean something else: it still is a whole policy.
                action, _ = found.act(np.zeros(found.spec.obs.shape, np.float32))
                assert np.shape(action) == found.spec.action.shape and np.isfinite(action).all(), (path, value)
    assert refused > 200


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", "[" * 100_000, '{"kind": "policy"}', "\x00\xff"],
    ids=["empty", "cut", "list", "null", "number", "deep", "bare", "bytes"],
)
def test_what_is_no_manifest(saved: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load(rewritten(saved, tmp_path / "policy", text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["format", "kind", "recipe", "settings", "spec", "scaling", "parts", "checksums"])
def test_a_manifest_that_lacks_an_entry(saved: Path, tmp_path: Path, missing: str) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    del manifest[missing]
    with pytest.raises(CheckpointError):
        load(rewritten(saved, tmp_path / "policy", manifest))


def test_a_newer_format_says_to_upgrade(saved: Path, tmp_path: Path) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    with pytest.raises(CheckpointError, match=r"format 99.*Upgrade"):
        load(rewritten(saved, tmp_path / "policy", manifest | {"format": 99}))


def test_another_policys_arrays_are_refused(saved: Path, tmp_path: Path) -> None:
    bound = load_recipe("td3bc")(width=8, depth=1)
    parts = init_parts(bound.build(SPEC.unit()), jax.random.key(0))
    save_policy(tmp_path / "other", bound, SPEC, SCALING, parts)
    folder = shutil.copytree(saved, tmp_path / "mixed")
    shutil.copy(tmp_path / "other" / "policy.safetensors", folder)
    with pytest.raises(CheckpointError, match="policy.safetensors"):
        load(folder)


def test_a_space_too_large_to_be_meant_is_refused_before_anything_is_made(saved: Path, tmp_path: Path) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest["spec"]["obs"]["shape"] = [2**20, 2**20]
    with pytest.raises(CheckpointError, match="box of shape"):
        load(rewritten(saved, tmp_path / "policy", manifest))


def test_discrete_policies_come_back_too(tmp_path: Path) -> None:
    spec = Spec(Box((2,)), Discrete(3))
    bound = load_recipe("bc")(width=4, depth=1)
    save_policy(tmp_path / "p", bound, spec, Scaling(), init_parts(bound.build(spec.unit()), jax.random.key(1)))
    action, _ = load(tmp_path / "p").act(np.zeros(2, np.float32))
    assert action.dtype.kind == "i" and 0 <= action < 3


def test_a_policy_folder_is_exported_as_it_is_and_loads_again(saved: Path, tmp_path: Path) -> None:
    from pilothouse.train.export import export_policy

    policy = load(saved)
    said = export_policy(policy, policy.spec, to="safetensors", out=tmp_path / "copy", source=saved)
    assert said["to"] == "safetensors" and said["bytes"] > 0
    again, obs = load(tmp_path / "copy"), np.zeros(policy.spec.obs.shape, np.float32)  # pyright: ignore
    np.testing.assert_array_equal(again.act(obs)[0], policy.act(obs)[0])
