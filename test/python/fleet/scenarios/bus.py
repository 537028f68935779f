"""Document 004 from end to end: broadcast, direct, team, request and queue messages of all eleven types."""

from __future__ import annotations

from typing import Any, Optional

from nats.errors import NoRespondersError

from ..bus import AgentMessage, MessageBus, MessageType
from .scene import Scene


async def play(scene: Scene) -> None:
    bus = MessageBus(scene.nc)
    heard: dict[str, list[AgentMessage]] = {}

    def note(who: str) -> Any:
        heard[who] = []

        async def callback(message: AgentMessage) -> Optional[AgentMessage]:
            heard[who].append(message)
            return None

        return callback

    await bus.subscribe("orchestrator.broadcast.*", note("everybody"))
    await bus.subscribe("orchestrator.team.parsers.*", note("team"))
    await bus.subscribe_to_agent_messages("architect-001", answer_resource(note("architect")))

    for message_type in MessageType:
        await bus.broadcast("decomposer-001", message_type, {"about": message_type.value})
    await scene.until("all types are heard", lambda: len(heard["everybody"]) >= len(MessageType))
    scene.observe("types", sorted({message.message_type.value for message in heard["everybody"]}))
    scene.observe("to_nobody_in_particular", {message.to_agent for message in heard["everybody"]} == {None})

    await bus.send_to_agent("parser-dev-001", "architect-001", MessageType.QUESTION, {"question": "Is the Task model ready?"})
    await scene.until("the question arrives", lambda: heard["architect"])
    scene.observe("direct", [[message.from_agent, message.message_type.value] for message in heard["architect"]])

    await bus.send_to_team("architect-001", "parsers", MessageType.COORDINATION_REQUEST, {"at": "noon"})
    await scene.until("the team hears it", lambda: heard["team"])
    scene.observe("team", [message.content for message in heard["team"]])

    await requests(scene, bus)
    await queue(scene, bus)

    heard["everybody"].clear()
    bus.start_heartbeat("architect-001", scene.heartbeat_s)
    await scene.until("it beats twice", lambda: len(heard["everybody"]) >= 2)
    scene.observe("heartbeat", heard["everybody"][0].content)
    await bus.stop_heartbeats()


def answer_resource(note: Any) -> Any:
    async def callback(message: AgentMessage) -> Optional[AgentMessage]:
        await note(message)
        if message.message_type is not MessageType.RESOURCE_REQUEST:
            return None
        content = {"resource": message.content["resource"], "status": "ready"}
        return AgentMessage("architect-001", MessageType.RESOURCE_RESPONSE, content, message.from_agent)

    return callback


async def requests(scene: Scene, bus: MessageBus) -> None:
    """The bus refuses a reply with another correlation id, so these two are answered each its own."""
    replies = [
        await bus.request("decomposer-001", "architect-001", MessageType.RESOURCE_REQUEST, {"resource": resource}, timeout=5)
        for resource in ("task_model", "parser")
    ]
    scene.observe("replies", [[reply.message_type.value, reply.to_agent, reply.content] for reply in replies])
    try:
        await bus.request("decomposer-001", "nobody-001", MessageType.RESOURCE_REQUEST, {"resource": "x"}, timeout=5)
    except NoRespondersError:
        scene.observe("nobody_there", "no responders")


async def queue(scene: Scene, bus: MessageBus) -> None:
    taken: dict[int, list[int]] = {1: [], 2: [], 3: []}

    def worker(number: int) -> Any:
        async def run(message: AgentMessage) -> None:
            taken[number].append(message.content["test"])

        return run

    await bus.create_work_queue("test_execution", [worker(number) for number in taken])
    for test in range(60):
        await bus.publish_to_queue("test_execution", "test-coordinator", MessageType.TASK_ASSIGNMENT, {"test": test})
    await scene.until("all tests are run", lambda: sum(map(len, taken.values())) >= 60)
    once = sorted(test for tests in taken.values() for test in tests) == list(range(60))
    scene.observe("queue", {"shares": [len(tests) for tests in taken.values()], "each_once": once})
