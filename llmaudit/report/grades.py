"""What the grades of a saving mean, in the words of the page."""

from __future__ import annotations

GRADES = {
    "A": "arithmetic on the log",
    "B": "replay of a provider's rule",
    "C": "an inference about answer quality: needs its acceptance test",
}
NEEDS_TEST = "needs its acceptance test"
