"""cryoal in napari: a thin driver of the same learner and workspace as the command line."""
