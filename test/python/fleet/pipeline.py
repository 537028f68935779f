"""Stages of a pipeline: each takes what carries its name, and hands the result to the next number, or completes."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Callable, Optional

from nats.aio.client import Client
from nats.aio.msg import Msg

from .wire import headers_of


class Stage:
    def __init__(
        self, nc: Client, agent_id: str, stage: str, process: Callable[[bytes], Awaitable[bytes]], next_stage: Optional[str] = None
    ) -> None:
        self.nc = nc
        self.agent_id = agent_id
        self.stage = stage
        self._process = process
        self._next = next_stage

    async def start(self) -> None:
        await self.nc.subscribe(f"pipeline.*.*.{self.stage}", queue=f"pipeline-{self.stage}", cb=self._run)

    async def _run(self, msg: Msg) -> None:
        result = await self._process(msg.data)
        _, workflow_id, stage_number, _ = msg.subject.split(".")
        if self._next:
            subject = f"pipeline.{workflow_id}.{int(stage_number) + 1:02d}.{self._next}"
        else:
            subject = f"pipeline.{workflow_id}.complete"
        await self.nc.publish(subject, result, headers=headers_of(self.agent_id, msg.headers))
