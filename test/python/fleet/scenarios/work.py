"""Work that is balanced over a queue group, retried and buried; and documents that go down a pipeline."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..agent import Agent
from ..pipeline import Stage
from ..wire import encode
from ..worker import Worker
from .scene import Scene

ITEMS = 60
PRIORITIES = ("critical", "high", "normal", "low")


mended: list[str] = []
"""Task types that are no longer broken."""


async def process(priority: str, task_type: str, work: Any) -> Any:
    if task_type == "broken" and task_type not in mended:
        raise ValueError("cannot be parsed")
    return {"label": "positive"}


async def play(scene: Scene) -> None:
    workers = [Worker(Agent(scene.nc, f"nlp-{n}", "nlp", ["sentiment"], scene.heartbeat_s), process) for n in (1, 2, 3)]
    for worker in workers:
        await worker.start()
    results = await scene.watch("agent.*.resp.*")

    async def publish(items: range) -> None:
        for n in items:
            work = encode({"task_id": f"task-{n}", "text": "I like it"})
            await scene.nc.publish(f"work.nlp.{PRIORITIES[n % 4]}.sentiment", work, headers={"X-Request-ID": f"req-{n}"})
        await scene.until("all work is done", lambda: len(results) >= items.stop)

    await publish(range(ITEMS))
    shares = [len(worker.done) for worker in workers]
    scene.observe("balanced", {"shares": shares, "tasks": len({seen["subject"].rsplit(".", 1)[1] for seen in results})})
    scene.observe("correlated", results[0]["headers"]["X-Request-ID"].startswith("req-"))

    # The share of one that pauses goes to the others.
    await scene.ask("agent.nlp-1.cmd.pause")
    await publish(range(ITEMS, 2 * ITEMS))
    after = [len(worker.done) for worker in workers]
    scene.observe("while_paused", {"shares": [now - before for now, before in zip(after, shares)]})

    buried = await scene.watch("dlq.work.nlp.normal.broken")
    await scene.nc.publish("work.nlp.normal.broken", b"???")
    await scene.until("the broken work is buried", lambda: buried)
    scene.observe("buried", [[seen["body"], seen["headers"]["X-Retry-Count"]] for seen in buried])
    await replay(scene)
    for worker in workers:
        await worker.agent.stop()


async def replay(scene: Scene) -> None:
    """The operator's part: finds the dead letter, and publishes it again once the worker can do it."""
    letters = {"subject": "work.nlp.normal.broken"}

    async def kept() -> Any:
        return (await scene.ask("control.dlq.list", letters))["letters"]

    found = await scene.until("the letter is kept", kept)
    scene.observe("kept", [[letter["subject"], letter["status"]] for letter in found])
    mended.append("broken")
    again = await scene.watch("work.nlp.normal.broken")
    results = await scene.watch("agent.*.resp.*")
    await scene.ask("control.dlq.replay", {**letters, "by": "kim"})
    await scene.until("the replayed work is done", lambda: results)
    scene.observe("replayed", [[seen["body"], seen["headers"]["X-Retry-Count"]] for seen in again])


STAGES = ("extract", "preprocess", "analyze", "summarize")


async def play_pipeline(scene: Scene) -> None:
    """Two agents a stage; a document passes each stage once."""
    runs: Counter[str] = Counter()
    for stage, next_stage in zip(STAGES, (*STAGES[1:], None)):

        async def run(data: bytes, stage: str = stage) -> bytes:
            runs[stage] += 1
            return data + f" > {stage}".encode()

        for n in (1, 2):
            await Stage(scene.nc, f"{stage}-{n}", stage, run, next_stage).start()
    passed = await scene.watch("pipeline.>")
    documents: list[str] = [f"doc{n}" for n in range(5)]
    for document in documents:
        await scene.nc.publish(f"pipeline.{document}.01.{STAGES[0]}", document.encode())

    def complete() -> list[Any]:
        return [seen for seen in passed if seen["subject"].endswith(".complete")]

    await scene.until("all documents are through", lambda: len(complete()) >= len(documents))
    scene.observe("runs", dict(runs))
    scene.observe("complete", sorted([seen["subject"], seen["body"]] for seen in complete()))
    scene.observe("path", [seen["subject"] for seen in passed if seen["subject"].startswith("pipeline.doc0.")])

    async def followed() -> Any:
        shown = await scene.ask("control.workflow.show", {"workflow_id": "doc0"})
        return shown if shown.get("status") == "completed" else None

    shown = await scene.until("it is followed to its end", followed)
    scene.observe("followed", [[stage["stage"], stage["status"], stage["agent_id"][:-2]] for stage in shown["stages"]])
