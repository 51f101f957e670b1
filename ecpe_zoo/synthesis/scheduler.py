"""Runs the steps, with replies from a model and the journal, or from the journal alone."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis.journal import Journal
from ecpe_zoo.synthesis.language_model import LanguageModel, Reply, Request, Unanswered
from ecpe_zoo.synthesis.stages import Step

GIVE_UP_AFTER = 5
"""Calls in a row without an answer, after all retries, that mean that the model is gone."""


@dataclass(slots=True)
class _Root:
    """A passage and how many of its steps are open."""

    open: int = 1


Open = tuple[Step, _Root]
Batch = list[Request]
Done = tuple[Batch, list[Reply] | BaseException]


def drive(
    roots: Iterator[Step],
    model: LanguageModel,
    journal: Journal,
    on_reply: Callable[[Request, Reply], None] = lambda request, reply: None,
    on_root: Callable[[], None] = lambda: None,
) -> None:
    """Run steps until none is left: what the journal does not hold is requested from the model and stored.

    The steps run in this thread, the model's calls in others. A new passage is started only when the calls lack
    work, and a started passage comes before the next, so that few are open. An answer is on the disk before its
    step continues. A request that two steps share is sent once.

    Args:
        roots: First step of each passage.
        model: Model that answers.
        journal: Stored answers.
        on_reply: Called for each new answer.
        on_root: Called for each passage that is done.

    Raises:
        ZooError: the model cannot be used; what was answered is in the journal.
    """
    ready: deque[tuple[Open, Reply | None]] = deque()
    pending: deque[Request] = deque()
    waiting: dict[str, list[Open]] = {}  # by the hash of a request that is pending or under way
    tasks: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[Done] = queue.SimpleQueue()
    free, in_a_row = model.calls, 0
    failed: BaseException | None = None

    def work() -> None:
        while (batch := tasks.get()) is not None:
            try:
                done.put((batch, model.complete(batch)))
            except BaseException as error:
                done.put((batch, error))

    def advance(one: Open, reply: Reply | None) -> None:
        """Run a step until it needs an answer that the journal does not hold."""
        step, root = one
        while True:
            try:
                request = next(step) if reply is _START else step.send(reply)
            except StopIteration as stop:
                following: list[Step] = stop.value
                root.open += len(following) - 1
                ready.extendleft(((later, root), _START) for later in reversed(following))
                if not root.open:
                    on_root()
                return
            if (known := journal.get(request)) is None:
                holders = waiting.setdefault(request.hash, [])
                if not holders:
                    pending.append(request)
                holders.append(one)
                return
            reply = known

    threads = [threading.Thread(target=work, daemon=True) for _ in range(model.calls)]
    for thread in threads:
        thread.start()
    try:
        more = True
        while True:
            while failed is None and len(pending) < free * model.batch and (ready or more):
                if ready:
                    advance(*ready.popleft())
                elif (root := next(roots, None)) is not None:
                    advance((root, _Root()), _START)
                else:
                    more = False
            while failed is None and free and pending:
                batch = [pending.popleft() for _ in range(min(model.batch, len(pending)))]
                tasks.put(batch)
                free -= 1
            if free == model.calls:
                break
            batch, answer = done.get()
            free += 1
            if isinstance(answer, Unanswered):
                in_a_row += 1
                if in_a_row >= max(GIVE_UP_AFTER, model.calls):
                    failed = failed or ZooError(
                        f"{answer} Nothing is lost: the same command resumes from here."
                    )
                    model.close()
                ready.extend((one, None) for request in batch for one in waiting.pop(request.hash))
                continue
            if isinstance(answer, BaseException):
                failed = failed or answer
                model.close()  # calls under way still end, and their answers are kept
                continue
            in_a_row = 0
            for request, reply in zip(batch, answer, strict=True):
                journal.append(request, reply)
                on_reply(request, reply)
                ready.extendleft((one, reply) for one in waiting.pop(request.hash))
        if failed is not None:
            raise failed
    finally:
        model.close()
        for _ in threads:
            tasks.put(None)


_START = Reply("")  # the step has not made a request yet


def replay(step: Step, journal: Journal, note: Callable[[Request, Reply | None], None]) -> None:
    """Run a step and all that follow it with the journal's answers alone, depth first and so in a fixed order.

    Args:
        step: Step to run.
        journal: Stored answers.
        note: Takes each request and its answer, None if there is none.
    """
    try:
        request = next(step)
        while True:
            reply = journal.get(request)
            note(request, reply)
            request = step.send(reply)
    except StopIteration as stop:
        for following in stop.value:
            replay(following, journal, note)
