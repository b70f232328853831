"""Losses and gradients of d3rlpy's own update: IQL, TD3+BC, AWAC, CQL and the decision transformer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import d3rlpy
import numpy as np
import torch
from captured import Arrays, Still, array, command_line, layers, unsettle, weights
from d3rlpy.models.encoders import VectorEncoderFactory
from d3rlpy.torch_utility import TorchMiniBatch, TorchTrajectoryMiniBatch
from sizes import (
    CONSERVATIVE,
    DISCOUNT,
    DRAWS,
    EXPECTILE,
    HEADS,
    LONGEST,
    NOISE,
    NOISE_CLIP,
    SHARPNESS,
    STRETCH,
    TEMPERATURE,
    TETHER,
    Size,
    stretch_batch,
    transition_batch,
)


def make(config: type, size: Size, *networks: str, **settings):
    encoder = VectorEncoderFactory(hidden_units=[size.width, size.width], activation="relu")
    encoders = {f"{name}_encoder_factory": encoder for name in networks}
    algorithm = config(batch_size=size.batch, gamma=DISCOUNT, **encoders, **settings).create(device="cpu")
    algorithm.create_impl((size.obs,), size.act)
    return algorithm.impl


def torch_batch(batch: Arrays) -> TorchMiniBatch:
    """As d3rlpy hands it to an update: a column for each number of a row."""
    column = {name: torch.tensor(batch[name].astype(np.float32)[:, None]) for name in ("reward", "terminated")}
    return TorchMiniBatch(
        observations=torch.tensor(batch["obs"]),
        actions=torch.tensor(batch["action"]),
        rewards=column["reward"],
        next_observations=torch.tensor(batch["next_obs"]),
        next_actions=torch.tensor(batch["action"]),
        returns_to_go=torch.zeros_like(column["reward"]),
        terminals=column["terminated"],
        intervals=torch.ones_like(column["reward"]),
        device="cpu",
    )


def critics(prefix: str, networks) -> Arrays:
    return {k: v for index, net in enumerate(networks) for k, v in layers(f"{prefix}/{index}", net).items()}


@contextmanager
def noting(note: Callable[[np.ndarray], None]) -> Iterator[None]:
    """Hands every reparameterised normal draw of torch to `note`, as standard normal numbers, and leaves it as it is."""
    theirs = torch.distributions.Normal.rsample

    def noted(self, shape: Any = ()) -> torch.Tensor:
        noise = torch.randn(self._extended_shape(torch.Size(shape)))
        note(array(noise))
        return self.loc + noise * self.scale

    torch.distributions.Normal.rsample = noted
    try:
        yield
    finally:
        torch.distributions.Normal.rsample = theirs


def iql(size: Size) -> Arrays:
    settings = {"expectile": EXPECTILE, "weight_temp": SHARPNESS, "max_weight": 100.0}
    impl = make(d3rlpy.algos.IQLConfig, size, "actor", "critic", "value", **settings)
    parts, batch = impl._modules, transition_batch(size)
    unsettle(parts.targ_q_funcs, parts.policy)
    found = {f"batch/{name}": value for name, value in batch.items()}
    found |= layers("weights/actor", parts.policy) | layers("weights/value", parts.value_func)
    found |= critics("weights/critic", parts.q_funcs) | critics("weights/critic/slow", parts.targ_q_funcs)
    # The deviation is log_std = -5 + 7 sigmoid(parameter) there, and the parameter itself in ours.
    found["weights/actor/log_std"] = array(-5 + 7 * torch.sigmoid(parts.policy._logstd)).reshape(-1)
    slope = torch.sigmoid(parts.policy._logstd) * (1 - torch.sigmoid(parts.policy._logstd))
    found["factor/actor/log_std"] = array(7 * slope).reshape(-1)
    parts.critic_optim.step = Still(found, "critic", critic=list(parts.q_funcs), value=parts.value_func)
    parts.actor_optim.step = Still(found, "actor", actor=parts.policy, **{"actor/log_std": parts.policy._logstd})
    told = impl.inner_update(torch_batch(batch), 0)
    found["loss/critic"], found["loss/value"] = np.float32(told["q_loss"]), np.float32(told["v_loss"])
    return found | {"loss/actor": np.float32(told["actor_loss"])}


def td3bc(size: Size) -> Arrays:
    settings = {"alpha": TETHER, "target_smoothing_sigma": NOISE, "target_smoothing_clip": NOISE_CLIP}
    impl = make(d3rlpy.algos.TD3PlusBCConfig, size, "actor", "critic", **settings)
    parts, batch = impl._modules, transition_batch(size)
    unsettle(parts.targ_q_funcs, parts.targ_policy)
    found = {f"batch/{name}": value for name, value in batch.items()}
    found |= layers("weights/actor", parts.policy) | layers("weights/actor/slow", parts.targ_policy)
    found |= critics("weights/critic", parts.q_funcs) | critics("weights/critic/slow", parts.targ_q_funcs)
    theirs = torch.randn

    def noted(*arguments, **named):
        draw = theirs(*arguments, **named)
        found["draw/critic"] = array(draw)
        return draw

    parts.critic_optim.step = Still(found, "critic", critic=list(parts.q_funcs))
    parts.actor_optim.step = Still(found, "actor", actor=parts.policy)
    torch.randn = noted
    told = impl.inner_update(torch_batch(batch), 0)
    return found | {"loss/critic": np.float32(told["critic_loss"]), "loss/actor": np.float32(told["actor_loss"])}


def decision_transformer(size: Size) -> Arrays:
    encoder = VectorEncoderFactory(hidden_units=[size.hidden], exclude_last_activation=True)
    settings = {"context_size": STRETCH, "max_timestep": LONGEST - 1, "num_heads": HEADS, "num_layers": size.layers}
    off = {"attn_dropout": 0.0, "resid_dropout": 0.0, "embed_dropout": 0.0}
    config = d3rlpy.algos.DecisionTransformerConfig(encoder_factory=encoder, **settings, **off)
    algorithm = config.create(device="cpu")
    algorithm.create_impl((size.obs,), size.act)
    network = algorithm.impl._modules.transformer
    unsettle(network)
    for layer in network.modules():
        if isinstance(layer, torch.nn.LayerNorm):
            layer.eps = 1e-5
    batch = stretch_batch(size)
    found = {f"batch/{name}": value for name, value in batch.items()} | weights("weights/actor", network)
    found["config/heads"], found["config/layers"] = np.int64(HEADS), np.int64(size.layers)
    given = {name: torch.tensor(value) for name, value in batch.items()}
    rows = TorchTrajectoryMiniBatch(
        observations=given["obs"],
        actions=given["action"],
        rewards=given["reward"][..., None],
        returns_to_go=given["return_to_go"][..., None],
        terminals=torch.zeros_like(given["reward"])[..., None],
        timesteps=given["step"].long(),
        masks=given["valid"].float(),
        device="cpu",
    )
    told = algorithm.impl.compute_grad(rows)
    found |= weights("gradient/actor/actor", network, gradient=True)
    # A sum over the entries of an action there and a mean over padding too; in ours means, padding left out.
    found["factor"] = np.float32(size.act * batch["valid"].mean())
    return found | {"loss/actor": array(told["loss"])}


def awac(size: Size) -> Arrays:
    impl = make(d3rlpy.algos.AWACConfig, size, "actor", "critic", lam=TEMPERATURE, n_action_samples=DRAWS)
    parts, batch = impl._modules, transition_batch(size)
    unsettle(parts.targ_q_funcs, parts.policy)
    with torch.no_grad():
        # Its target counts the entropy at a temperature of 1, which the paper does not: the temperature is 0 here.
        next(parts.log_temp.parameters()).fill_(-np.inf)
    found = {f"batch/{name}": value for name, value in batch.items()}
    found |= layers("weights/actor", parts.policy)
    found |= critics("weights/critic", parts.q_funcs) | critics("weights/critic/slow", parts.targ_q_funcs)
    found["weights/actor/log_std"] = array(-6 + 6 * torch.sigmoid(parts.policy._logstd)).reshape(-1)
    slope = torch.sigmoid(parts.policy._logstd) * (1 - torch.sigmoid(parts.policy._logstd))
    found["factor/actor/log_std"] = array(6 * slope).reshape(-1)
    parts.critic_optim.step = Still(found, "critic", critic=list(parts.q_funcs))
    parts.actor_optim.step = Still(found, "actor", actor=parts.policy, **{"actor/log_std": parts.policy._logstd})
    draws: list[np.ndarray] = []
    with noting(draws.append):
        told = impl.inner_update(torch_batch(batch), 0)
    raw, own = draws
    found["draw/actor"] = own
    # It draws the next action from a squashed normal: as if from the plain one that clones, by the same action.
    with torch.no_grad():
        action = parts.policy(torch.tensor(batch["next_obs"]))
        deviation = array(action.logstd.exp())
        squashed = np.tanh(array(action.mu) + deviation * raw)
    found["draw/critic"] = ((squashed - array(action.squashed_mu)) / deviation).astype(np.float32)
    return found | {"loss/critic": np.float32(told["critic_loss"]), "loss/actor": np.float32(told["actor_loss"])}


def cql(size: Size) -> Arrays:
    # The slopes of the gap nearly cancel in the last layer: in single precision what is left is in part rounding.
    torch.set_default_dtype(torch.float64)
    settings = {"conservative_weight": CONSERVATIVE, "alpha_threshold": 0.0, "n_action_samples": DRAWS}
    rates = {"alpha_learning_rate": 0.0, "temp_learning_rate": 0.0}
    impl = make(d3rlpy.algos.CQLConfig, size, "actor", "critic", **settings, **rates)
    parts, given = impl._modules, transition_batch(size)
    batch = {name: x.astype(np.float64) if x.dtype == np.float32 else x for name, x in given.items()}
    unsettle(parts.targ_q_funcs, parts.policy, parts.log_temp)
    found = {f"batch/{name}": value for name, value in batch.items()}
    found |= layers("weights/actor", parts.policy)
    found["weights/log_alpha"] = array(next(parts.log_temp.parameters())).reshape(-1)
    found |= critics("weights/critic", parts.q_funcs) | critics("weights/critic/slow", parts.targ_q_funcs)
    parts.critic_optim.step = Still(found, "critic", critic=list(parts.q_funcs))
    parts.actor_optim.step = Still(found, "actor", actor=parts.policy)
    draws: list[np.ndarray] = []
    theirs = torch.Tensor.uniform_

    def noted(tensor: torch.Tensor, *arguments: Any, **named: Any) -> torch.Tensor:
        drawn = theirs(tensor, *arguments, **named)
        # One row's draws lie together there, one draw's rows in ours.
        found["uniform/critic"] = array(drawn).reshape(size.batch, DRAWS, size.act).swapaxes(0, 1)
        return drawn

    torch.Tensor.uniform_ = noted
    with noting(draws.append):
        told = impl.inner_update(torch_batch(batch), 0)
    here, there, actor = draws
    # Its target takes the likeliest next action, where ours draws one: a draw of 0 is the likeliest.
    found["draw/critic/0"] = np.zeros((size.batch, size.act))
    found |= {"draw/critic/1": here, "draw/critic/2": there, "draw/actor": actor}
    return found | {"loss/critic": np.float64(told["critic_loss"]), "loss/actor": np.float64(told["actor_loss"])}


if __name__ == "__main__":
    command_line({"iql": iql, "td3bc": td3bc, "decision-transformer": decision_transformer, "awac": awac, "cql": cql})
