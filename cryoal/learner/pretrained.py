"""The first round of a workspace without labels: the committee that ships with the package."""

import json
import time
from collections.abc import Sequence

from cryoal.errors import OptionError, WorkspaceLockedError
from cryoal.io.durable import write_atomic
from cryoal.learner.centring import Centring
from cryoal.learner.project import Project
from cryoal.model.checkpoint import save_members
from cryoal.model.committee import Member
from cryoal.model.pretrained import pretrained_calibration, pretrained_members
from cryoal.workspace.labelling import count_labels
from cryoal.workspace.lock import writer_lock
from cryoal.workspace.rounds import PRETRAINED, RoundInfo, next_round, published_rounds

_TRIES, _WAIT_SECONDS = 30, 1.0


def publish_pretrained(project: Project) -> None:
    """Make the shipped committee the first round, unless another process is quicker: shards may start together.

    Raises
    ------
    OptionError
        The networks are configured to another size than the shipped ones.
    WorkspaceLockedError
        Another process holds the lock and makes no round.
    """
    members = pretrained_members(project.config.network)
    if not members:
        raise OptionError(
            "network: the shipped committee has another size; label what cryoal query asks for, then run cryoal train"
        )
    for tries_left in reversed(range(_TRIES)):
        try:
            with writer_lock(project.layout.rounds_lock, "cryoal score"):
                if not published_rounds(project.layout):
                    _publish(project, members)
                return
        except WorkspaceLockedError:
            if not tries_left:
                raise
            time.sleep(_WAIT_SECONDS)


def _publish(project: Project, members: Sequence[Member]) -> None:
    """Write the round; the lock is held."""
    details = {"committee": "ensemble", "folds": 0, "start": PRETRAINED}
    info = RoundInfo(len(members), project.settings.seed, count_labels({}), details)
    with next_round(project.layout, info) as making:
        save_members(members, making.members)
        write_atomic(making.calibration, json.dumps(pretrained_calibration().to_dict(), indent=1) + "\n")
        write_atomic(making.centring, Centring().to_json())
        write_atomic(making.metrics, "{}\n")
