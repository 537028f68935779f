"""What the documents' own examples do on a real server where they slip, played as they are written."""

from __future__ import annotations

from typing import Any

from nats.aio.msg import Msg
from nats.js.errors import APIError

from ..agent import Agent
from ..scatter import ScatterWorker, gather_alone
from ..wire import encode
from ..worker import Worker
from .scene import Scene
from .work import process


async def play(scene: Scene) -> None:
    await three_tokens_of_work(scene)
    await plain_workers_leave_the_stream_full(scene)
    await publishes_to_wildcards(scene)
    await checks_of_everybody(scene)
    await scatter_in_one_group(scene)
    await id_with_a_dot(scene)


async def three_tokens_of_work(scene: Scene) -> None:
    """work.nlp.analysis: the worker reads the type as the priority; the stream keeps it, and nothing counts it as work."""
    worker = Worker(Agent(scene.nc, "nlp-slip", "slip", [], scene.heartbeat_s), process)
    await worker.start()
    await scene.nc.publish("work.slip.analysis", b'{"task_id": "slip-1"}', headers={"X-Request-ID": "slip"})
    await scene.until("the worker gets it all the same", lambda: worker.done)
    kept = await scene.nc.jetstream().get_last_msg("WORK_QUEUE", "work.slip.analysis")
    scene.observe("three_tokens", {"worked": worker.done, "kept": kept.subject})
    await worker.agent.stop()


async def plain_workers_leave_the_stream_full(scene: Scene) -> None:
    """Workers of a queue group take work as it passes and nothing out of the stream, which refuses the 1001st of a subject."""
    worker = Worker(Agent(scene.nc, "nlp-full", "full", [], scene.heartbeat_s), process)
    await worker.start()
    subject = "work.full.normal.sentiment"
    for n in range(1000):
        await scene.nc.publish(subject, encode({"task_id": f"full-{n}"}))
    await scene.until("all work is done", lambda: len(worker.done) == 1000)
    try:
        await scene.nc.jetstream().publish(subject, encode({"task_id": "full-1000"}))
    except APIError as error:
        await scene.until("the worker has done what was refused", lambda: len(worker.done) == 1001)
        scene.observe("full", error.description)
    await worker.agent.stop()


async def publishes_to_wildcards(scene: Scene) -> None:
    """A wildcard in a publish is a token like any other: it reaches who subscribed to that very wildcard, and no agent."""
    agent = Agent(scene.nc, "wild-001", "slip", [], scene.heartbeat_s)
    await agent.start()
    responses = await scene.watch("agent.wild-001.resp.*")
    literal = await scene.watch("health.check.*")
    await scene.nc.publish("agent.*.cmd.pause", b"")
    await scene.nc.publish("health.check.*", b"")
    await scene.nc.publish("agent.wild-001.cmd.status", b"")
    # Messages of one publisher arrive in order, so the pause would have come before the status.
    await scene.until("the status is answered", lambda: responses)
    answered, checks = ([seen["subject"] for seen in heard] for heard in (responses, literal))
    scene.observe("wildcards", {"commands": answered, "status": agent.status, "checks": checks})
    await agent.stop()


async def checks_of_everybody(scene: Scene) -> None:
    """The example's responder also takes health.check.*, so it answers its own check twice and its neighbours' checks too."""

    def responder(agent_id: str) -> Any:
        async def answer(msg: Msg) -> None:
            if msg.reply:
                await msg.respond(encode({"agent_id": agent_id}))

        return answer

    agent_ids = ("checked-001", "checked-002")
    subscriptions = [
        await scene.nc.subscribe(subject, cb=responder(agent_id))
        for agent_id in agent_ids
        for subject in (f"health.check.{agent_id}", "health.check.*")
    ]
    inbox = scene.nc.new_inbox()
    answers = await scene.watch(inbox)
    await scene.nc.publish("health.check.checked-001", b"", reply=inbox)
    await scene.until("all have answered", lambda: len(answers) >= 3)
    scene.observe("check_of_one", sorted(answer["body"]["agent_id"] for answer in answers))
    for subscription in subscriptions:
        await subscription.unsubscribe()


async def scatter_in_one_group(scene: Scene) -> None:
    """The example's queue group scatter-workers gives each task to one worker: one result comes where three are waited for."""

    async def answer(data: bytes) -> bytes:
        return b"here"

    workers = [ScatterWorker(scene.nc, f"grouped-{n}", answer, group="scatter-workers") for n in (1, 2, 3)]
    for worker in workers:
        await worker.start()
    gathered = await gather_alone(scene.nc, b"who is there?", 3, timeout=1)
    scene.observe("one_group", gathered["results"])
    for worker in workers:
        await worker.stop()


async def id_with_a_dot(scene: Scene) -> None:
    """An id of two tokens is nobody's subject. Where a stream takes it anyway it ends as a dead letter that says so."""
    buried = await scene.watch("dlq.>")
    await scene.nc.publish("gather.req.7.result", b"lost")
    await scene.until("it is buried", lambda: buried)
    scene.observe("dotted", [[seen["subject"], seen["headers"]["X-Dead-Letter-Code"]] for seen in buried])
