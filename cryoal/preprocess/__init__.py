"""From stored pixels to pixels at the particle's scale."""
