"""Continuous micro-batching: one thread takes requests as they come and advances all of them together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from .guide import Guide, Part
from .network import Cache, Network
from .prefixes import Prefix, PrefixStore
from .rows import Rows
from .sampling import Draws, choose, log_probabilities
from .tokenizer import END, decode

__all__ = ["Engine", "Generation", "Job", "Written"]

_IDLE_SECONDS = 5.0
"""How long the thread waits for work before it ends; a later request starts another."""
_PREFILL_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Written:
    """One token of a reply."""

    token: int
    logprob: float | None = None
    """At temperature 1; None where it was not asked for."""
    likeliest: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens of this place with their log-probabilities, the likeliest first."""
    part: Part | None = None
    """What it is in a reply that is guided."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What was written for a job."""

    tokens: tuple[int, ...]
    """The end token included, where it was written."""
    stopped: bool
    """Whether the model ended by itself or wrote a stop text, rather than being cut at the cap."""
    mean_logprob: float | None
    first_token_entropy: float | None
    logprobs: tuple[float, ...] = ()
    """Of every token, where the job asked for them."""
    noted: tuple[Written, ...] = ()
    """Every token with its log-probability, where the job asked for them."""
    guide: Guide | None = None
    """What it was led by, which knows the text."""


@dataclass(slots=True, eq=False)
class Job:
    """A request in tokens, with the place where its result goes."""

    tokens: tuple[int, ...]
    cap: int
    """The most tokens to write; at least 1."""
    temperature: float
    draws: Draws
    """(cap,): one draw a position; not read at temperature 0."""
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    """Whether to note log-probabilities; they are at temperature 1 and of all tokens."""
    top_p: float = 1.0
    """See `choose`."""
    top_logprobs: int | None = None
    """Notes every token with its log-probability and with so many of the likeliest; None notes nothing."""
    watch: Callable[[Written], None] | None = None
    """Called with every token, from the engine's thread; it must be quick and must not raise."""
    guide: Guide | None = None
    """What leads it; it then has no stop texts. None: it is free."""
    done: Future[Generation] = field(default_factory=Future)
    written: list[int] = field(default_factory=list)
    logprobs_written: list[float] = field(default_factory=list)
    entropy: float | None = None
    noted: list[Written] = field(default_factory=list)

    def ended(self) -> bool:
        """Whether the model has ended by itself or written a stop text."""
        if self.guide is not None:
            return self.guide.stopped
        if self.written[-1] == END:
            return True
        if not self.stop:
            return False
        # It is asked after every token, each of at least one character, so a stop text can only be at the end.
        text = decode(self.written[-max(len(stop) for stop in self.stop) :])
        return any(stop in text for stop in self.stop)

    def note(self, token: int, odds: NDArray[np.float64] | None, part: Part | None = None) -> None:
        """Notes what is asked for of the next token.

        Args:
            token: what was written.
            odds: (vocabulary,), log-probabilities; None where the token was not for the model to choose.
            part: what it is in a reply that is guided.
        """
        logprob = 0.0 if odds is None else float(odds[token])
        if self.top_logprobs is not None:
            first = [] if odds is None else np.argsort(-odds, kind="stable")[: self.top_logprobs].tolist()
            likeliest = tuple((one, 0.0 if odds is None else float(odds[one])) for one in first)
            self.noted.append(Written(token, logprob, likeliest, part))
        if not self.logprobs:
            return
        if odds is not None and self.entropy is None:
            self.entropy = float(-(np.exp(odds) * odds).sum())
        self.logprobs_written.append(logprob)

    def abandoned(self) -> bool:
        """Whether the caller has gone; looked up every eighth token, because it takes a lock."""
        return len(self.written) % 8 == 0 and self.done.cancelled()

    def generation(self) -> Generation:
        """The result; the mean is over what the model chose."""
        given = 0 if self.guide is None else sum(not part.chosen for part in self.guide.parts)
        chosen = max(1, len(self.written) - given)
        return Generation(
            tokens=tuple(self.written),
            stopped=self.ended(),
            mean_logprob=reduce(add, self.logprobs_written, 0.0) / chosen if self.logprobs else None,
            first_token_entropy=self.entropy,
            logprobs=tuple(self.logprobs_written),
            noted=tuple(self.noted),
            guide=self.guide,
        )


