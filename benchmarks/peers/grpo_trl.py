"""GRPO by TRL: one optimiser step on 8 prompts × 8 completions × 32 tokens, generation included, without a network.

The decoder has the Qwen2 architecture: hidden 128, 4 layers, 4 heads, 2 key-value heads, feed-forward 512, about a million
parameters. Its tokenizer is built here: one token a character. Every completion is 32 tokens long on both sides.
"""

import os
import queue
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from protocol import serve

os.environ["HF_HUB_OFFLINE"] = "1"

PROMPTS = 8
COMPLETIONS = 8
TOKENS = 32
PROMPT_TOKENS = 8
CHARACTERS = "0123456789+-*=? abcdefghijklmnopqrstuvwxyz.,:;()ABCDEFGHIJK"
MODEL = {
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 512,
}


def make_tokenizer() -> Any:
    """One token a character, and three special ones: 64 or so in all."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<eos>", "<unk>", *CHARACTERS]
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split(Regex("."), behavior="isolated")
    special = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side="left", **special)


def reward(completions: list[str], **_: Any) -> list[float]:
    """The share of digits: cheap, and different from completion to completion."""
    return [sum(character.isdigit() for character in text) / TOKENS for text in completions]


class GRPOWorker:
    """A unit is one optimiser step. The trainer runs in a thread and waits before a step until one is asked for."""

    def __init__(self) -> None:
        import torch
        from datasets import Dataset
        from transformers import Qwen2Config, Qwen2ForCausalLM
        from trl import GRPOConfig, GRPOTrainer

        torch.manual_seed(0)
        tokenizer = make_tokenizer()
        special = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
        config = Qwen2Config(vocab_size=len(tokenizer), tie_word_embeddings=True, **MODEL, **special)
        self.model = Qwen2ForCausalLM(config)
        prompts = [f"{index % 90 + 10:02d}+{index % 83 + 10:02d}=? "[:PROMPT_TOKENS] for index in range(512)]
        settings = GRPOConfig(
            output_dir=tempfile.mkdtemp(),
            per_device_train_batch_size=PROMPTS * COMPLETIONS,
            num_generations=COMPLETIONS,
            max_completion_length=TOKENS,
            generation_kwargs={"min_new_tokens": TOKENS},
            temperature=1.0,
            learning_rate=1e-5,
            beta=0.0,
            num_iterations=1,
            max_steps=1_000_000,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            seed=0,
        )
        self.asked: queue.Queue[None] = queue.Queue()
        self.done: queue.Queue[BaseException | None] = queue.Queue()
        self.trainer = GRPOTrainer(
            model=self.model,
            reward_funcs=reward,
            args=settings,
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            processing_class=tokenizer,
            callbacks=[self._stepper()],
        )
        threading.Thread(target=self._train, daemon=True).start()
        # The step that is asked for begins by drawing prompts and generating, so it waits before that: see `_stepper`.
        self._wait()

    def _stepper(self) -> Any:
        from transformers import TrainerCallback

        worker = self

        class Stepper(TrainerCallback):
            def on_train_begin(self, *_: Any, **__: Any) -> None:
                worker._pause()

            def on_step_end(self, *_: Any, **__: Any) -> None:
                worker._pause()

        return Stepper()

    def _pause(self) -> None:
        """In the trainer's thread: says that a step is done and waits for the next to be asked for."""
        self.done.put(None)
        self.asked.get()

    def _train(self) -> None:
        try:
            self.trainer.train()
        except BaseException as fault:
            self.done.put(fault)

    def _wait(self) -> None:
        if fault := self.done.get():
            raise fault

    def warm_up(self) -> None:
        self.run(2)

    def run(self, count: int) -> int:
        for _ in range(count):
            self.asked.put(None)
            self._wait()
        return count

    def facts(self) -> dict[str, Any]:
        import torch

        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        sizes = {"prompts": PROMPTS, "completions": COMPLETIONS, "tokens": TOKENS, "prompt_tokens": PROMPT_TOKENS}
        threads = {"torch_threads": torch.get_num_threads(), "gradient_checkpointing": False, "dtype": "float32"}
        return MODEL | sizes | threads | {"parameters": parameters, "vocabulary": self.model.config.vocab_size}


if __name__ == "__main__":
    serve(GRPOWorker, "trl", "transformers", "torch", "numpy")
