"""From score maps to positions."""
