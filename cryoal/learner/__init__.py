"""The loop: the only package that joins reading, preprocessing, the committee, acquisition and the workspace.

The command line, the napari plugin and the simulated oracle drive the same functions. Long work is a generator of
`Progress`; its last value is the result.
"""
