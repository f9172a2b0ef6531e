"""The report as JSON can hold it: decimals rounded, no NaN, no half characters."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import PurePath
from typing import Any

MICRO = Decimal("0.000001")

_AS_IT_IS = {int, bool, type(None)}
_MONEY_KEYS = {"amount", "billed", "priced", "unexplained"}
_MARKUP = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}  # none of them occurs in JSON outside a string


def to_json(report: Mapping[str, Any]) -> str:
    r"""The report as a file: keys in the order given, ASCII only, and safe inside an HTML page.

    >>> to_json({"key": "</script>", "cost_usd": Decimal("0.1234567")})
    '{\n  "key": "\\u003c/script\\u003e",\n  "cost_usd": 0.123457\n}\n'
    """
    text = json.dumps(plain(report), indent=2, allow_nan=False)
    for char, escape in _MARKUP.items():
        text = text.replace(char, escape)
    return text + "\n"


def plain(value: Any, key: str = "") -> Any:
    """The same value of dicts, lists, strings and numbers only. `key` is the name it stands under.

    A decimal is money and is rounded to a millionth, and so is a float under a name of money. What is not
    a number becomes None: unknown.
    """
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, dict | Mapping):
        return {whole(str(k)): plain(v, _under(key, str(k))) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, key) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item, key) for item in value), key=str)
    return _scalar(value.item() if hasattr(value, "item") else value, key)  # a numpy scalar has an item


def _scalar(value: object, key: str) -> str | float | None:
    if isinstance(value, datetime | date):
        value = value.isoformat()
    if isinstance(value, str | PurePath):
        return whole(str(value))
    if isinstance(value, Decimal):
        return _rounded(value)
    if isinstance(value, float):
        return _float(value, key)
    if value is None or isinstance(value, bool | int):
        return value
    raise TypeError(f"report.json cannot hold a {type(value).__name__}: {value!r}")


def whole(text: str) -> str:
    """The text with half characters (lone surrogates), which no file can hold, replaced."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def _under(outer: str, key: str) -> str:
    """The name a value goes by: `low` inside `saving_usd` is money too."""
    return outer if outer.endswith("_usd") and key in {"low", "expected", "high"} else key


def _float(value: float, key: str) -> float | None:
    if not math.isfinite(value):
        return None
    return round(value, 6) + 0.0 if key.endswith("_usd") or key in _MONEY_KEYS else value


def _rounded(value: Decimal) -> float | None:
    if not value.is_finite():
        return None
    return float(value.quantize(MICRO, ROUND_HALF_EVEN)) + 0.0  # no minus zero
