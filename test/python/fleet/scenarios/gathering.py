"""Both ways to gather: the coordinator that does it alone, and the one that lets the aggregator do it."""

from __future__ import annotations

from ..scatter import ScatterWorker, gather_alone, gather_by_aggregator
from .scene import Scene


async def play(scene: Scene) -> None:
    complete = await scene.watch("gather.*.complete")
    workers = []
    for n in (1, 2, 3):

        async def answer(data: bytes, n: int = n) -> bytes:
            return f"raw {n}".encode()

        worker = ScatterWorker(scene.nc, f"scatter-{n}", answer)
        await worker.start()
        workers.append(worker)

    alone = await gather_alone(scene.nc, b"count to three", 3, timeout=5)
    scene.observe("alone", sorted(alone["results"]))
    scene.observe("aggregated", await gather_by_aggregator(scene.nc, "count to three", 3, timeout=10))
    scene.observe("too_few", await gather_by_aggregator(scene.nc, "count to three", 4, timeout=1, max_responses=5))
    # By now the aggregator has handled what came before: whatever it had to say of the first gather is said.
    own = [seen["body"] for seen in complete if seen["subject"] == f"gather.{alone['request_id']}.complete"]
    scene.observe("undisturbed", own)
    scene.observe("no_page", await scene.ask("control.gather.page", {"request_id": alone["request_id"], "page": 0}))
    for worker in workers:
        await worker.stop()
