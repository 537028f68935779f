"""What an agent says by the way: its circuits, its metrics, its candidacy; and what a fleet broadcasts."""

from __future__ import annotations

import asyncio
from typing import Any

from ..circuit import Circuit
from ..election import Participant
from ..metrics import agent_metric, system_metric
from .scene import Scene


async def play(scene: Scene) -> None:
    await circuits(scene)
    await metrics(scene)
    await election(scene)
    await broadcasts(scene)


async def circuits(scene: Scene) -> None:
    """One agent's calls fail; the other stops calling because it heard of it."""

    async def fails() -> None:
        raise ConnectionError("nlp-service refuses")

    async def works() -> None:
        return None

    followed: list[str] = []
    states = await scene.watch("circuit.nlp-service.*")
    caller, listener = (Circuit(scene.nc, f"caller-{n}", "nlp-service") for n in (1, 2))
    for circuit in (caller, listener):
        await circuit.start()

    async def fleet_says(state: str) -> None:
        async def agreed() -> bool:
            listed = (await scene.ask("control.circuit.list"))["circuits"]
            return any(circuit["service"] == "nlp-service" and circuit["state"] == state for circuit in listed)

        await scene.until(f"the fleet's circuit is {state}", agreed)
        followed.append(state)

    for _ in range(3):
        await caller.call(fails)
    await scene.until("the other hears that it is open", lambda: listener.state == "open")
    scene.observe("not_called", await listener.call(works))
    await fleet_says("open")
    await caller.try_again()
    await fleet_says("half_open")
    await caller.call(works)
    await fleet_says("closed")
    await scene.until("the other hears that it is closed", lambda: listener.state == "closed")
    mine = [seen for seen in states if seen["headers"].get("X-Agent-ID") == "caller-1"]
    scene.observe("circuit", [[seen["subject"], seen["body"]["reason"]] for seen in mine])
    scene.observe("circuit_of_the_fleet", followed)


async def metrics(scene: Scene) -> None:
    seen = await scene.watch("metrics.>")
    await agent_metric(scene.nc, "nlp-001", "cpu_usage", 0.42, "share")
    await agent_metric(scene.nc, "nlp-001", "tasks_processed", 17, "count")
    await system_metric(scene.nc, "work_queue", "depth", 3, "messages")
    await scene.until("the metrics are heard", lambda: len(seen) >= 3)
    scene.observe("metrics", [[metric["subject"], metric["body"]["value"]] for metric in seen])


async def election(scene: Scene) -> None:
    """One of two wins, and beats; the other hears nothing, until the leader resigns."""
    domain = "fleet-test"
    said = await scene.watch(f"election.{domain}.*")
    one, two = (Participant(scene.nc, f"candidate-{n}", domain, heartbeat_s=0.05) for n in (1, 2))
    outcomes = await asyncio.gather(one.stand(), two.stand(timeout=0.5))
    scene.observe("leaders", sum(outcomes))
    await scene.until("the leader beats", lambda: any(seen["subject"].endswith(".heartbeat") for seen in said))
    leader, other = (one, two) if one.is_leader else (two, one)
    scene.observe("lost", await other.stand(timeout=0.5))
    await leader.resign()
    await scene.ask("control.election.resign", {"domain": domain, "agent_id": leader.agent_id})
    scene.observe("follows", await other.stand())
    # The leaders say it as they know how, with their id; the control plane says it with the term.
    def announced(kind: type) -> list[Any]:
        return [seen["body"] for seen in said if seen["subject"].endswith(".leader") and isinstance(seen["body"], kind)]

    await scene.until("all is announced", lambda: len(announced(str)) >= 2 and len(announced(dict)) >= 3)
    scene.observe("by_themselves", announced(str) == [leader.agent_id, other.agent_id])
    terms = [(who["leader"], who["term"]) for who in announced(dict)]
    scene.observe("announced", terms == [(leader.agent_id, 1), (None, 1), (other.agent_id, 2)])
    await other.resign()


async def broadcasts(scene: Scene) -> None:
    """No queue group: two listeners hear it both."""
    listeners = [await scene.watch("broadcast.domain.nlp.*"), await scene.watch("broadcast.domain.nlp.model_update")]
    await scene.nc.publish("broadcast.domain.nlp.model_update", b"bert-2")
    await scene.until("both have heard it", lambda: all(listeners))
    scene.observe("broadcast", [[seen["body"] for seen in heard] for heard in listeners])
