"""Losses and gradients of Stable-Baselines3's own `train()`: SAC, TD3 and PPO."""

import gymnasium
import numpy as np
import stable_baselines3
import torch
from captured import Arrays, Still, array, command_line, layers, unsettle
from sizes import CLIP, DISCOUNT, ENTROPY, NOISE, NOISE_CLIP, VALUE, Size, rollout_batch, transition_batch
from stable_baselines3.common.logger import configure


class Spaces(gymnasium.Env):
    """An environment that only has spaces."""

    def __init__(self, size: Size):
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size.obs,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (size.act,), np.float32)


def make(method: type, size: Size, **settings):
    policy = settings.pop("policy_kwargs", {}) | {"net_arch": [size.width, size.width]}
    model = method("MlpPolicy", Spaces(size), policy_kwargs=policy, gamma=DISCOUNT, device="cpu", seed=0, **settings)
    model.set_logger(configure(None, []))
    return model


def fill(model, batch: Arrays) -> None:
    """The batch goes through the replay buffer; sampling then gives it back in its order."""
    for index in range(len(batch["reward"])):
        row = {name: value[index : index + 1] for name, value in batch.items()}
        done = row["terminated"] | row["truncated"]
        infos = [{"TimeLimit.truncated": bool(row["truncated"][0])}]
        model.replay_buffer.add(row["obs"], row["next_obs"], row["action"], row["reward"], done, infos)
    everything = np.arange(len(batch["reward"]))
    model.replay_buffer.sample = lambda *_, **__: model.replay_buffer._get_samples(everything)


def critics(prefix: str, critic) -> Arrays:
    return {k: v for index, net in enumerate(critic.q_networks) for k, v in layers(f"{prefix}/{index}", net).items()}


def losses(model, **names: str) -> Arrays:
    return {f"loss/{ours}": np.float32(model.logger.name_to_value[f"train/{theirs}"]) for ours, theirs in names.items()}


def sac(size: Size) -> Arrays:
    model = make(stable_baselines3.SAC, size, ent_coef="auto_0.2", buffer_size=size.batch)
    actor, critic, slow = model.actor, model.critic, model.critic_target
    unsettle(slow)
    batch = transition_batch(size)
    fill(model, batch)
    found = {f"batch/{name}": value for name, value in batch.items()}
    heads = (actor.latent_pi, actor.mu, actor.log_std)
    found |= layers("weights/actor", *heads) | critics("weights/critic", critic) | critics("weights/critic/slow", slow)
    found["weights/log_alpha"] = array(model.log_ent_coef).reshape(-1)
    draws = []
    theirs = torch.distributions.normal._standard_normal

    def noted(*arguments, **named):
        draws.append(theirs(*arguments, **named))
        return draws[-1]

    torch.distributions.normal._standard_normal = noted
    model.ent_coef_optimizer.step = Still(found, "log_alpha", log_alpha=_as_parameter(model))
    critic.optimizer.step = Still(found, "critic", critic=list(critic.q_networks))
    actor.optimizer.step = Still(found, "actor", actor=heads)
    # Its log(1 - a^2 + 1e-6) guards against a logarithm of 0 and shifts the losses a little; ours needs no guard. So the
    # gradients are taken without it, and the losses are noted both ways, on the same draws.
    model.tau = 0.0
    torch.manual_seed(1)
    model.train(1, size.batch)
    guarded = losses(model, actor="actor_loss", critic="critic_loss", log_alpha="ent_coef_loss")
    found |= {f"guarded_{name}": value for name, value in guarded.items()}
    actor.action_dist.epsilon = 0.0
    draws.clear()
    torch.manual_seed(1)
    model.train(1, size.batch)
    found["draw/actor"] = found["draw/log_alpha"] = array(draws[0])
    found["draw/critic"] = array(draws[1])
    return found | losses(model, actor="actor_loss", critic="critic_loss", log_alpha="ent_coef_loss")


def _as_parameter(model) -> torch.nn.Parameter:
    """The temperature as a parameter that shares its gradient: the peer keeps it as a bare tensor."""
    parameter = torch.nn.Parameter(model.log_ent_coef.detach().clone())
    model.log_ent_coef.register_hook(lambda gradient: setattr(parameter, "grad", gradient.clone()))
    return parameter


def td3(size: Size) -> Arrays:
    settings = {"target_policy_noise": NOISE, "target_noise_clip": NOISE_CLIP, "policy_delay": 1}
    model = make(stable_baselines3.TD3, size, buffer_size=size.batch, **settings)
    actor, critic = model.actor, model.critic
    unsettle(model.actor_target, model.critic_target)
    batch = transition_batch(size)
    fill(model, batch)
    found = {f"batch/{name}": value for name, value in batch.items()}
    found |= layers("weights/actor", actor) | layers("weights/actor/slow", model.actor_target)
    found |= critics("weights/critic", critic) | critics("weights/critic/slow", model.critic_target)
    theirs = torch.Tensor.normal_

    def noted(self, mean=0.0, std=1.0, **named):
        found["draw/critic"] = array(theirs(self, 0.0, 1.0, **named))
        return self.mul_(std).add_(mean)

    torch.Tensor.normal_ = noted
    critic.optimizer.step = Still(found, "critic", critic=list(critic.q_networks))
    actor.optimizer.step = Still(found, "actor", actor=actor)
    model.train(1, size.batch)
    return found | losses(model, actor="actor_loss", critic="critic_loss")


def ppo(size: Size) -> Arrays:
    settings = {"clip_range": CLIP, "vf_coef": VALUE, "ent_coef": ENTROPY, "max_grad_norm": 1e9, "n_epochs": 1}
    model = make(stable_baselines3.PPO, size, n_steps=size.batch, batch_size=size.batch, **settings)
    policy, given = model.policy, rollout_batch(size)
    unsettle(policy)
    obs, action = torch.tensor(given["obs"]), torch.tensor(given["action"])
    with torch.no_grad():
        log_prob = policy.evaluate_actions(obs, action)[1].numpy() + given.pop("log_prob_shift")
    rows = {**given, "log_prob": log_prob.astype(np.float32)}
    buffer = model.rollout_buffer
    buffer.observations[:, 0], buffer.actions[:, 0] = rows["obs"], rows["action"]
    buffer.advantages[:, 0], buffer.returns[:, 0] = rows["advantage"], rows["return_"]
    buffer.log_probs[:, 0], buffer.full = rows["log_prob"], True
    heads = (policy.mlp_extractor.policy_net, policy.action_net)
    values = (policy.mlp_extractor.value_net, policy.value_net)
    found = {f"batch/{name}": value for name, value in rows.items()}
    found |= layers("weights/agent/policy", *heads) | layers("weights/agent/value", *values)
    found["weights/agent/log_std"] = array(policy.log_std)
    policy.optimizer.step = Still(
        found, "agent", **{"agent/policy": heads, "agent/value": values, "agent/log_std": policy.log_std}
    )
    model.train()
    return found | losses(model, agent="loss")


if __name__ == "__main__":
    command_line({"sac": sac, "td3": td3, "ppo": ppo})
