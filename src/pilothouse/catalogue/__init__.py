"""Catalogue: the papers that the library is to hold, the claims measured, and the verdicts.

In this room: what `papers`, `show` and `reproduce` read and write. Listing reads files only and imports no recipe, so
that it is quick; showing and reproducing import one recipe.
May import: every room below, recipes included. Imported by: report, serve, cli.
"""

from pilothouse.catalogue.catalogue import all_built as all_built
from pilothouse.catalogue.catalogue import load_claim as load_claim
from pilothouse.catalogue.catalogue import load_recipe as load_recipe
from pilothouse.catalogue.catalogue import papers as papers
from pilothouse.catalogue.catalogue import show as show
