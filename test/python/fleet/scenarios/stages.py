"""What workers of a pipeline say of it on coord.<workflow>: ready, an error that is tried again, complete, and a cancel that is obeyed."""

from __future__ import annotations

from typing import Any

from nats.aio.msg import Msg

from ..wire import decode, encode, headers_of
from .scene import Scene


async def play(scene: Scene) -> None:
    monitored: list[tuple[str, Any]] = []

    async def monitor(msg: Msg) -> None:
        monitored.append((msg.subject, decode(msg.data)))

    # As a monitor of the document does it, in a queue group of its own.
    await scene.nc.subscribe("coord.>", queue="monitor", cb=monitor)
    await failing_once(scene)
    await cancelled(scene)
    subjects = {subject for subject, _ in monitored}
    events = ("coord.doc700.ready", "coord.doc700.error", "coord.doc700.complete", "coord.doc701.cancel")
    scene.observe("monitored", [event in subjects for event in events])


async def shown(scene: Scene, workflow: str, status: str) -> Any:
    async def show() -> Any:
        answer = await scene.ask("control.workflow.show", {"workflow_id": workflow})
        return answer if answer.get("status") == status else None

    return await scene.until(f"{workflow} is {status}", show)


async def failing_once(scene: Scene) -> None:
    workflow, stage = "doc700", "01.transcribe"
    tries: list[str] = []

    async def work(msg: Msg) -> None:
        tries.append((msg.headers or {}).get("X-Retry-Count", "0"))

        async def say(event: str, **fields: Any) -> None:
            await scene.nc.publish(f"coord.{workflow}.{event}", encode({"stage": stage, **fields}), headers=headers_of("stage-001"))

        await say("ready")
        if len(tries) == 1:
            return await say("error", error="no audio yet")
        await say("complete")
        await scene.nc.publish(f"pipeline.{workflow}.complete", msg.data + b" transcribed")

    await scene.nc.subscribe("pipeline.*.*.transcribe", queue="pipeline-transcribe", cb=work)
    complete = await scene.watch(f"pipeline.{workflow}.complete")
    await scene.nc.publish(f"pipeline.{workflow}.{stage}", b"speech")
    await scene.until("it is complete", lambda: complete)
    scene.observe("tries", tries)
    scene.observe("complete", [seen["body"] for seen in complete])
    scene.observe("progress", (await shown(scene, workflow, "completed"))["progress"])


async def cancelled(scene: Scene) -> None:
    workflow = "doc701"
    under_way: list[str] = []
    dropped: list[str] = []

    async def begin(msg: Msg) -> None:
        under_way.append(msg.subject.split(".")[1])

    async def drop(msg: Msg) -> None:
        if msg.subject.split(".")[1] in under_way:
            dropped.append(msg.subject)

    await scene.nc.subscribe("pipeline.*.*.paint", queue="pipeline-paint", cb=begin)
    await scene.nc.subscribe("coord.*.cancel", cb=drop)
    await scene.nc.publish(f"pipeline.{workflow}.01.paint", b"canvas")
    await shown(scene, workflow, "running")
    await scene.nc.publish(f"coord.{workflow}.cancel", encode({"reason": "not wanted"}))
    scene.observe("cancelled", (await shown(scene, workflow, "cancelled"))["progress"])
    scene.observe("dropped", dropped[:1])
