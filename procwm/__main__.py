"""`python -m procwm` is the command `procwm`."""

from procwm.cli import main

if __name__ == "__main__":
    main()
