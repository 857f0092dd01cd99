"""`rsnnctl data`: recordings."""

from pathlib import Path

import click

from rsnnctl.options import INPUT, output_option, seed_option
from rsnnctl.results.files import files
from rsnnctl.results.kind import Column, Facts, Kind, Result

RECORDING = Kind(
    "recording",
    "The figures of a recording; rates are those of the raster that a decoder sees.",
    (
        Column("name", "text", "Name of the recording."),
        Column("duration_s", "number", "Length.", "s"),
        Column("dt_s", "number", "Length of a step.", "s"),
        Column("n_steps", "integer", "Number of steps."),
        Column("n_channels", "integer", "Number of channels."),
        Column("reaches", "integer", "Number of reaches."),
        Column("irregular_intervals", "integer", "Samples lost or extra."),
        Column("clock_drift_s", "number", "Spikes and cursor are so far apart at the end.", "s"),
        Column("units", "integer", "Sorted units that spiked."),
        Column("spikes", "integer", "Spikes in the file."),
        Column("spikes_outside", "integer", "Spikes outside the time of the recording."),
        Column("empty_cells", "integer", "Cells that NeuroBench reads as phantom spikes."),
        Column("synthetic", "boolean", "It was synthesized."),
        Column("synthesized_with", "text?", "Settings with which it was."),
        Column("rate_mean_hz", "number", "Mean rate of a channel.", "Hz"),
        Column("rate_median_hz", "number", "Median rate of a channel.", "Hz"),
        Column("rate_max_hz", "number", "Highest rate of a channel.", "Hz"),
        Column("dead_channels", "integer", "Channels that never spike."),
        Column("channels_under_1_hz", "integer", "Channels below 1 Hz."),
        Column("rate_drift", "number?", "Relative change of the mean rate from begin to end."),
        Column("velocity_sd_mm_per_s", "numbers", "Per coordinate.", "mm/s"),
        Facts(
            "split",
            tuple(
                Column(name, "integer", "Steps of that part.")
                for name in ("train", "validation", "test")
            ),
            "Steps of each part; null if there are too few reaches.",
        ),
        Column("digest", "text", "SHA-256 of what a decoder sees."),
        Column("published", "boolean", "It has the name of a published session."),
        Column("md5", "text?", "Checksum of the file, with --md5."),
        Column("md5_matches", "boolean?", "It is the published one, with --md5."),
    ),
)


@click.group()
def command() -> None:
    """Recordings: make, describe, download."""


@command.command()
@output_option("Recording to write.", default=Path("synthetic.mat"))
@click.option("--minutes", default=20.0, show_default=True, help="Length of the session.")
@click.option("--channels", default=96, show_default=True, help="Number of channels.")
@seed_option
def synth(output: Path, force: bool, minutes: float, channels: int, seed: int) -> Result:
    """Write a realistic session in the layout of the published recordings."""
    from rsnn.data.synthetic import synthesize
    from rsnnctl.output import destination, owned

    with (
        destination(output, Path("synthetic.mat")) as target,
        owned([target], "data synth", force=force),
    ):
        synthesize(target, minutes=minutes, n_channels=channels, seed=seed)
    return files([output])


@command.command()
@click.argument("file", type=INPUT)
@click.option("--md5", is_flag=True, help="Compare the file with the published checksum.")
def info(file: Path, md5: bool) -> Result:
    """Describe any session."""
    from rsnn.data.describe import describe

    return Result(RECORDING, describe(file, check_md5=md5))


@command.command()
@click.argument("session")
@output_option("Folder to download to.", folder=True, default=Path("data"))
@click.option("--mirror", help="URL of a folder with the files. Default: the public archive.")
def fetch(session: str, output: Path, force: bool, mirror: str | None) -> Result:
    """Download a published session, with resume and checksum."""
    from rsnn.data.fetch import BASE_URL, fetch
    from rsnnctl import show
    from rsnnctl.runs.interrupts import keeping

    part = output / f"{session}.mat.part"
    told = f"the bytes that arrived are kept in {part}; the same command continues"
    with (
        show.download_progress(session) as report,
        keeping(lambda: told if part.exists() else ""),
    ):
        path = fetch(session, output, base_url=mirror or BASE_URL, report=report, replace=force)
        return files([path])
