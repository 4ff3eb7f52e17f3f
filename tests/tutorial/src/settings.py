"""What params.yaml says; a module that no stage declares, as it happens."""

from pathlib import Path

from ruamel.yaml import YAML


def settings(section):
    with Path("params.yaml").open() as file:
        return YAML(typ="safe").load(file)[section]
