"""Parallel jobs of a command: on this machine, with Dask or with Ray."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from base.extras import extra

if TYPE_CHECKING:
    import joblib

_PR_SET_PDEATHSIG = 1  # of Linux's prctl
MOST_JOBS = 1024
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


def die_with_parent() -> None:
    """Have the system kill this process when the one that started it ends, however it ends.

    Only Linux can; elsewhere a process that lost its parent continues, and keeps its locks.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
