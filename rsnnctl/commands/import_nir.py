"""`rsnnctl import-nir`: a NIR graph as an integer network or a float model."""

from importlib import import_module
from pathlib import Path

import click

from rsnnctl.options import INPUT, ChoiceOf, output_option, stale_option
from rsnnctl.results.files import made
from rsnnctl.results.kind import Result


@click.command()
@click.argument("graph", type=INPUT)
@click.option("--dt", type=float, help="Seconds per step, where the graph has no contract.")
@click.option(
    "--discretization",
    type=ChoiceOf(lambda: import_module("export.nir.layers").DISCRETIZATIONS),
    default="exact",
    show_default=True,
    help="Discretization in time, where the graph has no contract.",
)
@click.option(
    "--order",
    type=ChoiceOf(lambda: import_module("export.nir.import_graph").ORDERS),
    default="at-once",
    show_default=True,
    help="Order of a step, where the graph has no contract.",
)
@click.option(
    "--reset",
    type=ChoiceOf(lambda: import_module("export.nir.import_graph").RESETS),
    default="zero",
    show_default=True,
    help="Reset after a spike, where the graph has no contract.",
)
@click.option(
    "--fires",
    type=ChoiceOf(lambda: import_module("export.nir.import_graph").FIRES),
    default="above",
    show_default=True,
    help="Whether neurons fire only above their threshold or also at it, where the graph has no"
    " contract.",
)
@output_option(
    "Integer network (.int.h5), or float model (.rsnn.h5) without a contract. Default: beside the"
    " graph."
)
@stale_option
def command(
    graph: Path,
    dt: float | None,
    discretization: str,
    order: str,
    reset: str,
    fires: str,
    output: Path | None,
    force: bool,
    stale: bool,
) -> Result:
    """Read a NIR graph.

    With a numeric contract it becomes the same integer network, without one a float model.
    """
    from base.ownership import write_into
    from rsnnctl import show
    from rsnnctl.given import refuse
    from rsnnctl.output import destination, say_replaced
    from rsnnctl.provenance import provenance
    from rsnnctl.read_nir import read_nir
    from rsnnctl.runs import lineage
    from sim.artifact import save_network
    from sim.network import IntegerNetwork

    chosen = {"discretization": discretization, "order": order, "reset": reset, "fires": fires}
    found = read_nir(lineage.used(graph, stale=stale), dt=dt, **chosen)
    if isinstance(found, IntegerNetwork):
        refuse("on a graph that carries a numeric contract, which says it", *chosen)
    is_network = isinstance(found, IntegerNetwork)
    suffix = ".int.h5" if is_network else ".rsnn.h5"
    digests = []

    def write(path: Path) -> list[Path]:
        if isinstance(found, IntegerNetwork):
            digests.append(save_network(found, path))
        else:
            from rsnn.checkpoint import save_model  # only now, because it imports torch

            facts = provenance("import-nir", graph=graph.name, dt=dt, **chosen)
            digests.append(save_model(found, path, facts))
        return [path]

    with destination(output, graph.with_suffix(suffix)) as target:
        written = write_into(
            target.parent, lambda staging: write(staging / target.name), "import-nir", force=force
        )
        say_replaced(written.replaced)
    result = made(output or target, digests[0])
    if is_network:
        return result
    said = ", ".join(f"{key} {value}" for key, value in {"dt": dt, **chosen}.items())
    show.say(f"no contract in {graph}: read with {said} (docs/nir.md)")
    return result
