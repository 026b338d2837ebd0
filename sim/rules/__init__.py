"""The engine's rules: how iterations are composed. One class per set of rules, over :class:`sim.composer.Composer`."""

from sim.composer import Composer
from sim.rules.orca import Orca
from sim.rules.sarathi import Sarathi, VidurSarathi
from sim.rules.vllm import Vllm
from sim.rules.vllm_v1 import VllmV1
from sim.scenario import EngineSpec

__all__ = ["rules_of"]


def rules_of(engine: EngineSpec) -> type[Composer]:
    """The class that composes iterations as ``engine`` says."""
    match engine.rules:
        case "sarathi":
            return VidurSarathi if engine.vidur_compat else Sarathi
        case "vllm-v1":
            return VllmV1
        case "vllm":
            return Vllm
        case "orca":
            return Orca
