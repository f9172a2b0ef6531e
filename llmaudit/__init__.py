"""An offline audit of what a company spends on LLM APIs, and of what it could stop spending.

    >>> import llmaudit
    >>> audit = llmaudit.audit("sample_logs/")        # doctest: +SKIP
    >>> audit.spend(by=["team", "model"])             # doctest: +SKIP

Names are imported when they are first used: `import llmaudit` alone is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "AuditConfig",
    "AuditError",
    "Batchable",
    "ContextGrowth",
    "ExactDuplicates",
    "FailedCalls",
    "FineTune",
    "PromptCaching",
    "RightSize",
    "SemanticDuplicates",
    "ServiceTier",
    "TruncatedOutputs",
    "UnusedTools",
    "audit",
    "open_lake",
    "price",
]

_HOMES = {
    "Audit": "llmaudit.notebook",
    "audit": "llmaudit.notebook",
    "open_lake": "llmaudit.notebook",
    "AuditConfig": "llmaudit.config",
    "AuditError": "llmaudit.errors",
    "Batchable": "llmaudit.levers.batchable",
    "ContextGrowth": "llmaudit.levers.context_growth",
    "ExactDuplicates": "llmaudit.levers.exact_duplicates",
    "FailedCalls": "llmaudit.levers.failed_calls",
    "FineTune": "llmaudit.levers.fine_tune",
    "PromptCaching": "llmaudit.levers.prompt_caching",
    "RightSize": "llmaudit.levers.right_size",
    "SemanticDuplicates": "llmaudit.levers.semantic_duplicates",
    "ServiceTier": "llmaudit.levers.service_tier",
    "TruncatedOutputs": "llmaudit.levers.truncated_outputs",
    "UnusedTools": "llmaudit.levers.unused_tools",
    "price": "llmaudit.pricing",
}

if TYPE_CHECKING:
    from llmaudit.config import AuditConfig
    from llmaudit.errors import AuditError
    from llmaudit.levers.batchable import Batchable
    from llmaudit.levers.context_growth import ContextGrowth
    from llmaudit.levers.exact_duplicates import ExactDuplicates
    from llmaudit.levers.failed_calls import FailedCalls
    from llmaudit.levers.fine_tune import FineTune
    from llmaudit.levers.prompt_caching import PromptCaching
    from llmaudit.levers.right_size import RightSize
    from llmaudit.levers.semantic_duplicates import SemanticDuplicates
    from llmaudit.levers.service_tier import ServiceTier
    from llmaudit.levers.truncated_outputs import TruncatedOutputs
    from llmaudit.levers.unused_tools import UnusedTools
    from llmaudit.notebook import Audit, audit, open_lake
    from llmaudit.pricing import price


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'llmaudit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
