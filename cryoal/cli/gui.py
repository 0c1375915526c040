"""`cryoal gui`."""

from pathlib import Path
from typing import Annotated

import typer

from cryoal.errors import OptionError


def command(
    workspace: Annotated[
        Path | None, typer.Argument(help="The workspace's folder; without it, one is chosen or made in the window.")
    ] = None,
) -> None:
    """Open napari on a workspace, to label and to look."""
    import importlib.util
    import os
    import subprocess
    import sys

    from cryoal.workspace.layout import Layout
    from cryoal.workspace.settings import read_settings

    if workspace is not None:
        read_settings(Layout(workspace))
    if importlib.util.find_spec("napari") is None:
        raise OptionError("napari is not installed; pip install 'cryoal[napari]'")
    told = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in told):
        raise OptionError("DISPLAY is not set: there is no screen to open a window on; use ssh -X, VNC or xvfb-run")
    environment = os.environ | ({} if workspace is None else {"CRYOAL_WORKSPACE": str(workspace.absolute())})
    arguments = [sys.executable, "-m", "napari", "--with", "cryoal", "Label particles"]
    status = subprocess.run(arguments, env=environment, check=False).returncode
    if status:
        raise typer.Exit(1)
