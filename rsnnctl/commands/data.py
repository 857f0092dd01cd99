"""`rsnnctl data`: recordings."""

from pathlib import Path

import click

from rsnnctl.options import FILE, json_option, output_option, seed_option


@click.group()
def command() -> None:
    """Recordings: make, describe, download."""


@command.command()
@output_option("Recording to write.", default=Path("synthetic.mat"))
@click.option("--minutes", default=20.0, show_default=True, help="Length of the session.")
@click.option("--channels", default=96, show_default=True, help="Number of channels.")
@seed_option
def synth(output: Path, force: bool, minutes: float, channels: int, seed: int) -> None:
    """Write a realistic session in the layout of the published recordings."""
    from rsnn.data.synthetic import synthesize
    from rsnnctl.output import destination, owned

    with (
        destination(output, Path("synthetic.mat")) as target,
        owned([target], "data synth", force=force),
    ):
        synthesize(target, minutes=minutes, n_channels=channels, seed=seed)
        click.echo(output)


@command.command()
@click.argument("file", type=FILE)
@click.option("--md5", is_flag=True, help="Compare the file with the published checksum.")
@json_option
def info(file: Path, md5: bool, as_json: bool) -> None:
    """Describe any session."""
    from rsnn.data.describe import describe
    from rsnnctl import show

    facts = describe(file, check_md5=md5)
    show.print_json(facts) if as_json else show.print_facts(facts)


@command.command()
@click.argument("session")
@output_option("Folder to download to.", folder=True, default=Path("data"))
@click.option("--mirror", help="URL of a folder with the files. Default: the public archive.")
def fetch(session: str, output: Path, force: bool, mirror: str | None) -> None:
    """Download a published session, with resume and checksum."""
    from rsnn.data.fetch import BASE_URL, fetch
    from rsnnctl import show

    with show.download_progress(session) as report:
        path = fetch(session, output, base_url=mirror or BASE_URL, report=report, replace=force)
    click.echo(path)
