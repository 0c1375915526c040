"""Simulated micrographs with known truth, and experiments against them."""
