"""Workers of a domain: they share work.<domain>.> as one queue group, retry what fails, and bury what keeps failing."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Callable, Optional

from nats.aio.msg import Msg

from .agent import Agent
from .wire import decode, headers_of

Process = Callable[[str, str, Any], Awaitable[Any]]
"""(priority, task type, work) -> result"""


class Worker:
    def __init__(self, agent: Agent, process: Process, version: Optional[str] = None, max_retries: int = 3) -> None:
        self.agent = agent
        self.done: list[str] = []
        self._process = process
        self._group = f"workers-{agent.domain}" + (f"-{version}" if version else "")
        self._max_retries = max_retries
        self._subscription: Any = None
        # While it is paused it leaves the group, so that its share goes to the others.
        agent.on_pause.append(self.leave)
        agent.on_resume.append(self.join)

    async def start(self) -> None:
        await self.join()
        await self.agent.start()

    async def join(self) -> None:
        if not self._subscription:
            self._subscription = await self.agent.nc.subscribe(f"work.{self.agent.domain}.>", queue=self._group, cb=self._work)
            await self.agent.nc.flush()

    async def leave(self) -> None:
        if self._subscription:
            await self._subscription.unsubscribe()
            self._subscription = None

    async def _work(self, msg: Msg) -> None:
        tokens = msg.subject.split(".")
        priority = tokens[2] if len(tokens) > 2 else "normal"
        task_type = tokens[3] if len(tokens) > 3 else "unknown"
        headers = dict(msg.headers or {})
        self.agent.active_tasks += 1
        try:
            work = decode(msg.data)
            result = await self._process(priority, task_type, work)
            self.done.append(msg.subject)
            task_id = work.get("task_id") if isinstance(work, dict) else None
            await self.agent.respond(task_id or headers.get("X-Request-ID", task_type), result, headers)
        except Exception as error:
            self.agent.last_error = str(error)
            await self._again_or_bury(msg, headers)
        finally:
            self.agent.active_tasks -= 1

    async def _again_or_bury(self, msg: Msg, headers: dict[str, str]) -> None:
        retries = int(headers.get("X-Retry-Count", "0"))
        over = retries >= self._max_retries
        subject = f"dlq.{msg.subject}" if over else msg.subject
        count = str(retries if over else retries + 1)
        await self.agent.nc.publish(subject, msg.data, headers={**headers_of(self.agent.agent_id, headers), "X-Retry-Count": count})
