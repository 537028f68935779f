"""An agent crashes: the failure is reported, its supervisor is told to start it anew, and does."""

from __future__ import annotations

from typing import Any

from ..agent import Agent
from ..supervision import Supervisor, report_failure, report_health
from .scene import Scene

AGENT_ID = "fragile-001"
SUPERVISOR_ID = "keeper-001"


async def play(scene: Scene) -> None:
    def incarnation(n: int) -> Agent:
        return Agent(scene.nc, AGENT_ID, "nlp", ["ner"], scene.heartbeat_s, name="fragile", instance_id=f"run-{n}")

    running = [incarnation(1)]

    async def case_of(agent_id: str) -> bool:
        cases = (await scene.ask("control.escalation.list"))["cases"]
        return any(case["agent_id"] == agent_id for case in cases)

    async def restart(agent_id: str) -> None:
        if escalations:
            await scene.until("the escalation has a case, which the restart is to resolve", lambda: case_of(agent_id))
        running.append(incarnation(len(running) + 1))
        await running[-1].start()

    async def children() -> list[dict[str, Any]]:
        return (await scene.ask("control.supervisor.show", {"supervisor_id": SUPERVISOR_ID})).get("supervisor", {}).get("children", [])

    supervisor = Supervisor(scene.nc, SUPERVISOR_ID, restart, [AGENT_ID])
    await supervisor.start()
    await scene.until("the tree has it", children)
    alerts = await scene.watch("alerts.*")
    escalations = await scene.watch("supervision.escalation.*")
    await running[0].start()
    await scene.agent_known_as(AGENT_ID, state="active", instance_id="run-1")
    scene.observe("children", [(child["id"], child["healthy"]) for child in await children()])
    await report_health(scene.nc, AGENT_ID, "degraded", cpu_usage=0.97, error_rate=0.2)

    await running[0].crash()
    await report_failure(scene.nc, AGENT_ID, "process_crash", "high")
    await scene.until("it is started anew", lambda: supervisor.orders)
    scene.observe("orders", list(supervisor.orders))
    scene.observe("restarted", await scene.agent_known_as(AGENT_ID, state="active", instance_id="run-2"))
    scene.observe("escalations", len(escalations))

    await running[-1].crash()
    await report_failure(scene.nc, AGENT_ID, "memory_leak", "critical")
    await scene.until("it is started anew again", lambda: len(supervisor.orders) == 2)
    await scene.until("somebody is told", lambda: alerts and escalations)
    scene.observe("escalated", [(seen["body"]["agent_id"], seen["body"]["supervisor_id"]) for seen in escalations])
    scene.observe("alerted", [seen["subject"] for seen in alerts if seen["body"]["agent_ids"] == [AGENT_ID]])
    await scene.agent_known_as(AGENT_ID, instance_id="run-3", state="active")

    def resolved() -> list[str]:
        return [summary for summary in summaries(alerts, AGENT_ID) if "is resolved" in summary]

    scene.observe("resolved", await scene.until("the escalation is resolved", resolved))
    scene.observe("still_open", await case_of(AGENT_ID))
    await running[-1].stop()
    await supervisor.stop()

    # Document 002 knows no instances: a process that starts again under its id says `created` once more.
    nameless = Agent(scene.nc, "nameless-001", "nlp", [], scene.heartbeat_s)
    await nameless.start()
    await scene.agent_known_as(nameless.agent_id, state="active")
    await nameless.crash()
    await nameless.start()
    await scene.until("the registry objects", lambda: len(summaries(alerts, nameless.agent_id)) == 2)
    scene.observe("restart_without_instance", summaries(alerts, nameless.agent_id))
    scene.observe("still_active", (await scene.agent_known_as(nameless.agent_id, state="active"))["healthy"])
    await nameless.stop()


def summaries(alerts: list[dict[str, Any]], agent_id: str) -> list[str]:
    return [seen["body"]["summary"] for seen in alerts if seen["body"]["agent_ids"] == [agent_id]]
