"""The committee that ships with the package, trained on simulated micrographs alone (see weights/README.md)."""

import hashlib
import json
from dataclasses import replace
from importlib.resources import as_file, files

from cryoal.config import NetworkConfig
from cryoal.model.calibration import Calibration
from cryoal.model.checkpoint import load_members
from cryoal.model.committee import Member
from cryoal.model.margin import BELIEVED

NOTE = "calibrated on simulated micrographs only"


def pretrained_members(network: NetworkConfig) -> list[Member]:
    """The members, in order; none where the network is configured to another size than theirs.

    Raises
    ------
    FileFormatError
        The package's files are broken.
    """
    with as_file(files("cryoal.model") / "weights") as folder:
        members = load_members(folder)
    return members if members[0].network.config == network else []


def pretrained_calibration() -> Calibration:
    """Fitted to simulated micrographs that the members did not learn from: better than none on a new collection.

    Simulated particles lie up to the edges, which says nothing of the margin that an expert may leave.
    """
    text = (files("cryoal.model") / "weights" / "calibration.json").read_text(encoding="utf-8")
    return replace(Calibration.from_dict(json.loads(text)), note=NOTE, n_positive=0, n_negative=0, unmarked=BELIEVED)


def weights_digest() -> str:
    """SHA-256 of the shipped files: what depends on them must not be mixed with what came from others."""
    digest = hashlib.sha256()
    for file in sorted((files("cryoal.model") / "weights").iterdir(), key=lambda file: file.name):
        if file.name.endswith((".safetensors", ".json")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
