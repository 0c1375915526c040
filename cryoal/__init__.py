"""Active-learning particle picking for cryo-EM.

The names below are loaded on first use, so that ``import cryoal`` costs nothing:

>>> import cryoal
>>> cryoal.Picks.empty()  # doctest: +ELLIPSIS
Picks(...)
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Config": "cryoal.config",
    "CryoalError": "cryoal.errors",
    "UserError": "cryoal.errors",
    "Field": "cryoal.data.labels",
    "Label": "cryoal.data.labels",
    "MicrographEntry": "cryoal.data.micrograph",
    "Picks": "cryoal.data.picks",
    "CandidatePool": "cryoal.data.candidates",
    "list_micrographs": "cryoal.io.micrographs",
    "read_micrograph": "cryoal.io.micrographs",
    "FORMATS": "cryoal.io.formats",
    "STRATEGIES": "cryoal.acquisition.strategies",
    "Strategy": "cryoal.acquisition.strategies",
    "NewWorkspace": "cryoal.learner.project",
    "Project": "cryoal.learner.project",
    "create": "cryoal.learner.project",
    "LabelImport": "cryoal.learner.labelling",
    "import_labels": "cryoal.learner.labelling",
    "train": "cryoal.learner.training",
    "score": "cryoal.learner.scoring",
    "ask_fields": "cryoal.learner.asking",
    "pick": "cryoal.learner.picks",
    "export": "cryoal.learner.picks",
    "evaluate": "cryoal.learner.evaluating",
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604  the table's keys are names


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'cryoal' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
