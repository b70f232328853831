"""Losses and gradients of d3rlpy's own update: IQL and TD3+BC."""

import d3rlpy
import numpy as np
import torch
from captured import Arrays, Still, array, command_line, layers, unsettle
from d3rlpy.models.encoders import VectorEncoderFactory
from d3rlpy.torch_utility import TorchMiniBatch
from sizes import DISCOUNT, EXPECTILE, NOISE, NOISE_CLIP, SHARPNESS, TETHER, Size, transition_batch


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


if __name__ == "__main__":
    command_line({"iql": iql, "td3bc": td3bc})
