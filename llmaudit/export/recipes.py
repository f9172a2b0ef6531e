"""Training recipes for the files beside them: TRL, Axolotl, and a job in OpenAI's words.

A start that trains, not a search for the best settings: LoRA on a small open model, with what the data say of length and size.
The names of all settings are held against what the libraries publish (tests/test_recipes.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from llmaudit.export.handoff import Example

BASE_MODEL = "Qwen/Qwen3-4B-Instruct-2507"
"""Apache-2.0, four billion parameters, no thinking before it answers."""

LONGEST, SHORTEST = 32_768, 512
_OTHER_TOKENIZER = 1.25
_BATCH, _PER_DEVICE = 16, 4
_RATE = 2e-4
_FEW_EXAMPLES = 500
_CHARACTERS_A_TOKEN = 3


def trl(base_model: str, examples: Sequence[Example]) -> dict[str, Any]:
    """`trl sft --config`: on the answer alone, with the folder's own dataset card saying what is what.

    Run beside that folder: `datasets` (5.2.0) names a data set by its folder's name, and has none for "." to go by.
    """
    return {
        "model_name_or_path": base_model,
        "dtype": "bfloat16",
        "dataset_name": "huggingface",
        "dataset_config": "prompt-completion",
        "dataset_train_split": "train",
        "dataset_test_split": "validation",
        "output_dir": "tuned",
        "max_length": _length(examples),
        "completion_only_loss": True,
        "packing": False,
        "use_peft": True,
        "lora_r": 16,
        "lora_alpha": 32,
        "lora_dropout": 0.05,
        "lora_target_modules": ["all-linear"],
        "num_train_epochs": _epochs(examples),
        "per_device_train_batch_size": _PER_DEVICE,
        "gradient_accumulation_steps": _BATCH // _PER_DEVICE,
        "learning_rate": _RATE,
        "lr_scheduler_type": "cosine",
        "warmup_steps": _warmup(examples),
        "gradient_checkpointing": True,
        "bf16": True,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "logging_steps": 10,
        "report_to": ["none"],
        "seed": 0,
    }


def axolotl(base_model: str, examples: Sequence[Example]) -> dict[str, Any]:
    """`axolotl train`: chat_template datasets, trained on the answers alone."""
    return {
        "base_model": base_model,
        "adapter": "lora",
        "lora_r": 16,
        "lora_alpha": 32,
        "lora_dropout": 0.05,
        "lora_target_linear": True,
        "chat_template": "tokenizer_default",
        "datasets": [_axolotl_dataset("train.jsonl")],
        "test_datasets": [_axolotl_dataset("validation.jsonl")],
        "val_set_size": 0.0,
        "output_dir": "tuned",
        "sequence_len": _length(examples),
        "sample_packing": False,
        "num_epochs": float(_epochs(examples)),
        "micro_batch_size": _PER_DEVICE,
        "gradient_accumulation_steps": _BATCH // _PER_DEVICE,
        "learning_rate": _RATE,
        "optimizer": "adamw_torch",
        "lr_scheduler": "cosine",
        "warmup_steps": _warmup(examples),
        "gradient_checkpointing": True,
        "bf16": True,
        "evals_per_epoch": 1,
        "saves_per_epoch": 1,
        "logging_steps": 10,
        "seed": 0,
    }


def openai_job(base_model: str, endpoint: str, examples: Sequence[Example]) -> dict[str, Any]:
    """The body of a job; the names of the two files give way to the ids they get when they are uploaded."""
    return {
        "model": base_model,
        "training_file": "train.jsonl",
        "validation_file": "validation.jsonl",
        "method": {
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": _epochs(examples), "batch_size": "auto"}},
        },
        "seed": 0,
        "suffix": _suffix(endpoint),
    }


def tokens_of(example: Example) -> int:
    """Tokens of prompt and answer, as the log counted them for another model; estimated where it did not."""
    if example.input_tokens is not None and example.output_tokens is not None:
        return example.input_tokens + example.output_tokens
    said = sum(len(str(message["content"] or "")) for message in example.messages) + len(example.said)
    return said // _CHARACTERS_A_TOKEN


def _axolotl_dataset(path: str) -> Mapping[str, Any]:
    return {
        "path": path,
        "ds_type": "json",
        "split": "train",
        "type": "chat_template",
        "field_messages": "messages",
        "roles_to_train": ["assistant"],
        "message_field_training": "train",
        "train_on_eos": "turn",
    }


def _length(examples: Sequence[Example]) -> int:
    """Room for the longest example in another tokenizer, as a power of two."""
    longest = max(tokens_of(example) for example in examples) * _OTHER_TOKENIZER
    return min(LONGEST, max(SHORTEST, 1 << (ceil(longest) - 1).bit_length()))


def _epochs(examples: Sequence[Example]) -> int:
    return 5 if len(examples) < _FEW_EXAMPLES else 3


def _warmup(examples: Sequence[Example]) -> int:
    """A twentieth of the steps."""
    return max(1, len(examples) * _epochs(examples) // _BATCH // 20)


def _suffix(endpoint: str) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in endpoint).strip("-")
    return kept[:40] or "llmaudit"
