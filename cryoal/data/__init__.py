"""What the modules hand each other: plain values and numpy arrays, no files."""
