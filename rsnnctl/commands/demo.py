"""`rsnnctl demo`: the whole path on a short synthetic session."""

from pathlib import Path

import click

from rsnnctl.commands.evaluate import EVALUATED
from rsnnctl.commands.verify import VERIFIED
from rsnnctl.options import new_folder_option
from rsnnctl.results.kind import Column, Kind, Result

DEMO = Kind(
    "demo",
    "The run that the demo made, and how good it is.",
    (
        Column("folder", "text", "Folder of the run."),
        Column("picture", "text", "Path of the picture of decoded movement and spikes."),
        Column("evaluated", "object", f"A document of the schema `{EVALUATED.schema_name}`."),
        Column("verified", "object", f"A document of the schema `{VERIFIED.schema_name}`."),
    ),
)


@click.command()
@new_folder_option("Folder of the run. Default: runs/demo.")
@click.pass_context
def command(context: click.Context, output: Path | None) -> Result:
    """Run the whole path on a short synthetic session.

    Train, prune, quantize, export, simulate, evaluate, verify: each as its own command does.
    """
    from rsnn.checkpoint import load_model
    from rsnn.data.session import load_session
    from rsnnctl import show
    from rsnnctl.plots.decoders import plot_decoded
    from rsnnctl.results.output import is_json, print_result
    from rsnnctl.runs import folders
    from rsnnctl.runs.interrupts import keeping
    from sim.artifact import load_network

    commands = context.find_root().command.commands  # type: ignore[attr-defined]  # it is the group
    found: dict[str, Result] = {}
    for title, name, options in (
        (
            "train a float model on a synthetic session",
            "train",
            {"epochs": 8, "output": output} | ({} if output else {"name": "demo"}),
        ),
        ("prune it and train it again", "prune", {"fraction": 0.45, "epochs": 5}),
        ("quantize it to 8 bits", "quantize", {}),
        ("export it as NIR", "export-nir", {}),
        ("simulate the integers", "simulate", {}),
        ("measure both", "evaluate", {"baselines": True, "gru": False}),
        ("verify every bit", "verify", {}),
    ):
        show.say(f"- {title}: rsnnctl {name}")
        with keeping(lambda: f"what was done before is kept in {folders.latest()}" * bool(found)):
            found[name] = context.invoke(commands[name], **options)
        if not is_json():
            print_result(found[name])
    folder = folders.latest()
    model, network = folder / folders.MODEL, folder / folders.NETWORK
    session = load_session(folders.needed_session(network, None))
    picture = folder / "decoded.png"
    plot_decoded(load_model(model)[0], load_network(network), session, picture)
    value = {
        "folder": str(folder),
        "picture": str(picture),
        "evaluated": found["evaluate"].as_dict(),
        "verified": found["verify"].as_dict(),
    }
    lines = [f"picture: {value['picture']}", f"run folder: {folder}"]
    return Result(DEMO, value, lines, is_plain=True, exit_code=found["verify"].exit_code)
