"""Train the denoiser that ships with the package: ``python scripts/pretrain_denoiser.py [OUT]``."""

import sys
from pathlib import Path

from cryoal.learner.progress import Progress
from cryoal.simulation.denoising import train_denoiser

SEED, MICROGRAPHS, STEPS = 1, 300, 2000
OUT = Path(__file__).resolve().parents[1] / "cryoal" / "model" / "weights" / "denoiser"


def main(out: Path) -> None:
    """Show how far it has come, every so often."""
    for count, report in enumerate(train_denoiser(out, MICROGRAPHS, STEPS, SEED)):
        if isinstance(report, Progress) and count % 20 == 0:
            sys.stderr.write(f"{report.stage} {report.done} of {report.total}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
