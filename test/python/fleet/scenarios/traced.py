"""A scatter of raw bytes with its limits in headers: the trace goes on through the workers and the aggregator to the answer."""

from __future__ import annotations

from ..scatter import ScatterWorker
from .scene import Scene

TRACE = "trace-789abc"


async def play(scene: Scene) -> None:
    async def answer(data: bytes) -> bytes:
        return data.upper() if data == b"echo" else b"not mine"

    workers = [ScatterWorker(scene.nc, f"tracer-{n}", answer) for n in (1, 2)]
    for worker in workers:
        await worker.start()
    results, complete = [await scene.watch(f"gather.req-traced.{what}") for what in ("result", "complete")]
    headers = {"X-Min-Responses": "2", "X-Timeout-Ms": "5000", "X-Trace-ID": TRACE, "X-Agent-ID": "asker-001"}
    await scene.nc.publish("scatter.req-traced.task", b"echo", headers=headers)
    await scene.until("it is gathered", lambda: complete)
    scene.observe("results", [(seen["body"], seen["headers"]["X-Trace-ID"]) for seen in results])
    scene.observe("complete", [(seen["body"]["status"], seen["body"]["count"], seen["headers"].get("X-Trace-ID")) for seen in complete])
    for worker in workers:
        await worker.stop()
