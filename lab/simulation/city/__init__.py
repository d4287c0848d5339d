"""A made-up city: the source files of fifteen departments about the same enterprises, for ``lab bureau generate``.

Everything is drawn from one seed. One latent risk of each enterprise moves its behaviour in all domains and its default
within twelve months after the last month, so the best AUC that any model can reach is known (``truth.json``).
No region, code or person is real: administrative divisions begin with 99, which GB/T 2260 does not have.
"""

from lab.simulation.city.generation import generate_city
from lab.simulation.city.settings import CitySettings

__all__ = ["CitySettings", "generate_city"]
