"""`python -m napari_plugin.commands`: several commands of cryoal in one process, so that torch is loaded once."""

import json
import runpy
import sys


def main() -> None:
    """Run commands, each given as a JSON list of `cryoal`'s arguments; the first that fails ends the process."""
    for arguments in map(json.loads, sys.argv[1:]):
        sys.argv = ["cryoal", *arguments]
        try:
            runpy.run_module("cryoal", run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise


if __name__ == "__main__":
    main()
