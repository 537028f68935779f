"""Four agents report how their calls of one service go. None has seen enough failures; the fleet has, so none calls any more."""

from __future__ import annotations

from ..circuit import FleetCircuit
from .scene import Scene

SERVICE = "ocr-service"


async def play(scene: Scene) -> None:
    async def fails() -> None:
        raise ConnectionError(f"{SERVICE} refuses")

    async def works() -> None:
        return None

    states = await scene.watch(f"circuit.{SERVICE}.*")

    def said() -> list[str]:
        return [seen["subject"].rsplit(".", 1)[1] for seen in states if not seen["subject"].endswith(".report")]

    fleet = [FleetCircuit(scene.nc, f"caller-{n}", SERVICE) for n in (1, 2, 3, 4)]
    for circuit in fleet:
        await circuit.start()
    for _ in range(3):
        for circuit in fleet:
            await circuit.call(fails)
    await scene.until("all hear that it is open", lambda: all(circuit.state == "open" for circuit in fleet))
    scene.observe("called_while_open", [await circuit.call(works) for circuit in fleet])

    await scene.ask("control.circuit.force", {"service": SERVICE, "state": "half_open", "by": "kim", "reason": "it is mended"})
    await scene.until("all hear that it is half open", lambda: all(circuit.state == "half-open" for circuit in fleet))
    permits = [seen["body"]["permits"] for seen in states if seen["subject"].endswith(".half-open")][0]
    probes = [await circuit.call(works) for circuit in fleet[:permits]]
    scene.observe("probes", probes)
    await scene.until("all hear that it is closed", lambda: all(circuit.state == "closed" for circuit in fleet))
    scene.observe("said", said())
