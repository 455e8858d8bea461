"""The whole job, end to end, on a simulated plant: what `procwm demo` does."""
