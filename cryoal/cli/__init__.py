"""The command line: one module a command, one literal table of them."""
