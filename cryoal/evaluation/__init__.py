"""How good picks and strategies are: matching, curves, statistics; numpy and scipy only."""
