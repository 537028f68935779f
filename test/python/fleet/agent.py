"""An agent: its life, its heartbeat, the commands it obeys and the health checks it answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, Callable, Optional

from nats.aio.client import Client
from nats.aio.msg import Msg

from .wire import decode, encode, headers_of, now

Execute = Callable[[Any], Awaitable[Any]]
Hook = Callable[[], Awaitable[None]]


class Agent:
    def __init__(
        self,
        nc: Client,
        agent_id: str,
        domain: str,
        capabilities: list[str],
        heartbeat_s: float = 30.0,
        execute: Optional[Execute] = None,
        **profile: Any,
    ) -> None:
        self.nc = nc
        self.agent_id = agent_id
        self.domain = domain
        self.capabilities = capabilities
        self.heartbeat_s = heartbeat_s
        self.config: dict[str, Any] = {}
        self.status = "ready"
        self.active_tasks = 0
        self.max_concurrent_tasks = int(profile.pop("max_concurrent_tasks", 4))
        self.last_error: Optional[str] = None
        self.stopped = asyncio.Event()
        self.on_pause: list[Hook] = []
        self.on_resume: list[Hook] = []
        self._profile = profile
        self._execute = execute
        self._started_at = time.monotonic()
        self._beating: Optional[asyncio.Task[None]] = None
        self._subscriptions: list[Any] = []

    # Life

    async def start(self) -> None:
        """Listens first, so that whoever hears `ready` can already be answered."""
        # One subscription for all commands, so that they are obeyed in the order in which they come.
        self._subscriptions.append(await self.nc.subscribe(f"agent.{self.agent_id}.cmd.*", cb=self._obey))
        for checked in (self.agent_id, "all"):
            self._subscriptions.append(await self.nc.subscribe(f"health.check.{checked}", cb=self._answer_check))
        await self.nc.flush()
        await self._say("created", **self._introduction())
        await self._say("started")
        await self.ready()
        self._beating = asyncio.create_task(self._beat())

    async def ready(self) -> None:
        self.status = "ready"
        await self._say("ready", current_load=self.load, active_tasks=self.active_tasks)

    async def error(self, why: str) -> None:
        self.status = "error"
        self.last_error = why
        await self._say("error", error=why)

    async def remember(self, snapshot: Any) -> None:
        """What it would want to know after a restart; the last one counts."""
        await self._say("snapshot", snapshot=snapshot)

    async def stop(self, reason: str = "done") -> None:
        await self.crash()
        await self._say("stopped", reason=reason)
        self.stopped.set()

    async def crash(self) -> None:
        """Goes without a word: no more beats, no more answers, no more work."""
        if self._beating:
            self._beating.cancel()
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        self._subscriptions = []
        for hook in self.on_pause:
            await hook()

    async def beat(self) -> None:
        body = {
            "agent_id": self.agent_id,
            "status": self.said_status,
            "current_load": self.load,
            "active_tasks": self.active_tasks,
            "timestamp": now(),
        }
        await self.nc.publish(f"agent.{self.agent_id}.heartbeat", encode(body), headers=headers_of(self.agent_id))

    @property
    def load(self) -> float:
        return self.active_tasks / self.max_concurrent_tasks

    @property
    def said_status(self) -> str:
        return "busy" if self.status == "ready" and self.load >= 1 else self.status

    def health(self) -> dict[str, Any]:
        return {
            "agent_id": self.agent_id,
            "status": self.said_status,
            "uptime_seconds": int(time.monotonic() - self._started_at),
            "current_load": self.load,
            "capabilities": self.capabilities,
            "last_error": self.last_error,
        }

    def _introduction(self) -> dict[str, Any]:
        return {
            "domain": self.domain,
            "capabilities": self.capabilities,
            "max_concurrent_tasks": self.max_concurrent_tasks,
            **self._profile,
        }

    async def _say(self, event: str, **fields: Any) -> None:
        # With it, the last words of one run are not taken for those of the next.
        run = {"instance_id": self._profile["instance_id"]} if "instance_id" in self._profile else {}
        body = {"agent_id": self.agent_id, **run, **fields}
        await self.nc.publish(f"agent.{self.agent_id}.{event}", encode(body), headers=headers_of(self.agent_id))

    async def _beat(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(self.heartbeat_s)

    # Commands

    async def _obey(self, msg: Msg) -> None:
        command = msg.subject.rsplit(".", 1)[1]
        body = decode(msg.data)
        try:
            answer = {"status": "ok", **await self._do(command, body)}
        except Exception as error:  # the caller gets to know whatever it is
            answer = {"status": "failed", "error": str(error)}
        if isinstance(body, dict) and "command_id" in body:
            answer["command_id"] = body["command_id"]
        if msg.reply:
            await msg.respond(encode(answer))
        else:
            await self.respond(command, answer, msg.headers)
        if command == "shutdown":
            await self.stop("shutdown")

    async def _do(self, command: str, body: Any) -> dict[str, Any]:
        if command == "status":
            return self.health()
        if command == "config":
            self.config.update(body)
            return {"config": self.config}
        if command == "execute":
            if not self._execute:
                raise ValueError(f"agent {self.agent_id} executes nothing")
            return {"result": await self._execute(body)}
        if command in ("pause", "resume"):
            self.status = "paused" if command == "pause" else "ready"
            for hook in self.on_pause if command == "pause" else self.on_resume:
                await hook()
            await self.beat()
        elif command != "shutdown":
            raise ValueError(f"{command} is no command: send execute, pause, resume, shutdown, config or status")
        return {}

    async def respond(self, request: str, answer: Any, cause: Optional[dict[str, str]] = None) -> None:
        """The answer to a command, or to a task by its id, where nobody waits at a reply subject."""
        await self.nc.publish(f"agent.{self.agent_id}.resp.{request}", encode(answer), headers=headers_of(self.agent_id, cause))

    async def _answer_check(self, msg: Msg) -> None:
        if msg.reply:
            await msg.respond(encode(self.health()))
