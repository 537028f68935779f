"""A participant of a leader election: it asks for votes; an answer means won, silence means lost."""

from __future__ import annotations

import asyncio
from typing import Optional

from nats.aio.client import Client
from nats.errors import NoRespondersError

from .wire import encode, headers_of


class Participant:
    def __init__(self, nc: Client, agent_id: str, domain: str, heartbeat_s: float = 5.0) -> None:
        self.nc = nc
        self.agent_id = agent_id
        self.domain = domain
        self.heartbeat_s = heartbeat_s
        self.is_leader = False
        self.asked = 0
        self._beating: Optional[asyncio.Task[None]] = None

    async def stand(self, timeout: float = 2.0) -> bool:
        """One vote. Where nobody counts votes the server says so at once, which is silence too."""
        try:
            await self.nc.request(f"election.{self.domain}.vote", self.agent_id.encode(), timeout=timeout)
        except (asyncio.TimeoutError, NoRespondersError):
            self.is_leader = False
            return False
        self.is_leader = True
        await self.nc.publish(f"election.{self.domain}.leader", self.agent_id.encode())
        self._beating = asyncio.create_task(self._beat())
        return True

    async def participate(self, again_s: float = 10.0) -> None:
        """For ever: asks, leads while it may, and asks again later where it lost."""
        while True:
            self.asked += 1
            if await self.stand() and self._beating:
                await self._beating
            await asyncio.sleep(again_s)

    async def apply(self, capabilities: list[str]) -> None:
        """A vote that is published: the answer comes at vote.resp.<id>."""
        await self.nc.publish(f"election.{self.domain}.vote", encode({"capabilities": capabilities}), headers=headers_of(self.agent_id))

    async def resign(self) -> None:
        self.is_leader = False
        if self._beating:
            self._beating.cancel()

    async def _beat(self) -> None:
        while self.is_leader:
            await self.nc.publish(f"election.{self.domain}.heartbeat", self.agent_id.encode())
            await asyncio.sleep(self.heartbeat_s)
