"""A circuit as an agent keeps it for itself, and one that is left to the control plane. Both hear what others say."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg

from .wire import encode, headers_of


class Circuit:
    """Says when it opens, tries and closes."""

    def __init__(self, nc: Client, agent_id: str, service: str, failure_threshold: int = 3) -> None:
        self.nc = nc
        self.agent_id = agent_id
        self.service = service
        self.state = "closed"
        self._threshold = failure_threshold
        self._failures = 0

    async def start(self) -> None:
        for state in ("open", "closed", "half-open"):
            await self.nc.subscribe(f"circuit.{self.service}.{state}", cb=self._hear)
        await self.nc.flush()

    async def call(self, attempt: Callable[[], Awaitable[None]]) -> bool:
        """Whether the call was made and went well. An open circuit makes none."""
        if self.state == "open":
            return False
        try:
            await attempt()
        except Exception as error:
            self._failures += 1
            if self.state == "half-open" or self._failures >= self._threshold:
                await self._become("open", str(error))
            return False
        self._failures = 0
        if self.state == "half-open":
            await self._become("closed", "the trial call went well")
        return True

    async def try_again(self) -> None:
        await self._become("half-open", "time for a trial call")

    async def _become(self, state: str, reason: str) -> None:
        self.state = state
        body = {"service": self.service, "reason": reason, "failures": self._failures}
        await self.nc.publish(f"circuit.{self.service}.{state}", encode(body), headers=headers_of(self.agent_id))

    async def _hear(self, msg: Msg) -> None:
        if (msg.headers or {}).get("X-Agent-ID") != self.agent_id:
            self.state = msg.subject.rsplit(".", 1)[1]


class FleetCircuit(Circuit):
    """Reports how each call went; whether it opens is counted over the whole fleet."""

    async def call(self, attempt: Callable[[], Awaitable[None]]) -> bool:
        if self.state == "open":
            return False
        try:
            await attempt()
        except Exception:
            await self._report("failure")
            return False
        await self._report("success")
        return True

    async def _report(self, outcome: str) -> None:
        body = {"outcome": outcome, "duration_ms": 5}
        await self.nc.publish(f"circuit.{self.service}.report", encode(body), headers=headers_of(self.agent_id))
