"""One file per task; its name is the file's, with - for _."""

import sys

from base.checks import check_choice
from base.errors import MismatchError, RangeError
from base.plugins import plugins
from rsnn.rate.task import Task


def tasks() -> dict[str, Task]:
    """Import and return every task by name. A new one is a new file here and nothing else.

    An installed package adds one by an entry point in the group `rsnnctl.tasks`.
    """
    found = plugins(sys.modules[__name__], "task", Task)
    return {name.replace("_", "-"): task for name, task in found.items()}


def find_task(name: str, n_inputs: int | None = None) -> Task:
    """Return the task of that name.

    Args:
        name: of the task.
        n_inputs: input channels of the network that is to solve it; None if there is none yet.

    Raises:
        RangeError: there is no such task.
        MismatchError: it has another number of inputs.
    """
    known = tasks()
    if not name:
        raise RangeError(
            f"the network names no task; name it with `task`, which knows {', '.join(known)}"
        )
    check_choice("task", name, known)
    task = known[name]
    if n_inputs not in (None, task.n_inputs):
        raise MismatchError(
            f"the network has {n_inputs} inputs, task {name} has {task.n_inputs}; name the task"
            " that it was trained on"
        )
    return task
