"""Choosing what to ask: pure functions of arrays and one table of strategies; no model, no files."""
