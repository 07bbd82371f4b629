"""Where config stands: in the checkout, or where there is none in the copy that the package ships."""

from __future__ import annotations

from pathlib import Path

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.files import REPOSITORY

SHIPPED = Path(__file__).parent / "shipped"
IS_CHECKOUT = (REPOSITORY / "config" / "models").is_dir()
NEEDED = ("config.yaml", "gpus.yaml", "engines.yaml", "models")

_config = [REPOSITORY / "config" if IS_CHECKOUT else SHIPPED / "config"]


def config_folder() -> Path:
    """The folder of the config that is used."""
    return _config[0]


def use_catalogue(folder: Path) -> None:
    """Use the config of another folder; to be called before `prophet_memory.edge.configuration` is imported.

    Raises:
        ConfigurationError: where the folder lacks what a config has.
    """
    if missing := [name for name in NEEDED if not (folder / name).exists()]:
        raise ConfigurationError(f"--catalogue: {folder}: {missing[0]}: missing; allowed: a folder with {', '.join(NEEDED)}")
    if not any((folder / "models").glob("*.yaml")):
        raise ConfigurationError(f"--catalogue: {folder}: models: no model; allowed: a folder with a YAML file for each model")
    _config[0] = folder.resolve()
