"""Training of a committee: each member on its own share of the labels, side by side on the cores there are."""

import math
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module, Parameter

from cryoal.config import NetworkConfig, TrainingConfig
from cryoal.data.classes import NO_CLASSES, Classes
from cryoal.errors import DeviceError, Interrupted
from cryoal.model.committee import Member
from cryoal.model.devices import training_dtype
from cryoal.model.losses import class_loss, held_loss, picker_loss
from cryoal.model.network import PickerNetwork
from cryoal.model.patches import Batch, PatchSampler, TrainingImage
from cryoal.model.schedule import extra_noise_sigma, patches_a_step

_WARM_UP_SHARE = 0.15
_REPORT_EVERY = 10
_FAILED = -1
_CLASSES = 1


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far training has come.

    Attributes
    ----------
    done, total : int
        Optimiser steps of all members together.
    loss : float
        Of the member that reported; NaN from one that is done.
    """

    done: int
    total: int
    loss: float


@dataclass(frozen=True, slots=True)
class TrainedMember:
    """A trained network and what its balanced batches did to its scores.

    Attributes
    ----------
    network : PickerNetwork
    prior_shift_logit : float
        To be added to its scores, so that they mean the share of particles in the images, not in the batches.
    """

    network: PickerNetwork
    prior_shift_logit: float


@dataclass(frozen=True, slots=True)
class MemberTask:
    """What one member learns from.

    Attributes
    ----------
    images : sequence of TrainingImage
    held_out : int, optional
        Fold that it does not learn from.
    steps : int
    seed : int
    unlabelled_prior : float
        Share of a particle's target in the unlabelled pixels.
    start : Member, optional
        Whose weights to start from; drawn from the seed where there is none.
    start_share : float
        Share of the starting weights in the mean that is taken of them and the trained ones at the end.
    trust : float
        Probability, above 0 with a start, that it knows these particles; with less its scores are held less, and
        patches are more and noisier (`cryoal.model.schedule`).
    learning_rate : float, optional
        By default `TrainingConfig.learning_rate`.
    classes : Classes
        What it learns to tell apart; the images carry class labels if any.
    class_steps : int
        Steps of the branch for classes, after the others.
    """

    images: Sequence[TrainingImage]
    held_out: int | None
    steps: int
    seed: int
    unlabelled_prior: float = 0.0
    start: Member | None = None
    start_share: float = 0.0
    trust: float = 1.0
    learning_rate: float | None = None
    classes: Classes = NO_CLASSES
    class_steps: int = 0

    @property
    def all_steps(self) -> int:
        """Those of the classes included."""
        return self.steps + (self.class_steps if self.classes else 0)


def train_members(
    tasks: Sequence[MemberTask],
    pixels_per_diameter: int,
    network: NetworkConfig,
    training: TrainingConfig,
    device: torch.device,
) -> Iterator[TrainingProgress | list[TrainedMember]]:
    """Train a committee; the last thing yielded is the list of its members.

    On a CPU the members train side by side, one core each, which is faster than one after another on all cores and
    gives the same weights whatever the number of cores. Closing the generator stops the training.

    Raises
    ------
    LabelError
        A member has nothing to learn from.
    """
    networks = [_new_network(network, task) for task in tasks]
    reports: queue.SimpleQueue[tuple[int, int, float]] = queue.SimpleQueue()
    stop = threading.Event()
    threads = torch.get_num_threads()
    lanes = min(len(tasks), len(os.sched_getaffinity(0))) if device.type == "cpu" else 1
    with ThreadPoolExecutor(lanes, "member") as pool:
        try:
            runs = [
                _MemberRun(index, task, pixels_per_diameter, training, device, reports, stop)
                for index, task in enumerate(tasks)
            ]
            futures = [pool.submit(run.train, net) for run, net in zip(runs, networks, strict=True)]
            done, total = [0] * len(tasks), sum(task.all_steps for task in tasks)
            while sum(done) < total:
                index, steps, loss = reports.get()
                if steps == _FAILED:
                    break
                done[index] = steps
                yield TrainingProgress(sum(done), total, loss)
            stop.set()
            wait(futures)
            members = [future.result() for future in sorted(futures, key=_is_interrupted)]
        finally:
            stop.set()
            torch.set_num_threads(threads)
    yield members


def _is_interrupted(future: "Future[TrainedMember]") -> bool:
    """Whether a member only stopped because another one failed."""
    return isinstance(future.exception(), Interrupted)


def _new_network(config: NetworkConfig, task: MemberTask) -> PickerNetwork:
    """A network with weights from the task or else its seed, the global random state untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        network = PickerNetwork(config, task.classes)
    if task.start is not None:
        network.load_state_dict(task.start.network.state_dict(), strict=False)
    return network


