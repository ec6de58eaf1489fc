"""Recipes of the documentation are run."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from dhmpi.search.hps.ambs import AMBS
from dhmpi.support.references import resolved

PAGE = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text()
RECIPES = {
    part.split("\n")[0]: block
    for part in PAGE.split("\n## ")[1:]
    for block in re.findall(r"```python\n(.*?)```", part, flags=re.DOTALL)
}


def test_there_are_recipes():
    assert len(RECIPES) == 10


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs(recipe):
    names = {}
    exec(RECIPES[recipe], names)
    search = AMBS(names["Problem"], seed=1)
    for point in [*search.ask(3), *names["Problem"].dimensions.sample(np.random.default_rng(0), 20)]:
        found = names["run"](resolved(search.config(point) or point))
        assert math.isfinite(found["objective"] if isinstance(found, dict) else found)
