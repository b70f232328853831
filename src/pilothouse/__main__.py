"""`python -m pilothouse`."""

from pilothouse.cli.main import entry

entry()
