"""Which engine has the blocks of a source worked on."""

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.extras import require
from edge_runtime.engine.processor_limits import available_processors
from edge_runtime.scoring.options import device_here
from edge_runtime.scoring.work import Engine, Threads


def engine_of(
    name: str | None, address: str | None = None, device: str = "auto", workers: int | None = None
) -> tuple[str, Engine]:
    """The device on which this process opens the model, and the engine.

    Args:
        name: "ray", or None for threads of this process.
        address: of the Ray cluster.
        device: on which workers open the model.
        workers: how many of them; None for one for each processor, or GPU.

    Raises:
        InvalidInput: there is no such engine, an address is given for none, or `workers` is not a number from 1 on.
        ExtraNotInstalled: ray is missing.
    """
    if workers is not None and (type(workers) is not int or workers < 1):
        raise InvalidInput(f"threads is a number from 1 on, found {workers!r}")
    if name is None:
        if address is not None:
            raise InvalidInput("an address is that of a cluster; name the engine too: ray")
        return device, Threads(workers or available_processors())
    if name != "ray":
        raise InvalidInput(f"the engine is ray, or none for this machine alone; found {name!r}")
    require("ray", "ray", "the engine ray")
    from edge_runtime.scoring.ray_engine import RayEngine

    return device_here(device, name), RayEngine(address, workers, device)
