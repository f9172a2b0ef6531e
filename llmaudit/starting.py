"""`llmaudit init`: the two files that people edit, with every setting they most often want, explained where it stands."""

from __future__ import annotations

from pathlib import Path

from llmaudit.errors import AuditError

SETTINGS = """\
# Settings of llmaudit: give them with --config llmaudit.toml. What the command line says wins over what stands here.

prices = "prices.toml"             # your own rates, beside this file
timezone = "UTC"                   # whose days are counted, such as "Europe/Berlin"
# lake = "lake"                    # keep what was read, so that each file is read once
# text = "sample"                  # which texts a new lake keeps: sample, all or none
# ttl_seconds = 3600               # how long a response cache may keep an answer
# owners = "owners.csv"            # teams of keys, projects or users, where the log does not say

# [billing_modes]
# claude_code = "subscription"     # these calls are paid by the seat: list value, not spend

# [allocation]                     # who bears the cost: docs/allocation.md
# by = ["team", "tags.customer"]
# cache = "readers"                # a cached opening costs whoever uses it alike
# failed_calls = "proportional"
#
# [[allocation.shared]]
# name = "evaluation runs"
# where = { endpoint = "/evals" }
# rule = "tokens"
"""

PRICES = """\
# What you pay, where it is not the list price: docs/pricing.md. Entries are dated and added, never changed.

# [alias]                                    # names of deployments
# "prod-chat" = "azure.ai.openai/gpt-4o"

# [[model."acme-large".price]]               # a private model, or a negotiated rate
# provider = "acme"
# valid_from = 2026-06-01
# input_usd_per_token = "0.00000125"
# output_usd_per_token = "0.000005"
# source = "contract 4711"

# [[discount]]
# provider = "openai"
# valid_from = 2026-01-01
# percent = "12.5"
# source = "contract 4711"
"""

FILES = {"llmaudit.toml": SETTINGS, "prices.toml": PRICES}


def write(folder: Path) -> list[Path]:
    """Write the files into a folder. Raises AuditError rather than write over one that is there."""
    if not folder.is_dir():
        raise AuditError(f"{folder}: no such folder. Create it, or name another one.")
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        raise AuditError(
            f"{folder}: {' and '.join(there)} is there already and would be lost. Move it away, or name another folder."
        )
    try:
        for name, content in FILES.items():
            (folder / name).write_text(content, "utf-8")
    except OSError as error:
        raise AuditError(f"{folder}: cannot be written ({error.strerror}).") from error
    return [folder / name for name in FILES]
