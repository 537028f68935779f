"""Candidates of document 002, its pauses a tenth as long: one leads until it crashes, then another one does; and one that only publishes."""

from __future__ import annotations

import asyncio
from typing import Any

from ..election import Participant
from .scene import Scene

DOMAIN = "ml"


async def play(scene: Scene) -> None:
    await crash_of_a_leader(scene)
    answers = await scene.watch("election.data.vote.resp.*")
    await Participant(scene.nc, "data-001", "data").apply(["batch"])
    await scene.until("the vote without a reply subject is answered", lambda: answers)
    scene.observe("applied", [(seen["subject"], seen["body"]["won"]) for seen in answers])


async def crash_of_a_leader(scene: Scene) -> None:
    said = await scene.watch(f"election.{DOMAIN}.leader")
    beats = await scene.watch(f"election.{DOMAIN}.heartbeat")
    candidates = [Participant(scene.nc, f"ml-00{n}", DOMAIN, heartbeat_s=0.3) for n in (1, 2, 3)]
    running = {candidate.agent_id: asyncio.create_task(candidate.participate(again_s=1.0)) for candidate in candidates}

    def leaders() -> list[Participant]:
        return [candidate for candidate in candidates if candidate.is_leader]

    first = (await scene.until("somebody leads", leaders))[0]
    # Longer than a lease, and for longer than the others wait.
    await scene.until("it has led for a while", lambda: len(beats) >= 12 and all(c.asked >= 2 for c in candidates if c is not first))
    scene.observe("leaders", [candidate is first for candidate in leaders()])

    running[first.agent_id].cancel()
    await first.resign()  # it says nothing: it only stops to beat
    second = (await scene.until("another one leads", leaders))[0]
    scene.observe("followed", second is not first)

    def elected() -> list[Any]:
        return [seen["body"] for seen in said if isinstance(seen["body"], dict) and seen["body"]["leader"]]

    await scene.until("both elections are announced", lambda: len(elected()) >= 2)
    scene.observe("elected", [who["leader"] for who in elected()] == [first.agent_id, second.agent_id])
    scene.observe("terms", [who["term"] for who in elected()])
    tokens = [who["fencing_token"] for who in elected()]
    scene.observe("tokens_grow", tokens == sorted(set(tokens)))
    for task in running.values():
        task.cancel()
    await second.resign()
    await asyncio.gather(*running.values(), return_exceptions=True)
