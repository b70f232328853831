"""The command line: thin. Parses, calls one function, prints. Heavy imports live inside the command that needs them."""
