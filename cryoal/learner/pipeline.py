"""Reading, scoring and writing of many micrographs at the same time, with few of them in memory."""

import queue
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import torch
from torch import Tensor

from cryoal.data.micrograph import MicrographEntry, ScaledMicrograph
from cryoal.learner.project import Project
from cryoal.learner.reading import diameter_px, naming, read_stored
from cryoal.learner.scorer import Scorer
from cryoal.model.processors import processors
from cryoal.preprocess.on_device import PreparedMicrograph, as_tensor, prepare_on_device
from cryoal.workspace.candidates import ScoredMicrograph, write_candidates
from cryoal.workspace.layout import RoundLayout

_SCORERS_PER_READER = 4  # scaling costs a CPU about a quarter of what scoring does
_MIN_READERS = 2
_LANES_PER_GPU = 2  # one copies, or waits for the host, while the other computes


@dataclass(frozen=True, slots=True)
class _Lane:
    """What one scoring thread computes with."""

    scorer: Scorer
    stream: torch.cuda.Stream | None


class Pipeline:
    """Three pools of threads, each waiting for the one before: readers, scorers, and one writer.

    On a CPU the readers scale, so that no more than `readers` full-size micrographs are in memory, and every scorer
    scores a micrograph of its own, as many of them as there are processors: no processor waits for another one. On
    GPUs the readers read into pinned memory; two threads a GPU, each with a stream of its own, copy, scale, score and
    find peaks there; no more than `depth` full-size micrographs are in memory.

    Parameters
    ----------
    project : Project
    layout : RoundLayout
        The round that scores.
    scorers : sequence of Scorer
        One a device.
    entries : sequence of MicrographEntry
        What is to be scored.
    readers : int, optional
        Micrographs read at the same time; by default 2, or a quarter of the processors.
    scale_there : bool, optional
        Scale on the scorers' devices rather than in the readers; by default if those are GPUs.

    Attributes
    ----------
    readers, lanes : int
        Threads that read, and that score.
    threads : int
        Of torch, in each that scores.
    depth : int
        Most micrographs at work, or waiting, at any time.
    """

    def __init__(
        self,
        project: Project,
        layout: RoundLayout,
        scorers: Sequence[Scorer],
        entries: Sequence[MicrographEntry],
        readers: int | None = None,
        *,
        scale_there: bool | None = None,
    ) -> None:
        self._project, self._layout, self._entries = project, layout, entries
        on_gpu = scorers[0].device.type == "cuda"
        self._scale_there = (on_gpu and project.reads_files) if scale_there is None else scale_there
        if on_gpu:
            lanes = [_Lane(scorer, _new_stream(scorer.device)) for scorer in scorers for _ in range(_LANES_PER_GPU)]
        else:
            each = max(1, min(processors(), len(entries)) // len(scorers))
            lanes = [_Lane(scorer, None) for scorer in scorers for _ in range(each)]
        self._idle: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
        for lane in lanes:
            self._idle.put(lane)
        self.readers = readers or max(_MIN_READERS, processors() // _SCORERS_PER_READER)
        self.depth = self.readers + len(lanes) + 1
        self._threads = torch.get_num_threads()
        self.lanes, self.threads = len(lanes), 1 if on_gpu else max(1, processors() // len(lanes))
        self._readers = ThreadPoolExecutor(self.readers, "reader", torch.set_num_threads, (1,))
        self._scorers = ThreadPoolExecutor(len(lanes), "scorer", torch.set_num_threads, (self.threads,))
        self._writer = ThreadPoolExecutor(1, "writer")

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Begin nothing more, wait for what is at work, and give torch its threads back."""
        for pool in (self._readers, self._scorers, self._writer):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (self._readers, self._scorers, self._writer):
            pool.shutdown()
        torch.set_num_threads(self._threads)

    def __iter__(self) -> Iterator[tuple[MicrographEntry, "Future[int]"]]:
        """Micrographs in turn, each with what becomes of it: the number of its candidates, once they are on disk."""
        ahead: deque[tuple[MicrographEntry, Future[int]]] = deque()
        for entry in self._entries:
            # Only the next stage holds on to what a stage gives.
            read = self._readers.submit(self.read, entry)
            scored = self._scorers.submit(self._score, entry, read)
            ahead.append((entry, self._writer.submit(self._write, entry, scored)))
            del read, scored
            if len(ahead) >= self.depth:
                yield ahead.popleft()
        while ahead:
            yield ahead.popleft()

    def read(self, entry: MicrographEntry) -> ScaledMicrograph | Tensor:
        """What a reader does.

        Raises
        ------
        MicrographError
            The micrograph cannot be used; the text names the file.
        """
        if not self._scale_there:
            return self._project.read_scaled(entry)
        pixels = as_tensor(read_stored(entry))
        # Pinned memory is copied to a GPU while that computes.
        return pixels.pin_memory() if torch.cuda.is_available() else pixels

    def score(self, entry: MicrographEntry, image: ScaledMicrograph | Tensor) -> ScoredMicrograph:
        """What a scorer does with what a reader gave.

        Raises
        ------
        MicrographError
            The micrograph cannot be used; the text names the file.
        DeviceError
            The device has too little memory for the smallest tile.
        """
        lane = self._idle.get()
        try:
            with torch.cuda.stream(lane.stream):
                if isinstance(image, ScaledMicrograph):
                    return lane.scorer(image)
                return lane.scorer(self._scaled(entry, image.to(lane.scorer.device, non_blocking=True)))
        finally:
            self._idle.put(lane)

    def _scaled(self, entry: MicrographEntry, pixels: Tensor) -> PreparedMicrograph:
        """Scale on the device where the pixels are."""
        settings, config = self._project.settings, self._project.config.preprocess
        size_px = diameter_px(settings.diameter_angstrom, entry)
        with naming(entry):
            return prepare_on_device(pixels, size_px, config, particles_dark=settings.particles_dark)

    def _score(self, entry: MicrographEntry, read: "Future[ScaledMicrograph | Tensor]") -> ScoredMicrograph:
        return self.score(entry, read.result())

    def _write(self, entry: MicrographEntry, scored: "Future[ScoredMicrograph]") -> int:
        found = scored.result()
        write_candidates(self._layout, entry.key, found)
        return len(found)


def _new_stream(device: torch.device) -> torch.cuda.Stream:
    """A stream that begins when all that was asked of the device is done."""
    torch.cuda.synchronize(device)
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
