"""One question to many workers: the workers, and the two ways to gather their results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg

from .wire import decode, encode, headers_of, new_id


class ScatterWorker:
    def __init__(self, nc: Client, agent_id: str, process: Callable[[bytes], Awaitable[bytes]], group: str = "") -> None:
        """`group`: of those workers one answers; without, everybody does."""
        self.nc = nc
        self.agent_id = agent_id
        self._process = process
        self._group = group
        self._subscription: Any = None

    async def start(self) -> None:
        self._subscription = await self.nc.subscribe("scatter.*.task", queue=self._group, cb=self._answer)

    async def stop(self) -> None:
        await self._subscription.unsubscribe()

    async def _answer(self, msg: Msg) -> None:
        request_id = msg.subject.split(".")[1]
        result = await self._process(msg.data)
        await self.nc.publish(f"gather.{request_id}.result", result, headers=headers_of(self.agent_id, msg.headers))


async def gather_alone(nc: Client, data: bytes, min_responses: int, timeout: float) -> dict[str, Any]:
    """The coordinator of document 002: it scatters raw bytes, collects by itself and says itself when it is complete."""
    request_id = new_id("req")
    results: list[bytes] = []
    subscription = await nc.subscribe(f"gather.{request_id}.result")
    await nc.flush()
    await nc.publish(f"scatter.{request_id}.task", data)
    deadline = asyncio.get_running_loop().time() + timeout
    while len(results) < min_responses:
        try:
            message = await subscription.next_msg(timeout=max(0.001, deadline - asyncio.get_running_loop().time()))
        except asyncio.TimeoutError:
            break
        results.append(message.data)
    await subscription.unsubscribe()
    if len(results) >= min_responses:
        await nc.publish(f"gather.{request_id}.complete", b"completed")
    return {"request_id": request_id, "results": [result.decode() for result in results]}


async def gather_by_aggregator(nc: Client, payload: Any, min_responses: int, timeout: float, **limits: int) -> Any:
    """Says how many results it wants, and waits for the one message that has them all."""
    request_id = new_id("req")
    subscription = await nc.subscribe(f"gather.{request_id}.complete")
    await nc.flush()
    wanted = {"min_responses": min_responses, "timeout_ms": int(timeout * 1000), **limits}
    await nc.publish(f"scatter.{request_id}.task", encode({"request_id": request_id, **wanted, "payload": payload}))
    message = await subscription.next_msg(timeout=timeout + 10)
    await subscription.unsubscribe()
    return decode(message.data)
