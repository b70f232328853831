"""GRPO's loss and gradient by TRL's own trainer: it generates, rewards, compares and takes one step, which is noted.

Completions end where the model ends them, so their lengths differ; prompts are padded on the left. The old policy's
log-probabilities are moved a little, so that some ratios are clipped, and the reference is the policy with other
weights.
"""

import copy
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))

import torch
from captured import Arrays, array, command_line, unsettle
from datasets import Dataset
from grpo_trl import make_tokenizer
from sizes import CLIP, DIVERGENCE, Size
from transformers import Qwen2Config, Qwen2ForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

HEADS, KEY_VALUE_HEADS = 4, 2


def reward(completions: list[str], **_: Any) -> list[float]:
    """The share of digits."""
    return [sum(character.isdigit() for character in text) / max(len(text), 1) for text in completions]


def weights(prefix: str, model: Any, gradient: bool = False) -> Arrays:
    named = model.model.named_parameters()
    return {f"{prefix}/{name}": array(value.grad if gradient else value) for name, value in named}


class Noting(GRPOTrainer):
    """TRL's trainer, whose loss is noted with what went into it."""

    found: Arrays
    reference: Any
    rewards: list[float]

    def _generate_and_score_completions(self, inputs: Any) -> dict:
        output = super()._generate_and_score_completions(inputs)
        # Rows are shuffled before the step; these numbers travel with them, and put them back by group.
        return output | {"row": torch.arange(len(self.rewards)), "reward": torch.tensor(self.rewards)}

    def compute_loss(self, model: Any, inputs: dict, *_: Any, **__: Any) -> Any:
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
        kept = inputs["completion_ids"].size(1)
        # The trainer has changed this model's forward pass, so the reference's weights go through it too.
        own = copy.deepcopy(model.state_dict())
        with torch.no_grad():
            now = self._get_per_token_logps_and_entropies(model, ids, mask, kept)[0]
            model.load_state_dict(self.reference.state_dict())
            beside = self._get_per_token_logps_and_entropies(model, ids, mask, kept)[0]
            model.load_state_dict(own)
        inputs["old_per_token_logps"] = now + 0.3 * torch.randn_like(now)
        inputs["ref_per_token_logps"] = beside
        # Set here and not in the configuration, which would load a reference model from a folder.
        self.beta = DIVERGENCE
        loss = super().compute_loss(model, inputs)
        order = inputs["row"].argsort()
        named = {
            "prompt": "prompt_ids",
            "action": "completion_ids",
            "valid": "completion_mask",
            "log_prob": "old_per_token_logps",
            "advantage": "advantages",
            "reward": "reward",
        }
        kinds = {"prompt": np.int32, "action": np.int32, "valid": bool}
        for ours, theirs in named.items():
            self.found[f"batch/{ours}"] = array(inputs[theirs][order]).astype(kinds.get(ours, np.float32))
        self.found |= {
            "loss/policy": np.float32(loss.item()),
            **weights("weights/policy", model),
        }
        return loss


class Gradients(TrainerCallback):
    def __init__(self, found: Arrays):
        self.found = found

    def on_pre_optimizer_step(self, *_: Any, model: Any = None, **__: Any) -> None:
        self.found |= weights("gradient/policy/policy", model, gradient=True)


def grpo(size: Size) -> Arrays:
    tokenizer = make_tokenizer()
    sizes = {
        "vocabulary": len(tokenizer),
        "width": size.hidden,
        "layers": size.layers,
        "heads": HEADS,
        "key_value_heads": KEY_VALUE_HEADS,
        "feedforward": size.feedforward,
    }
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_VALUE_HEADS,
        intermediate_size=size.feedforward,
        tie_word_embeddings=True,
        **ids,
    )
    model = Qwen2ForCausalLM(config)
    # Fresh biases are 0 and fresh scales 1: nothing would show whether they are used alike.
    unsettle(model, scale=0.05)
    reference = copy.deepcopy(model)
    unsettle(reference, scale=0.02)
    found: Arrays = {f"config/{name}": np.int32(value) for name, value in sizes.items()}
    rewards: list[float] = []

    def noted(completions: list[str], **named: Any) -> list[float]:
        rewards.extend(reward(completions, **named))
        return rewards

    prompts = [f"{7 * index % 90 + 1}+{index}=?" for index in range(12)]
    settings = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=size.prompts * size.tries,
        gradient_accumulation_steps=1,
        num_generations=size.tries,
        max_completion_length=size.tokens,
        epsilon=CLIP,
        beta=0.0,
        loss_type="grpo",
        use_bias_correction_kl=False,
        # Its embedding gives the padding token no gradient where it is read: none is to be written.
        generation_kwargs={"suppress_tokens": [tokenizer.pad_token_id]},
        num_iterations=1,
        max_steps=1,
        max_grad_norm=0.0,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=0,
    )
    trainer = Noting(
        model=model,
        reward_funcs=noted,
        args=settings,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
        callbacks=[Gradients(found)],
    )
    trainer.found, trainer.reference, trainer.rewards = found, reference, rewards
    found |= weights("weights/ref", reference)
    trainer.train()
    found["batch/tries"] = np.int32(size.tries)
    return found


if __name__ == "__main__":
    command_line({"grpo": grpo})
