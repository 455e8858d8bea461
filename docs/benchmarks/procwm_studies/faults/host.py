"""Starts, freezes and ends the server of the campaign over OPC UA, with its certificates and its user."""

import asyncio
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from procwm.plant import registry
from procwm.plant.certificates import Trust
from procwm.plant.settings import OpcUaSettings
from procwm.plant.tags import Role
from procwm_studies.faults.served import END, Life, serve

_STARTS_S = 600.0
_POLL_S = 0.05
_SERVERS = ("server", "successor")
_USER = "mpc"
_FILES = {"users": f"{_USER}:right\n", "others": f"{_USER}:another\n", "password": "right"}


@dataclass(frozen=True, kw_only=True)
class Lived:
    """A life that is over.

    Attributes:
        life: of the server.
        ended_ns: wall time.
        readable: whether the controller could have read it.
    """

    life: Life
    ended_ns: int
    readable: bool


class Host:
    """The machine that the server runs on.

    Attributes:
        life: the present one, or the last.
        lived: every life that is over.
    """

    def __init__(self, life: Life, directory: Path) -> None:
        """Nothing is started yet.

        Args:
            life: scenario, seed and plant file; the rest is filled in.
            directory: for certificates, users and notes.
        """
        self.life = life
        self.lived: list[Lived] = []
        self._directory = directory
        stores = {name: registry.certificates("opcua")(directory / name) for name in ("client", *_SERVERS)}
        self._own = {name: store.make(host=name, days=1) for name, store in stores.items()}
        for name in _SERVERS:
            stores[name].trust(str(self._own["client"].path))
        self._client = stores["client"]
        self._client.trust(str(self._own["server"].path))
        for name, content in _FILES.items():
            (directory / name).touch(mode=0o600)
            (directory / name).write_text(content, encoding="utf-8")
        self._certificate = "server"
        self._process: ForkServerProcess | None = None
        self._leaving: ForkServerProcess | None = None
        self._orders: Connection | None = None
        self._wanted = self._starting = False
        self._readable = True

    @property
    def settings(self) -> OpcUaSettings:
        """How the controller reaches the server."""
        return OpcUaSettings(
            endpoint=self.life.endpoint,
            policy="Basic256Sha256",
            pki="client",
            user=_USER,
            password_file="password",
            folder=str(self._directory),
        )

    @property
    def ready(self) -> bool:
        """Whether the server that was asked for serves."""
        if self._wanted and (self._leaving is None or not self._leaving.is_alive()):
            self.start()
        if self._starting and self._orders is not None and self._orders.poll():
            self.life = replace(self.life, endpoint=self._orders.recv())
            self._starting = False
        return not self._starting and not self._wanted

    def start(self, *, users: str = "users", without: str | None = None) -> None:
        """Begin a life; `ready` tells when it serves."""
        self.life = replace(
            self.life,
            pki=self._directory / self._certificate,
            users=self._directory / users,
            without=without,
            notes=self._directory / f"life{len(self.lived)}",
        )
        context = multiprocessing.get_context("forkserver")
        # What every life needs is loaded once.
        context.set_forkserver_preload([registry.server("opcua").__module__, serve.__module__])
        self._orders, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(self.life, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._wanted, self._starting, self._leaving = False, True, None
        self._readable = users == "users" and without is None

    async def started(self) -> None:
        """Wait until the server serves."""
        async with asyncio.timeout(_STARTS_S):
            while not self.ready:
                await asyncio.sleep(_POLL_S)

    def kill(self) -> None:
        """End the life at once."""
        if self._process is not None:
            self._over()
            self._process.kill()
            self._process.join()
            self._process = None

    def begin(self, fault: str) -> None:
        """Inject a fault of the server."""
        if fault == "server killed":
            self.kill()
        elif fault == "server frozen":
            self._signal(signal.SIGSTOP)
        elif fault == "server ended and started again":
            self._over()
            self._order(END)
            self._leaving, self._process = self._process, None
        elif fault == "server's certificate replaced":
            self._certificate = next(name for name in _SERVERS if name != self._certificate)
            known = self._own[self._certificate].thumbprint
            if any(f.thumbprint == known and f.trust is Trust.TRUSTED for f in self._client.facts()):
                self._client.reject(known)
            self.kill()
            self.start()
        elif fault == "password no longer right":
            self.kill()
            self.start(users="others")
        elif fault == "server back without a node":
            self.kill()
            tags = [tag for tag in self.life.spec.tags if tag.role is not Role.MV and not tag.critical]
            self.start(without=tags[-1].name)
        else:
            self._order(fault)

    def cease(self, fault: str) -> None:
        """Take a fault back; it is over when `ready`."""
        if fault in ("server killed", "server ended and started again"):
            self._wanted = True
        elif fault == "server frozen":
            self._signal(signal.SIGCONT)
        elif fault == "server's certificate replaced":
            self._client.trust(str(self._own[self._certificate].path))
        elif fault in ("password no longer right", "server back without a node"):
            self.kill()
            self._wanted = True
        else:
            self._order("")

    def _over(self) -> None:
        self.lived.append(Lived(life=self.life, ended_ns=time.time_ns(), readable=self._readable))

    def _order(self, text: str) -> None:
        assert self._orders is not None, "the server has been started"
        self._orders.send(text)

    def _signal(self, number: int) -> None:
        pid = None if self._process is None else self._process.pid
        assert pid is not None, "the server lives"
        os.kill(pid, number)
