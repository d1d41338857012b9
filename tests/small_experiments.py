"""Experiments composed as the command line does it, in a folder of their own."""

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from climbench.config.folders import conf_folder
from climbench.experiments.run import RunConfig


def configuration(folder, *overrides):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        places = [f"runs_dir='{folder}/runs'", f"stores_dir='{folder}/stores'"]
        return RunConfig.parse(
            OmegaConf.to_container(compose("run", [*overrides, *places]), resolve=True)
        )
