"""Parallel jobs of a command: on this machine, with Dask or with Ray."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from base.extras import extra

if TYPE_CHECKING:
    import joblib

CLUSTERS = ("loky", "dask", "ray")


@contextmanager
def cluster(name: str, n_jobs: int) -> "Iterator[joblib.Parallel]":
    """Let joblib use a cluster with `n_jobs` processes; yield a function that runs delayed calls.

    Results arrive as they finish, in any order; with Ray all of them at the end, because its
    backend returns none earlier.

    Args:
        name: one of `CLUSTERS`.
        n_jobs: number of processes.

    Raises:
        ToolError: the cluster's package is not installed.
    """
    import joblib

    client: Any = nullcontext()
    if name == "dask":
        distributed = extra("dask.distributed", "dask", "`cluster=dask`")
        logging.getLogger("distributed").setLevel(logging.WARNING)  # it tells of every connection
        client = distributed.Client(n_workers=n_jobs, threads_per_worker=1, dashboard_address=None)
    elif name == "ray":
        extra("ray.util.joblib", "ray", "`cluster=ray`").register_ray()
    with client, joblib.parallel_config(backend=name, n_jobs=n_jobs):
        yield joblib.Parallel(return_as="list" if name == "ray" else "generator_unordered")
