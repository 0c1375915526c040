"""The committee that ships with the package, trained on simulated micrographs alone (see weights/README.md)."""

from importlib.resources import as_file, files

from cryoal.config import NetworkConfig
from cryoal.model.checkpoint import load_members
from cryoal.model.committee import Member


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
