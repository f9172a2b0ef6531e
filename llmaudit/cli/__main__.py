"""`python -m llmaudit.cli`."""

from llmaudit.cli import main

main()
