"""Three agents live: found by what they can do, mirrored, checked, commanded, in error, stopped."""

from __future__ import annotations

from typing import Any

from ..agent import Agent
from ..wire import encode
from .scene import Scene


async def echo(body: Any) -> Any:
    return {"echo": body.get("payload")}


async def play(scene: Scene) -> None:
    fleet = [
        Agent(scene.nc, f"nlp-worker-00{n}", "nlp", ["sentiment", "ner"], scene.heartbeat_s, echo, name="worker", version="1.0.0")
        for n in (1, 2, 3)
    ]
    for agent in fleet:
        await agent.start()
    first, second, third = fleet

    async def all_found() -> Any:
        found = (await scene.ask("agents.discovery.find", {"capability": "sentiment", "domain": "nlp", "healthy": True}))["agents"]
        return found if len(found) == len(fleet) else None

    found = await scene.until("all are found", all_found)
    scene.observe("found", sorted(agent["agent_id"] for agent in found))
    scene.observe("state", await scene.kept_state(first.agent_id, "ready"))

    await check(scene, first)
    await command(scene, first)

    first.active_tasks = first.max_concurrent_tasks
    scene.observe("busy", await scene.kept_state(first.agent_id, "busy"))

    await scene.ask(f"agent.{second.agent_id}.cmd.pause")
    scene.observe("paused", await scene.kept_state(second.agent_id, "paused"))
    await scene.ask(f"agent.{second.agent_id}.cmd.resume")
    scene.observe("resumed", await scene.kept_state(second.agent_id, "ready"))

    await third.error("the model does not load")
    scene.observe("in_error", await scene.kept_state(third.agent_id, "error"))
    scene.observe("unhealthy", await scene.agent_known_as(third.agent_id, healthy=False))

    scene.observe("shutdown", await scene.ask(f"agent.{second.agent_id}.cmd.shutdown", {"command_id": "bye-1"}))
    scene.observe("stopped", await scene.agent_known_as(second.agent_id, state="terminated"))
    scene.observe("gone", await scene.kept_state(second.agent_id, None))
    for agent in (first, third):
        await agent.stop()
        await scene.agent_known_as(agent.agent_id, state="terminated")


async def check(scene: Scene, agent: Agent) -> None:
    scene.observe("health", await scene.ask(f"health.check.{agent.agent_id}"))
    inbox = scene.nc.new_inbox()
    answers = await scene.watch(inbox)
    await scene.nc.publish("health.check.all", b"", reply=inbox)
    await scene.until("all have answered the check", lambda: len(answers) >= 3)
    scene.observe("health_of_all", sorted(answer["body"]["agent_id"] for answer in answers))


async def command(scene: Scene, agent: Agent) -> None:
    """Each command as a request; and as a publish, whose answer has a subject of its own."""
    to = f"agent.{agent.agent_id}.cmd"
    scene.observe("status", await scene.ask(f"{to}.status"))
    scene.observe("executed", await scene.ask(f"{to}.execute", {"command_id": "c-1", "task_id": "t-1", "payload": "hello"}))
    scene.observe("configured", await scene.ask(f"{to}.config", {"batch_size": 8}))
    scene.observe("no_command", (await scene.ask(f"{to}.explode"))["error"])
    responses = await scene.watch(f"agent.{agent.agent_id}.resp.*")
    for verb in ("pause", "resume", "status"):
        await scene.nc.publish(f"{to}.{verb}", encode({"command_id": f"{verb}-1"}))
    await scene.until("all commands are answered", lambda: len(responses) >= 3)
    scene.observe("responses", [[seen["subject"], seen["body"]["command_id"]] for seen in responses])
