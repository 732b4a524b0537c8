"""Settings of the whole suite."""

from hypothesis import settings

# A machine that is busy with something else is no failure.
settings.register_profile("dlmo", deadline=None)
settings.load_profile("dlmo")
