"""Train the committee that ships with the package: ``python scripts/pretrain.py [--out FOLDER] [--device cuda]``.

By the pace of its parts about an hour and a half on two cores; the whole has not been timed.
"""

import argparse
import os
import sys
from pathlib import Path

from cryoal.config import Config
from cryoal.learner.progress import Progress
from cryoal.simulation.pretraining import Course, pretrain

SEED = 1
SHORT, LONG = Course(600, 3000, 8), Course(2910, 9000, 16)
COURSES = (LONG, LONG, LONG, SHORT, SHORT)
OUT = Path(__file__).resolve().parents[1] / "cryoal" / "model" / "weights"


def main(out: Path, device: str) -> None:
    """Show how far it has come, every so often."""
    workers = len(os.sched_getaffinity(0))
    for count, report in enumerate(pretrain(out, COURSES, SEED, Config(), device, workers)):
        if isinstance(report, Progress) and count % 50 == 0:
            sys.stderr.write(f"{report.stage} {report.done} of {report.total}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    main(options.out, options.device)
