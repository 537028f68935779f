"""A task that a client assigns to an agent itself, and one that is assigned for it (with task-assignment)."""

from __future__ import annotations

from typing import Any

from ..agent import Agent
from ..tasks import TaskTaker
from ..wire import encode, new_id
from .scene import Scene


async def double(payload: Any) -> Any:
    return payload * 2


async def play(scene: Scene) -> None:
    taker = TaskTaker(Agent(scene.nc, "taker-001", "math", ["doubling"], scene.heartbeat_s), double)
    await taker.start()
    await scene.agent_known_as("taker-001", state="active")
    task_id = new_id("task")
    said = await scene.watch(f"coordination.tasks.*.{task_id}")
    task = {"task_id": task_id, "requirements": {"capabilities": ["doubling"], "timeout_ms": 10000}, "payload": 21}
    await scene.nc.publish("coordination.tasks.assignment", encode(task))

    def done() -> Any:
        return [seen["body"] for seen in said if seen["subject"].startswith("coordination.tasks.done.")]

    await scene.until("the task is done", done)
    scene.observe("statuses", [seen["body"]["status"] for seen in said if ".status." in seen["subject"]])
    scene.observe("done", done())
    await taker.agent.stop()
