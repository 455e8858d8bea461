"""The account that procwm runs under, for records that say who did what."""

import getpass


def account() -> str:
    """Name of whoever is logged in; `unknown` where the system does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
