"""Members on disk: safetensors files, whose metadata say how to build the network; nothing that is loaded runs code."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from cryoal.config import NetworkConfig
from cryoal.data.classes import Classes
from cryoal.errors import FileError, FileFormatError
from cryoal.model.committee import Member
from cryoal.model.network import PickerNetwork

FORMAT_VERSION = 1


def save_members(members: Sequence[Member], folder: Path) -> None:
    """Write ``member0.safetensors``, … into a folder.

    Raises
    ------
    FileError
        A file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index, member in enumerate(members):
            about: dict[str, Any] = {
                "format_version": FORMAT_VERSION,
                "network": asdict(member.network.config),
                "prior_shift_logit": member.prior_shift_logit,
                "dropout_seed": member.dropout_seed,
            }
            if member.network.classes:
                about["classes"] = asdict(member.network.classes)
            tensors = {name: tensor.contiguous() for name, tensor in member.network.state_dict().items()}
            save_file(tensors, folder / f"member{index}.safetensors", {"cryoal": json.dumps(about)})
    except (OSError, SafetensorError) as error:
        raise FileError(f"{folder}: cannot write the committee ({error}); check space and permissions") from error


def load_members(folder: Path) -> list[Member]:
    """Read the members of a folder, in order.

    Raises
    ------
    FileFormatError
        There is none, or a file is broken, of another program or of a newer version.
    """
    paths = sorted(folder.glob("member*.safetensors"), key=lambda path: (len(path.name), path.name))
    if not paths:
        raise FileFormatError(f"{folder}: holds no member*.safetensors; train a committee by cryoal train")
    return [_load(path) for path in paths]


def _load(path: Path) -> Member:
    """One member."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["cryoal"])
            if about["format_version"] > FORMAT_VERSION:
                raise FileFormatError(f"{path}: format_version {about['format_version']} is newer; update cryoal")
            config = about["network"]
            numbers = {name: tuple(map(int, some)) for name, some in about.get("classes", {}).items()}
            with torch.device("meta"):  # no weights are drawn only to be replaced
                shape = NetworkConfig(**{**config, "dilations": tuple(config["dilations"])})
                network = PickerNetwork(shape, Classes(**numbers))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            network.load_state_dict(weights, assign=True)
        return Member(network.eval(), float(about["prior_shift_logit"]), about["dropout_seed"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise FileFormatError(f"{path}: not a member of a cryoal committee ({reason}); train again") from error
