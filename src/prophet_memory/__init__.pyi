from prophet_memory.architecture import Architecture as Architecture
from prophet_memory.engine import Engine as Engine
from prophet_memory.engine import Reserve as Reserve
from prophet_memory.engine import StepSize as StepSize
from prophet_memory.gpu import Gpu as Gpu
from prophet_memory.grid import Grid as Grid
from prophet_memory.grid import Model as Model
from prophet_memory.huggingface import read_config as read_config
from prophet_memory.memory import Assumptions as Assumptions
from prophet_memory.peaks import LargestPhase as LargestPhase
from prophet_memory.planning import Plan as Plan
from prophet_memory.planning import plan as plan
from prophet_memory.residency import ResidencyPolicy as ResidencyPolicy
from prophet_memory.residency import residency_policy as residency_policy
from prophet_memory.routing import RoutingLaw as RoutingLaw
from prophet_memory.routing import routing_law as routing_law
from prophet_memory.sweeps import Sweep as Sweep
from prophet_memory.sweeps import sweep as sweep

__all__ = [
    "Architecture",
    "Assumptions",
    "Engine",
    "Gpu",
    "Grid",
    "LargestPhase",
    "Model",
    "Plan",
    "Reserve",
    "ResidencyPolicy",
    "RoutingLaw",
    "StepSize",
    "Sweep",
    "plan",
    "read_config",
    "residency_policy",
    "routing_law",
    "sweep",
]
