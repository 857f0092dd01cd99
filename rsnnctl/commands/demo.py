"""`rsnnctl demo`: the whole path on a short synthetic session."""

import click


@click.command()
@click.pass_context
def command(context: click.Context) -> None:
    """Run the whole path on a short synthetic session.

    Train, prune, quantize, export, simulate, evaluate, verify: each as its own command does.
    """
    from rsnnctl import show
    from rsnnctl.plot import plot_decoded
    from rsnnctl.runs import folders

    commands = context.find_root().command.commands  # type: ignore[attr-defined]  # it is the group
    for title, name, options in (
        ("train a float model on a synthetic session", "train", {"name": "demo", "epochs": 8}),
        ("prune it and train it again", "prune", {"fraction": 0.45, "epochs": 5}),
        ("quantize it to 8 bits", "quantize", {}),
        ("export it as NIR", "export-nir", {}),
        ("simulate the integers", "simulate", {}),
        ("measure both", "evaluate", {"baselines": True, "gru": False}),
        ("verify every bit", "verify", {}),
    ):
        show.say(f"- {title}: rsnnctl {name}")
        context.invoke(commands[name], **options)
    plot_decoded(folders.latest())
    click.echo(f"run folder: {folders.latest()}")
