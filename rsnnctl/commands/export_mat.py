"""`rsnnctl export-mat`: a rate network as a file of the published code."""

from pathlib import Path

import click

from rsnnctl.options import INPUT, output_option
from rsnnctl.results.files import files
from rsnnctl.results.kind import Result


@click.command()
@click.argument("model", type=INPUT, required=False)
@output_option("MATLAB file (.mat). Default: beside the model, named as the published code does.")
def command(model: Path | None, output: Path | None, force: bool) -> Result:
    """Write a rate network as MATLAB file of the published code.

    It holds w, w_in, w_out, b_out, m, som_m, taus, taus_gaus, inh, exc, N and som_N; w0,
    taus_gaus0, losses, x, o and u if the model holds the history of its training.
    """
    from rsnnctl.runs import folders

    chosen = folders.chosen(model, folders.MODEL)

    from rsnn.rate.file import load_history, load_rate
    from rsnn.rate.matlab import published_name, write_mat
    from rsnnctl.output import destination, owned

    network, _ = load_rate(chosen)
    default = chosen.with_name(published_name(network))
    with (
        destination(output, default) as target,
        owned([target], "export-mat", force=force),
    ):
        write_mat(network, target, load_history(chosen))
    return files([output or default])
