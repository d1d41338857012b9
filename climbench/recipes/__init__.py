"""Recipes: from an archive to a store, in parts that survive a kill."""

from climbench.recipes.build import build, store_path
from climbench.recipes.loading import list_recipes, load_recipe
from climbench.recipes.plan import Plan, plan
from climbench.recipes.schema import Recipe

__all__ = ["Plan", "Recipe", "build", "list_recipes", "load_recipe", "plan", "store_path"]
