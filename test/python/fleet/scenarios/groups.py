"""Work of one domain for two versions of its workers: each group gets all of it; in a group one crashes, and the rest goes on."""

from __future__ import annotations

from typing import Any

from ..agent import Agent
from ..wire import encode
from ..worker import Worker
from .scene import Scene

ITEMS = 20


async def ocr(priority: str, task_type: str, work: Any) -> Any:
    return {"text": task_type, "priority": priority}


async def play(scene: Scene) -> None:
    def worker(n: int, version: str) -> Worker:
        return Worker(Agent(scene.nc, f"reader-{version}-{n}", "reading", ["ocr"], scene.heartbeat_s), ocr, version)

    groups = {version: [worker(n, version) for n in (1, 2)] for version in ("v1", "v2")}
    everybody = [member for group in groups.values() for member in group]
    for member in everybody:
        await member.start()

    async def publish(batch: str) -> list[int]:
        before = {version: [len(member.done) for member in group] for version, group in groups.items()}
        for n in range(ITEMS):
            priority = ("critical", "high", "normal", "low")[n % 4]
            await scene.nc.publish(f"work.reading.{priority}.ocr", encode({"task_id": f"{batch}-{n}"}))

        def shares() -> list[int]:
            return [sum(len(member.done) for member in group) - sum(before[version]) for version, group in groups.items()]

        await scene.until(f"{batch} is done", lambda: sum(shares()) >= 2 * ITEMS)
        return shares()

    scene.observe("each_group", await publish("first"))
    crashed, heir = groups["v2"]
    await crashed.agent.crash()
    alone = len(heir.done)
    scene.observe("after_a_crash", await publish("second"))
    scene.observe("heir", len(heir.done) - alone)
    for member in everybody:
        if member is not crashed:
            await member.agent.stop()
