"""Write down which settings training tools publish, for tests/test_recipes.py: `python tools/published_fields.py WHEEL...`.

Reads trl, transformers, axolotl and openai wheels (`pip download --no-deps NAME`) without importing or installing them: names of
fields and the kinds of value they take, nothing else. Prints JSON.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
import zipfile
from pathlib import Path

CLASSES = {
    "trl": {"SFTConfig", "_BaseConfig", "ModelConfig", "ScriptArguments", "DatasetMixtureConfig"},
    "transformers": {"TrainingArguments"},
    "axolotl": {
        *(
            "AxolotlInputConfig",
            "SFTDataset",
            "ModelInputConfig",
            "ModelOutputConfig",
            "LoraConfig",
            "HyperparametersConfig",
        ),
    },
    "openai": {"JobCreateParams", "Method", "SupervisedMethodParam", "SupervisedHyperparametersParam"},
}
FILES = {
    "trl": ("trl/trainer/", "trl/scripts/utils.py"),
    "transformers": ("transformers/training_args.py",),
    "axolotl": ("axolotl/utils/schemas/",),
    "openai": ("openai/types/fine_tuning/",),
}
KINDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}


def main(wheels: list[Path]) -> None:
    print(json.dumps([published(wheel) for wheel in wheels], indent=1))


def published(wheel: Path) -> dict[str, object]:
    package, version = wheel.name.split("-")[:2]
    return {
        "package": package,
        "version": version,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "classes": classes(wheel, package),
    }


def classes(wheel: Path, package: str) -> dict[str, dict[str, list[str]]]:
    found = {}
    with zipfile.ZipFile(wheel) as files:
        for name in sorted(files.namelist()):
            if name.startswith(FILES[package]) and name.endswith(".py"):
                for node in ast.walk(ast.parse(files.read(name))):
                    if isinstance(node, ast.ClassDef) and node.name in CLASSES[package]:
                        found[node.name] = fields(node)
    return found


def fields(node: ast.ClassDef) -> dict[str, list[str]]:
    """Names with the JSON kinds of their values; none where a type of the library's own is taken."""
    return {
        line.target.id: kinds(line.annotation)
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }


def kinds(annotation: ast.expr) -> list[str]:
    names = {part.id for part in ast.walk(annotation) if isinstance(part, ast.Name)}
    found = {KINDS[name] for name in names & KINDS.keys()}
    literals = {
        part.value for part in ast.walk(annotation) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }
    return sorted(found | ({"string"} if literals else set()))


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
