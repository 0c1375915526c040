"""The first round of a workspace without labels: the committee that ships with the package."""

import json

from cryoal.errors import OptionError
from cryoal.io.durable import write_atomic
from cryoal.learner.centring import Centring
from cryoal.learner.project import Project
from cryoal.learner.training import count_labels
from cryoal.model.checkpoint import save_members
from cryoal.model.pretrained import pretrained_calibration, pretrained_members
from cryoal.workspace.lock import writer_lock
from cryoal.workspace.rounds import PRETRAINED, RoundInfo, next_round


def publish_pretrained(project: Project) -> None:
    """Make the shipped committee the workspace's next round.

    Raises
    ------
    OptionError
        The networks are configured to another size than the shipped ones.
    WorkspaceLockedError
        Another process is making a round.
    """
    members = pretrained_members(project.config.network)
    if not members:
        raise OptionError("network: the shipped committee has another size; train one by cryoal train")
    nothing = count_labels({})
    info = RoundInfo(
        len(members), project.settings.seed, nothing, {"committee": "ensemble", "folds": 0, "start": PRETRAINED}
    )
    with writer_lock(project.layout.rounds_lock, "cryoal score"), next_round(project.layout, info) as making:
        save_members(members, making.members)
        write_atomic(making.calibration, json.dumps(pretrained_calibration().to_dict(), indent=1) + "\n")
        write_atomic(making.centring, Centring().to_json())
        write_atomic(making.metrics, "{}\n")
