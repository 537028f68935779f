"""What a scenario has in its hands: a connection, its observations, and patience with a deadline."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Callable, Optional

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import KeyNotFoundError

from ..wire import decode, encode

PATIENCE_S = 15.0


class Scene:
    def __init__(self, nc: Client, heartbeat_s: float) -> None:
        self.nc = nc
        self.heartbeat_s = heartbeat_s

    def observe(self, what: str, value: Any) -> None:
        print(json.dumps({"observation": what, "value": value}), flush=True)

    async def watch(self, subject: str) -> list[dict[str, Any]]:
        """Grows with every message on the subject from now on."""
        seen: list[dict[str, Any]] = []

        async def keep(msg: Msg) -> None:
            seen.append({"subject": msg.subject, "body": decode(msg.data), "headers": dict(msg.headers or {})})

        await self.nc.subscribe(subject, cb=keep)
        await self.nc.flush()
        return seen

    async def until(self, what: str, condition: Callable[[], Any]) -> Any:
        """The first truthy value of a condition, which may be a coroutine function."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"still waiting after {PATIENCE_S:.0f} s until {what}")
            await asyncio.sleep(0.02)

    async def ask(self, subject: str, body: Optional[Any] = None, timeout: float = 5.0) -> Any:
        data = b"" if body is None else encode(body)
        reply = await self.nc.request(subject, data, timeout=timeout)
        error = (reply.headers or {}).get("Nats-Service-Error")
        return {"error": error} if error else decode(reply.data)

    async def agent_known_as(self, agent_id: str, **fields: Any) -> Any:
        """The agent as the registry answers it, once these fields are so."""

        async def known() -> Any:
            agent = (await self.ask("agents.discovery.resolve", {"agent_id": agent_id})).get("agent", {})
            return agent if all(agent.get(name) == value for name, value in fields.items()) else None

        return await self.until(f"{agent_id} is known with {fields}", known)

    async def kept_state(self, agent_id: str, status: Optional[str]) -> Any:
        """The agent's entry in the bucket AGENT_STATE once it has this status; None: once it is gone."""
        bucket = await self.nc.jetstream().key_value("AGENT_STATE")

        async def kept() -> list[Any]:
            try:
                state = decode((await bucket.get(f"agent.{agent_id}")).value or b"")
            except KeyNotFoundError:
                return [None] if status is None else []
            return [state] if state["status"] == status else []

        return (await self.until(f"AGENT_STATE has {agent_id} with {status}", kept))[0]
