"""The message bus of document 004: broadcast, direct, team and queue messages, and requests, under orchestrator.>"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Callable, Optional

from nats.aio.client import Client
from nats.aio.msg import Msg

from .wire import decode, encode, now


class MessageType(str, Enum):
    STATUS_UPDATE = "status_update"
    TASK_ASSIGNMENT = "task_assignment"
    TASK_COMPLETE = "task_complete"
    TASK_FAILED = "task_failed"
    QUESTION = "question"
    ANSWER = "answer"
    BLOCKER = "blocker"
    RESOURCE_REQUEST = "resource_request"
    RESOURCE_RESPONSE = "resource_response"
    COORDINATION_REQUEST = "coordination_request"
    HEARTBEAT = "heartbeat"


@dataclass
class AgentMessage:
    from_agent: str
    message_type: MessageType
    content: dict[str, Any]
    to_agent: Optional[str] = None
    timestamp: str = field(default_factory=now)
    correlation_id: Optional[str] = None

    def to_bytes(self) -> bytes:
        return encode({**asdict(self), "message_type": self.message_type.value})

    @classmethod
    def from_bytes(cls, data: bytes) -> AgentMessage:
        fields = decode(data)
        return cls(**{**fields, "message_type": MessageType(fields["message_type"])})


Callback = Callable[[AgentMessage], Awaitable[Optional[AgentMessage]]]
"""What it returns is the reply, where there is somebody who waits for one."""


class MessageBus:
    def __init__(self, nc: Client) -> None:
        self.nc = nc
        self._numbers = itertools.count(1)
        self._beating: list[asyncio.Task[None]] = []

    async def broadcast(self, from_agent: str, message_type: MessageType, content: dict[str, Any]) -> None:
        message = AgentMessage(from_agent, message_type, content)
        await self.nc.publish(f"orchestrator.broadcast.{message_type.value}", message.to_bytes())

    async def send_to_agent(self, from_agent: str, to_agent: str, message_type: MessageType, content: dict[str, Any]) -> None:
        message = AgentMessage(from_agent, message_type, content, to_agent)
        await self.nc.publish(f"orchestrator.agent.{to_agent}.{message_type.value}", message.to_bytes())

    async def send_to_team(self, from_agent: str, team_id: str, message_type: MessageType, content: dict[str, Any]) -> None:
        message = AgentMessage(from_agent, message_type, content)
        await self.nc.publish(f"orchestrator.team.{team_id}.{message_type.value}", message.to_bytes())

    async def publish_to_queue(self, queue_name: str, from_agent: str, message_type: MessageType, content: dict[str, Any]) -> None:
        message = AgentMessage(from_agent, message_type, content)
        await self.nc.publish(f"orchestrator.queue.{queue_name}", message.to_bytes())

    async def request(
        self, from_agent: str, to_agent: str, message_type: MessageType, content: dict[str, Any], timeout: float
    ) -> AgentMessage:
        """Raises asyncio.TimeoutError, or at once nats.errors.NoRespondersError where nobody listens."""
        correlation_id = f"{from_agent}-{time.time():.3f}-{next(self._numbers)}"
        message = AgentMessage(from_agent, message_type, content, to_agent, correlation_id=correlation_id)
        subject = f"orchestrator.agent.{to_agent}.{message_type.value}"
        reply = AgentMessage.from_bytes((await self.nc.request(subject, message.to_bytes(), timeout=timeout)).data)
        if reply.correlation_id != correlation_id:
            raise ValueError(f"the reply to {correlation_id} says that it is one to {reply.correlation_id}")
        return reply

    async def subscribe(self, subject: str, callback: Callback, queue: str = "") -> None:
        async def receive(msg: Msg) -> None:
            message = AgentMessage.from_bytes(msg.data)
            reply = await callback(message)
            if reply and msg.reply:
                reply.correlation_id = message.correlation_id
                await msg.respond(reply.to_bytes())

        await self.nc.subscribe(subject, queue=queue, cb=receive)
        await self.nc.flush()

    async def subscribe_to_agent_messages(self, agent_id: str, callback: Callback) -> None:
        await self.subscribe(f"orchestrator.agent.{agent_id}.*", callback)

    async def create_work_queue(self, queue_name: str, callbacks: list[Callback]) -> None:
        """One worker a callback. Each message goes to one of them, which NATS picks."""
        for callback in callbacks:
            await self.subscribe(f"orchestrator.queue.{queue_name}", callback, queue=queue_name)

    def start_heartbeat(self, agent_id: str, interval_s: float = 30.0) -> None:
        async def loop() -> None:
            while True:
                await self.broadcast(agent_id, MessageType.HEARTBEAT, {"status": "alive"})
                await asyncio.sleep(interval_s)

        self._beating.append(asyncio.create_task(loop()))

    async def stop_heartbeats(self) -> None:
        for task in self._beating:
            task.cancel()
