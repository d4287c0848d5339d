"""The demo: the whole job on a made-up city, from the offices' source files to one portrait."""

from lab.simulation.demo.job import DemoSettings, run_demo
from lab.simulation.demo.results import DemoOutput

__all__ = ["DemoOutput", "DemoSettings", "run_demo"]
