"""Tasks that are assigned to one agent: it says that it has taken a task, and how it ended."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Callable

from nats.aio.msg import Msg

from .agent import Agent
from .wire import decode, encode, headers_of


class TaskTaker:
    def __init__(self, agent: Agent, process: Callable[[Any], Awaitable[Any]]) -> None:
        self.agent = agent
        self._process = process

    async def start(self) -> None:
        await self.agent.nc.subscribe(f"coordination.tasks.assignment.{self.agent.agent_id}", cb=self._take)
        await self.agent.start()

    async def _take(self, msg: Msg) -> None:
        task = decode(msg.data)
        await self._say(task, status="accepted")
        try:
            await self._say(task, status="completed", result=await self._process(task.get("payload")))
        except Exception as error:
            await self._say(task, status="failed", error=str(error))

    async def _say(self, task: Any, **fields: Any) -> None:
        """The attempt goes back as it came: only it tells this try of the task from another."""
        body = {"task_id": task["task_id"], "agent_id": self.agent.agent_id, "attempt": task.get("attempt", 1), **fields}
        await self.agent.nc.publish(f"coordination.tasks.status.{task['task_id']}", encode(body), headers=headers_of(self.agent.agent_id))
