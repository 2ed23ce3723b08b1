"""The command that makes a model from data in one go."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_recipe(commands) -> None:
    """Adds `recipe`."""
    command = commands.add_parser(
        "recipe",
        help="make a model from data in one go",
        description="Teaches the text encoder, synthesises volumes, trains and exports, as a recipe says. When it was "
        "stopped, the same command goes on where it was.",
    )
    command.add_argument("recipe", type=Path, help="JSON or YAML, such as Resources/Models/sat-tiny/recipe.json")
    command.add_argument("--data", type=Path, required=True, help="folder of the cases and label maps")
    command.add_argument("--output", type=Path, required=True, help="folder for all that is made on the way")
    command.set_defaults(run=_recipe)


def _recipe(options: argparse.Namespace) -> None:
    from .recipe import Recipe, make

    model = make(Recipe.read(options.recipe), options.data, options.output)
    print(f"The model is in {model}; `satsegment models import {model}` installs it.")
