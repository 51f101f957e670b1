"""Who answers the requests of the steps: a model and the journal, or the journal alone."""

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
"""Calls in a row without an answer, after all retries: then the model is gone."""


@dataclass(slots=True)
class _Root:
    """A passage and how many of its steps are open."""

    open: int = 1


@dataclass(slots=True)
class _Waiting:
    step: Step
    root: _Root


Batch = list[Request]
Done = tuple[Batch, list[Reply] | BaseException]


def drive(
    roots: Iterator[Step],
    model: LanguageModel,
    journal: Journal,
    on_reply: Callable[[Request, Reply], None] = lambda request, reply: None,
    on_root: Callable[[], None] = lambda: None,
) -> None:
    """Run steps until none is left: what the journal has not is asked of the model and written down.

    The steps run in this thread, the model's calls in others. A new passage is begun only when the calls are
    short of work, and a passage begun goes before the next, so that few are open. An answer is on the disk
    before its step goes on. A request that two steps share is asked once.

    Args:
        roots: first steps, one a passage.
        model: that is asked.
        journal: of answers.
        on_reply: called for each new answer.
        on_root: called for each passage that is done.

    Raises:
        ZooError: the model cannot be used; what was answered is in the journal.
    """
    ready: deque[tuple[_Waiting, Reply | None]] = deque()
    pending: deque[Request] = deque()
    waiting: dict[str, list[_Waiting]] = {}  # by the hash of a request that is pending or under way
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

    def advance(one: _Waiting, reply: Reply | None) -> None:
        """Run a step until it needs an answer that is not there."""
        while True:
            try:
                request = next(one.step) if reply is _START else one.step.send(reply)
            except StopIteration as stop:
                following: list[Step] = stop.value
                one.root.open += len(following) - 1
                ready.extendleft((_Waiting(step, one.root), _START) for step in reversed(following))
                if not one.root.open:
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
                    advance(_Waiting(root, _Root()), _START)
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
                        f"{answer} Nothing is lost: the same command goes on from here."
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


_START = Reply("")  # stands for "nothing was asked yet"


def replay(step: Step, journal: Journal, note: Callable[[Request, Reply | None], None]) -> None:
    """Run a step and all that follow it with the journal's answers alone, depth first, so in one fixed order.

    Args:
        step: to run.
        journal: of answers.
        note: told of each request and its answer, None for one without.
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
