"""`keras-inits init`: a saved model drawn again."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from keras_inits.cli.shared.console import ready
from keras_inits.cli.shared.files import (
    all_option,
    model_argument,
    new_model,
    out_option,
    read_model,
    save_model,
    seed_option,
    usage,
)


@click.command("init")
@model_argument
@click.option(
    "--rules",
    metavar="RULES.toml|PRESET",
    help="Rules, or a preset's name.  [default: each layer's own initializers]",
)
@seed_option
@out_option
@all_option
def command(model: Path, rules: str | None, seed: int | None, out: Path, show_all: bool) -> None:
    """Draw every weight of a saved model again and save the result.

    RULES.toml holds rules in order; the first whose pattern matches a variable's path wins. A scheme
    is a string that Keras's layers take; arguments follow by name. `scheme = "keep"` leaves a
    variable as it is.

    \b
      [[rule]]
      pattern = "head/kernel$"
      scheme = "keras_inits>TruncatedNormal"
      stddev = 0.02
    \b
      [[rule]]
      pattern = "bias$"
      scheme = "zeros"

    \b
    Examples:
      keras-inits init model.keras --seed 0 --out fresh.keras
      keras-inits init model.keras --rules torch --seed 0 --out fresh.keras
      keras-inits init model.keras --rules rules.toml --out fresh.keras

    Exit code: 0, 1 where the report has problems (the model is saved all the same), 2 for a wrong
    argument, 130 when interrupted.
    """
    ready()
    from keras_inits.models.initialize import initialize

    with usage("init"):
        new_model(out)
        chosen = read_rules(rules)
        built = read_model(model)
        report = initialize(built, chosen, seed=seed)
    save_model(built, out)
    report.show(all=show_all)
    if report.problems:
        raise click.exceptions.Exit(1)


def read_rules(text: str | None) -> Any:
    """A preset's name as it is, the rules of a file as pairs of a pattern and an initializer."""
    if text is None or not text.endswith(".toml"):
        return text
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is no TOML: {error}") from error
    rules = found.pop("rule", None)
    if found or not isinstance(rules, list) or not rules:
        raise ValueError(f"{path}: must have [[rule]] tables and nothing else, got {sorted(found)}")
    return [_rule(path, i, rule) for i, rule in enumerate(rules, 1)]


def _rule(path: Path, number: int, rule: dict[str, Any]) -> tuple[str, Any]:
    from keras_inits.registry import get

    arguments = dict(rule)
    pattern, scheme = arguments.pop("pattern", None), arguments.pop("scheme", None)
    if not isinstance(pattern, str) or not isinstance(scheme, str):
        raise ValueError(f"{path}: rule {number} must have a pattern and a scheme, both strings")
    if scheme == "keep":
        return pattern, None
    try:
        made = get(scheme)
        return pattern, type(made)(**arguments) if arguments else made
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: rule {number}: {error}") from error
