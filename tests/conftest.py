"""What every test may rely on."""

from hypothesis import HealthCheck, settings

# An example is judged by what it shows: how long it and its drawing take is up to the machine.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
