"""Hardware and many machines: what there is, how long a collection takes, and scoring over a cluster."""