class Engine:
    """Runs jobs on a network, up to `rows` at once.

    Thread safety: `submit` and `close` may be called from any thread.

    Args:
        network: the model.
        rows: the most jobs that advance together.
    """

    def __init__(self, network: Network, rows: int = 64) -> None:
        self._network = network
        self._rows = rows
        self._cache = Cache(network.shape, rows)
        self._states = Rows(rows, network.shape.window)
        self._prefixes = PrefixStore()
        self._waiting: deque[Job] = deque()
        self._active: list[Job] = []
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hands over jobs; each job's future is resolved from the engine's thread."""
        with self._wake:
            self._waiting.extend(jobs)
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(target=self._run, name="pocket", daemon=True)
                self._thread.start()
            self._wake.notify()

    def close(self) -> None:
        """Ends the thread when the jobs at hand are done; a later `submit` starts another."""
        with self._wake:
            thread = self._thread
            self._closing = True
            self._wake.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._active:
                    if self._closing or not self._wake.wait(_IDLE_SECONDS):
                        self._thread = None
                        return
                arrived = self._arrivals()
            try:
                if arrived:
                    self._prefill(arrived)
                elif self._active:
                    self._decode()
            except Exception as error:  # noqa: BLE001 - every caller must hear of a fault in this thread
                self._fail(error, arrived)

    def _fail(self, error: Exception, arrived: list[Job]) -> None:
        """Passes a fault on to everyone who waits for this batch."""
        failed = [*self._active, *(job for job in arrived if job not in self._active)]
        self._active = []
        for job in failed:
            if not job.done.done():
                job.done.set_exception(error)

    def _arrivals(self) -> list[Job]:
        """As many waiting jobs as there are free rows, those with equal prompts side by side."""
        free = self._rows - len(self._active)
        jobs = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
        return sorted((job for job in jobs if not job.done.cancelled()), key=lambda job: (len(job.tokens), job.tokens))

    def _prefill(self, arrived: list[Job]) -> None:
        """Reads the prompts of new jobs, each distinct prompt once, and writes each job's first token."""
        first = len(self._active)
        distinct = list(dict.fromkeys(job.tokens for job in arrived))
        logits = dict(zip(distinct, self._read(first, distinct), strict=True))
        source = {tokens: first + number for number, tokens in enumerate(distinct)}
        # The distinct prompts stand in the first rows; the jobs follow in their order, so copy from the last on.
        for row in range(len(arrived) - 1, -1, -1):
            tokens = arrived[row].tokens
            if source[tokens] != first + row:
                self._cache.copy(source[tokens], first + row, len(tokens))
        for row, job in enumerate(arrived, start=first):
            self._states.place(row, len(job.tokens), job.temperature, job.top_p, job.draws)
        self._active += arrived
        self._write(first, arrived, np.stack([logits[job.tokens] for job in arrived]))

    def _read(self, first: int, prompts: list[tuple[int, ...]]) -> list[NDArray[np.float32]]:
        """Reads prompts into rows from `first` on, from kept prefixes where there are any; their last logits."""
        found = [self._prefixes.find(tokens) for tokens in prompts]
        results: list[NDArray[np.float32]] = []
        begin = 0
        while begin < len(prompts):
            end = begin + 1
            longest = len(prompts[begin]) - found[begin][1]
            while end < len(prompts):
                longest = max(longest, len(prompts[end]) - found[end][1])
                if longest * (end + 1 - begin) > _PREFILL_TOKENS:
                    break
                end += 1
            results += self._read_chunk(first + begin, prompts[begin:end], found[begin:end])
            begin = end
        return results

    def _read_chunk(
        self, first: int, prompts: list[tuple[int, ...]], found: list[tuple[Prefix | None, int]]
    ) -> list[NDArray[np.float32]]:
        for row, (prefix, known) in enumerate(found, start=first):
            if prefix is not None:
                self._cache.put(row, prefix.kept, known)
        rests = [tokens[known:] for tokens, (_, known) in zip(prompts, found, strict=True)]
        longest = max(len(rest) for rest in rests)
        if longest == 0:
            return [prefix.logits for prefix, _ in found if prefix is not None]
        padded = np.zeros((len(rests), longest), np.intp)
        for row, rest in enumerate(rests):
            padded[row, : len(rest)] = rest
        starts = np.array([known for _, known in found], np.intp)
        counts = np.array([max(len(rest), 1) for rest in rests], np.intp)
        computed = self._network.advance(self._cache, first, padded, starts, counts)
        results = []
        for row, (tokens, (prefix, known)) in enumerate(zip(prompts, found, strict=True)):
            if prefix is not None and known == len(tokens):
                results.append(prefix.logits)
                continue
            results.append(computed[row])
            self._prefixes.add(Prefix(tokens, self._cache.take(first + row, len(tokens)), computed[row].copy()))
        return results

    def _decode(self) -> None:
        """One more token for every active job."""
        tokens, starts = self._states.read(len(self._active))
        self._write(0, self._active, self._network.advance(self._cache, 0, tokens, starts))

    def _write(self, first: int, jobs: Sequence[Job], logits: NDArray[np.float32]) -> None:
        """Chooses a token for each of the jobs that stand in the rows from `first` on; lets the finished go."""
        led = any(job.guide is not None for job in jobs)
        tokens = choose(_held(jobs, logits) if led else logits, *self._states.choosing(first, len(jobs)))
        self._states.write(first, tokens)
        chosen = tokens.tolist()
        noting = any(job.logprobs or job.top_logprobs is not None for job in jobs)
        logprobs = log_probabilities(logits) if noting else [None] * len(jobs)
        finished = []
        for row, (job, token, odds) in enumerate(zip(jobs, chosen, logprobs, strict=True), start=first):
            if job.guide is not None:
                if self._lead(row, job, job.guide, token, odds) or job.done.cancelled():
                    finished.append(row)
                continue
            job.note(token, odds)
            job.written.append(token)
            if job.watch is not None:
                job.watch(Written(token) if job.top_logprobs is None else job.noted[-1])
            if token == END or len(job.written) == job.cap or (job.stop and job.ended()) or job.abandoned():
                finished.append(row)
        for row in reversed(finished):
            self._release(row)

    def _lead(self, row: int, job: Job, guide: Guide, token: int, odds: NDArray[np.float64] | None) -> bool:
        """Goes on with a job that is guided; returns whether it is whole.

        Args:
            row: of the job.
            job: the job.
            guide: the job's.
            token: what was chosen.
            odds: (vocabulary,): log-probabilities before anything was ruled out, where they are noted.
        """
        if guide.reading:
            self._states.feed(row, guide.read(), drawn=False)
            return False
        whole = guide.take(token)
        for part in guide.parts[len(job.written) :]:
            job.note(part.token, odds if part.chosen else None, part)
            job.written.append(part.token)
            if job.watch is not None:
                job.watch(Written(part.token, part=part) if job.top_logprobs is None else job.noted[-1])
        if guide.goes_back:
            self._states.go_back(row, len(guide.context), guide.context[-1])
        elif guide.reading:
            self._states.feed(row, guide.read(), drawn=True)
        return whole

    def _release(self, row: int) -> None:
        """Resolves the job of a row; the last row takes its place."""
        job = self._active[row]
        last = len(self._active) - 1
        if row != last:
            mover = self._active[last]
            self._cache.copy(last, row, self._states.length(last))
            self._states.move(last, row)
            self._active[row] = mover
        del self._active[last]
        try:
            job.done.set_result(job.generation())
        except InvalidStateError:
            # Cancelled between the check and here: nobody waits for the result any more.
            return


def _held(jobs: Sequence[Job], logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits without what guides rule out; those of free jobs as they are."""
    held = logits.copy()
    for row, job in enumerate(jobs):
        allowed = None if job.guide is None else job.guide.allowed()
        if allowed is not None:
            held[row, ~allowed] = -np.inf
    return held
