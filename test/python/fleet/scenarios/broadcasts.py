"""Events for all, for a domain and for an emergency, from agents and from an operator: two domains hear them."""

from __future__ import annotations

from ..agent import Agent
from ..broadcasts import Ear
from ..wire import encode
from .scene import Scene


async def play(scene: Scene) -> None:
    ears = [
        Ear(Agent(scene.nc, agent_id, domain, [], scene.heartbeat_s))
        for agent_id, domain in (("speech-001", "audio"), ("speech-002", "audio"), ("eyes-001", "vision"))
    ]
    for ear in ears:
        await ear.open()
        await ear.agent.start()
        await scene.agent_known_as(ear.agent.agent_id, state="active")
    await scene.nc.publish("broadcast.global.config_update", encode({"log": "debug"}))
    await scene.nc.publish("broadcast.domain.audio.model_update", b"whisper-4")
    await scene.ask("control.broadcast.send", {"scope": "domain", "domain": "vision", "event": "model_update", "payload": "yolo-9", "by": "kim"})
    await scene.until("all have heard both", lambda: all(len(ear.heard) >= 2 for ear in ears))
    await scene.ask("control.broadcast.emergency", {"event": "shutdown", "payload": {"why": "fire"}, "by": "kim"})
    for ear in ears:
        ended = await scene.agent_known_as(ear.agent.agent_id, state="terminated")
        scene.observe(ear.agent.agent_id, {"heard": ear.heard, "ended": ended["reason"]})
