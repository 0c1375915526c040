"""Train the committee that ships with the package: ``python scripts/pretrain.py [OUT]``, half an hour on two cores."""

import sys
from dataclasses import replace
from pathlib import Path

from cryoal.config import Config
from cryoal.learner.progress import Progress
from cryoal.simulation.pretraining import pretrain

SEED, MICROGRAPHS, STEPS, BATCH = 1, 600, 3000, 8
OUT = Path(__file__).resolve().parents[1] / "cryoal" / "model" / "weights"


def main(out: Path) -> None:
    """Show how far it has come, every so often."""
    config = replace(Config(), training=replace(Config().training, batch=BATCH))
    for count, report in enumerate(pretrain(out, MICROGRAPHS, STEPS, SEED, config)):
        if isinstance(report, Progress) and count % 50 == 0:
            sys.stderr.write(f"{report.stage} {report.done} of {report.total}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
