"""An operator's commands and health check for a domain: each agent obeys, answers, and is known as it is then."""

from __future__ import annotations

from ..agent import Agent
from .scene import Scene


async def play(scene: Scene) -> None:
    fleet = [Agent(scene.nc, f"data-00{n}", "data", ["etl"], scene.heartbeat_s) for n in (1, 2, 3)]
    for agent in fleet:
        await agent.start()
        await scene.agent_known_as(agent.agent_id, state="active")
    for command, status in (("pause", "paused"), ("resume", "ready")):
        order = {"command": command, "to": {"domain": "data"}, "by": "kim"}
        answer = await scene.ask("control.command.send", order, timeout=15)
        kept = [(await scene.kept_state(agent.agent_id, status))["status"] for agent in fleet]
        statuses = [one["response"]["status"] for one in answer["answered"]]
        scene.observe(command, {"answers": statuses, "missing": answer["missing"], "kept": kept})
    checked = await scene.ask("control.health.check", {"domain": "data"})
    scene.observe("checked", [[agent["agent_id"], agent["status"]] for agent in checked["agents"]])
    for agent in fleet:
        await agent.stop()