@dataclass(frozen=True, slots=True)
class _Update:
    """One step of AdamW at a learning rate that rises and falls."""

    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler

    @classmethod
    def of(cls, parameters: list[Parameter], rate: float, steps: int, config: TrainingConfig) -> "_Update":
        """For so many steps."""
        optimiser = torch.optim.AdamW(parameters, rate, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=_WARM_UP_SHARE)
        return cls(optimiser, schedule)

    def __call__(self, loss: Tensor) -> None:
        """Go down the gradient of a loss."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.schedule.step()


@dataclass(frozen=True, slots=True)
class _MemberRun:
    """The training of one member, in a thread of its own."""

    index: int
    task: MemberTask
    pixels_per_diameter: int
    config: TrainingConfig
    device: torch.device
    reports: "queue.SimpleQueue[tuple[int, int, float]]"
    stop: threading.Event

    def train(self, network: PickerNetwork) -> TrainedMember:
        """Run all steps, reporting now and then; a failure is reported as `_FAILED` and raised."""
        if self.device.type == "cpu":
            torch.set_num_threads(1)
        done = _FAILED
        try:
            trained = self._train(network)
            done = self.task.all_steps
        except torch.OutOfMemoryError as error:
            raise DeviceError(f"{self.device}: too little memory to train; free some or use --device cpu") from error
        finally:
            self.reports.put((self.index, done, math.nan))
        return trained

    def _train(self, network: PickerNetwork) -> TrainedMember:
        network = network.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        shift = self._train_detection(network)
        if network.class_branch is not None:
            self._train_classes(network, network.class_branch)
        return _mixed(TrainedMember(network.cpu().eval(), shift), self.task.start, self.task.start_share)

    def _train_detection(self, network: PickerNetwork) -> float:
        """Train what tells particles from background; the prior shift of its scores."""
        task = self.task
        config = replace(self.config, batch=patches_a_step(self.config, task.trust))
        noise_sigma = extra_noise_sigma(config, task.trust)
        rng = np.random.default_rng(task.seed)
        sampler = PatchSampler(task.images, task.held_out, self.pixels_per_diameter, config, noise_sigma)
        start = None if task.start is None else task.start.network.for_scoring().to(self.device)
        detection = [value for name, value in network.named_parameters() if not name.startswith("class_branch.")]
        update = _Update.of(detection, task.learning_rate or config.learning_rate, task.steps, config)
        batch_density = 0.0
        for step in range(1, task.steps + 1):
            batch = self._drawn(sampler, rng)
            masks = self._dropout(network, rng, config.batch)
            with self._fast():
                logits, _ = network(batch.image, masks)
            loss = picker_loss(logits.float(), batch, config.particle_weight, task.unlabelled_prior)
            if start is not None:
                with self._fast(), torch.no_grad():
                    before, _ = start(batch.image)
                loss = held_loss(loss, logits.float(), before.float(), batch, config.label_weight / task.trust)
            update(loss)
            batch_density += (batch.target_density - batch_density) / step
            self._report(step, loss)
        if task.start is not None and not batch_density:
            return task.start.prior_shift_logit
        return _prior_shift(batch_density, sampler.target_density, config.particle_weight)

    def _train_classes(self, network: PickerNetwork, branch: Module) -> None:
        """Train the branch for classes, which starts from nothing."""
        task, config = self.task, self.config
        rng = np.random.default_rng([task.seed, _CLASSES])
        sampler = PatchSampler(task.images, task.held_out, self.pixels_per_diameter, config)
        update = _Update.of(list(branch.parameters()), config.learning_rate, task.class_steps, config)
        for step in range(1, task.class_steps + 1):
            batch = self._drawn(sampler, rng)
            masks = self._dropout(network, rng, config.batch)
            with self._fast():
                logits = network.class_logits(batch.image, masks)
            if batch.place is not None:
                loss = class_loss(logits.float(), batch.place, task.classes)
                update(loss)
                self._report(task.steps + step, loss)

    def _drawn(self, sampler: PatchSampler, rng: np.random.Generator) -> Batch:
        """The next batch, unless training is to stop."""
        if self.stop.is_set():
            raise Interrupted("training was stopped")
        return sampler.draw(rng).to(self.device)

    def _fast(self) -> torch.autocast:
        """Where convolutions are computed in what the device is fast in; weights and losses stay float32."""
        dtype = training_dtype(self.device)
        return torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32)

    def _report(self, step: int, loss: Tensor) -> None:
        if step % _REPORT_EVERY == 0:
            self.reports.put((self.index, step, float(loss.detach())))

    def _dropout(self, network: PickerNetwork, rng: np.random.Generator, batch: int) -> tuple[Tensor, Tensor]:
        """A mask for each patch."""
        share = network.config.dropout
        first, second = (
            torch.from_numpy((rng.random((batch, n, 1, 1)) >= share).astype(np.float32) / (1 - share))
            for n in network.dropout_channels
        )
        return first.to(self.device), second.to(self.device)


def _mixed(trained: TrainedMember, start: Member | None, share: float) -> TrainedMember:
    """The mean of starting and trained weights: few labels do not make what was known before forgotten.

    References
    ----------
    Wortsman et al. 2022, Robust fine-tuning of zero-shot models.
    """
    if start is None or share == 0:
        return trained
    before = start.network.state_dict()
    after = trained.network.state_dict()
    mean = {
        name: share * before[name] + (1 - share) * value if name in before and value.is_floating_point() else value
        for name, value in after.items()
    }
    trained.network.load_state_dict(mean)
    shift = share * start.prior_shift_logit + (1 - share) * trained.prior_shift_logit
    return TrainedMember(trained.network, shift)


def _prior_shift(batch_density: float, true_density: float, particle_weight: float) -> float:
    """Difference of the log odds of a particle's pixel, images less batches (Saerens 2002, equation 4)."""
    if not 0 < batch_density < 1 or not 0 < true_density < 1:
        return 0.0
    in_batch = math.log(particle_weight) + math.log(batch_density) - math.log1p(-batch_density)
    return math.log(true_density) - math.log1p(-true_density) - in_batch
