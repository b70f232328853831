"""Language models that Transformers makes, and what it answers: the artefacts of tests/policies/foreign/language.

    python -m venv /tmp/hf && /tmp/hf/bin/pip install transformers==5.23.0 tokenizers==0.23.3 torch==2.13.0
    /tmp/hf/bin/python tests/oracles/language_models.py tests/policies/foreign/language

Writes one folder for each family (width 16, two layers, random weights; the biases and norms are moved from their
initial zeros and ones, which would hide a mistake) and `transformers.json`: tokens of texts, logits of every place
for the first 24 entries of the vocabulary and the log of their total over all, greedy completions, and chats as the
template writes them.
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

OUT = Path(sys.argv[1])
TEXTS = ["12 plus 7 is", "The ship is steered from the pilothouse.", "ünïcode & <tags>"]
CHAT = [{"role": "system", "content": "Answer with a number."}, {"role": "user", "content": "12 plus 7?"}]
TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
FAMILIES = {
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {"tie_word_embeddings": True}),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, {"tie_word_embeddings": True, "head_dim": 8}),
    "llama": (
        LlamaConfig,
        LlamaForCausalLM,
        {
            "tie_word_embeddings": False,
            "rms_norm_eps": 1e-5,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 10_000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16,
            },
        },
    ),
    "mistral": (MistralConfig, MistralForCausalLM, {"tie_word_embeddings": False, "sliding_window": None}),
}


def tokenizer() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|start|>", "<|pad|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=288, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator([*TEXTS, "one plus two is three", "the number of the ship"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|end|>", pad_token="<|pad|>", chat_template=TEMPLATE
    )


def main() -> None:
    answers: dict = {"texts": TEXTS, "chat": CHAT, "models": {}}
    words = tokenizer()
    for place, (name, (config, kind, extra)) in enumerate(FAMILIES.items()):
        torch.manual_seed(place)
        made = config(**SIZES, **extra, vocab_size=len(words), eos_token_id=words.eos_token_id, bos_token_id=None)
        model = kind(made).float().eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.3 * torch.randn_like(weight))
        folder = OUT / name
        # Mistral's is written in shards, as large models are, and in half precision.
        shards = {"max_shard_size": "20KB"} if name == "mistral" else {}
        if name == "mistral":
            model = model.to(torch.bfloat16)
        model.save_pretrained(folder, **shards)
        # Read again, since casting to half precision and back rounds the rotary frequencies too.
        model = kind.from_pretrained(folder, dtype=torch.float32).eval()
        words.save_pretrained(folder)
        # AutoTokenizer would take a family's own class, which sets its own pre-tokenizer over the file's.
        again = PreTrainedTokenizerFast.from_pretrained(folder)
        answers["chat_text"] = again.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
        rows = []
        for text in TEXTS:
            tokens = again(text)["input_ids"]
            with torch.no_grad():
                logits = model(torch.tensor([tokens])).logits[0].double()
                written = model.generate(
                    torch.tensor([tokens]), max_new_tokens=10, do_sample=False, pad_token_id=words.pad_token_id
                )
            rows.append(
                {
                    "tokens": tokens,
                    "logits": [[round(x, 6) for x in row] for row in logits[:, :24].tolist()],
                    "total": [round(x, 6) for x in torch.logsumexp(logits, -1).tolist()],
                    "greedy": written[0, len(tokens) :].tolist(),
                    "decoded": again.decode(tokens),
                }
            )
        answers["models"][name] = rows
    (OUT / "transformers.json").write_text(json.dumps(answers) + "\n")


if __name__ == "__main__":
    main()
