"""Commands and functions of the Python API that formats declare."""

import inspect

import pytest

import cli
from export.formats import formats
from rsnnctl import api
from rsnnctl.exporting import command_of, function_of

FORMATS = formats()


@pytest.mark.parametrize("name", FORMATS)
def test_a_command_has_the_options_that_its_format_declares(name):
    command = cli.rsnnctl.commands[f"export-{name}"]
    found = {each.name: each for each in command.params}
    for option in FORMATS[name].options:
        made = found.pop(option.name)
        assert made.opts == [f"--{option.flag or option.name}".replace("_", "-")]
        assert (made.default, made.help) == (option.default, option.help)
        if option.choices:
            assert tuple(made.type.choices) == option.choices
    shared = ["network", "stale", "output", "force", "output_format", "output_json"]
    assert list(found) == shared
    assert command.help == f"Write {FORMATS[name].description}.\n\n{FORMATS[name].details}"


def _output(command):
    return next(each for each in command.params if each.name == "output")


def test_a_command_says_where_its_output_goes():
    helps = {name: _output(command_of(format)).help for name, format in FORMATS.items()}
    assert helps == {
        "c": "Folder. Default: `c` beside the network.",
        "nir": "File (.nir). Default: beside the network.",
        "onnx": "Folder. Default: that of the network.",
        "verilog": "Folder. Default: `verilog` beside the network.",
    }


@pytest.mark.parametrize("name", FORMATS)
def test_a_function_has_the_options_that_its_format_declares(name):
    function = function_of(FORMATS[name])
    first, second, *keywords = inspect.signature(function).parameters.values()
    assert (first.name, second.name) == ("network", "path")
    assert [(each.name, each.default) for each in keywords] == [
        (option.name, option.default) for option in FORMATS[name].options
    ]
    assert all(each.kind is each.KEYWORD_ONLY for each in keywords)
    assert function.__name__ == f"export_{name}"
    assert getattr(api, f"export_{name}").__doc__ == function.__doc__
    for option in FORMATS[name].options:
        assert f"    {option.name}: {option.help[0].lower()}{option.help[1:]}" in function.__doc__


def test_remarks_go_to_stderr(run, network):
    done = run("export-nir", network, "--for", "norse", "-o", "a.nir")
    assert done.out == "a.nir\n"
    assert done.err.startswith("read it with norse.torch.utils.import_nir.from_nir(graph, dt=")
    assert "norse computes with `delay_steps` 0, so its spikes will differ" in done.err
    assert "read it" not in run("export-nir", network, "-o", "a.nir").err
