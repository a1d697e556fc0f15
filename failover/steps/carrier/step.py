"""The carrier steps: routes moved by the carrier's API, or by a person on the phone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from failover.errors import NotProven, WaitsForPerson
from failover.journal.entry import Json
from failover.journal.mask import Mask
from failover.runner.step import Step
from failover.steps.carrier.http import CarrierAccount, CarrierClient
from failover.steps.carrier.preset import PresetUnusable, check_fit, filled, load_preset
from failover.steps.carrier.routes import CarrierRoutes, Deadline, RouteOutcome, RouteReading, RouteResult
from host.places import Places
from pair import Pair, read_secret
from pair.sections.carrier import Carrier

_SAY: Final = "Please route {dids} to {machine} at {address}."
"""What to say when pair.toml does not know better."""
_LEAST_S: Final = 8.0
"""Seconds that moving has, however long the look before it took."""


class CarrierNotMoved(NotProven):
    """Some number at a carrier is not routed as wanted; each is named with the reason."""


def step_name(carrier: str) -> str:
    """What the step of a carrier is called in the journal, in hooks and by `failover confirm`."""
    return f"carrier-{carrier}"


def carrier_step(
    places: Places,
    pair: Pair,
    name: str,
    machine: str,
    mask: Mask,
    *,
    confirmed: bool = False,
    deadline: Callable[[float], Deadline] = Deadline,
) -> Step:
    """The step of one carrier.

    Args:
        name: under [carriers].
        machine: the one to route to.
        mask: is told of the secret.
        confirmed: a person said that a manual one is done.
        deadline: begins a deadline of so many seconds.

    Raises:
        PresetUnusable, SecretUnusable, NumberUnclear
    """
    carrier = pair.carriers[name]
    if carrier.preset == "manual":
        return ManualCarrier(name, carrier, machine, pair.machines[machine].public_address, confirmed=confirmed)
    preset = load_preset(places, carrier.preset)
    check_fit(name, carrier, preset)
    if machine not in carrier.routes:
        raise PresetUnusable(f"carriers.{name}.routes.{machine} is missing in pair.toml.")
    secret = read_secret(places, carrier.secret_file) if carrier.secret_file else ""
    account = CarrierAccount(carrier.base or preset.base, carrier.account or "", secret, carrier.tls_ca_file or "")
    peer = carrier.routes.get(pair.peer_of(machine), "")
    return CarrierStep(
        name, carrier, machine, CarrierRoutes(carrier, preset, CarrierClient(preset, account, mask)), peer, deadline
    )


class CarrierStep:
    """Routes every number of one carrier to a machine, by its API."""

    def __init__(
        self,
        name: str,
        carrier: Carrier,
        machine: str,
        routes: CarrierRoutes,
        peer_route: str,
        deadline: Callable[[float], Deadline],
    ) -> None:
        self.name = step_name(name)
        self.deadline_s = carrier.deadline_s
        self._total_s = carrier.deadline_s
        self._machine = machine
        self._routes = routes
        self._peer_route = peer_route
        self._want = routes.wanted(machine)
        self._seen: dict[str, RouteReading] = {}
        self._results: list[RouteResult] = []
        self._begin = deadline
        self._deadline: Deadline | None = None

    @property
    def routes(self) -> CarrierRoutes:
        """The routes at this carrier."""
        return self._routes

    @property
    def wanted(self) -> dict[str, str]:
        """Item -> value, with this machine as primary."""
        return self._want

    def check(self) -> bool:
        """Whether every number is routed here already. One that cannot be read is not."""
        self._deadline = self._begin(self._total_s)
        found = self._routes.read_all(self._want, self._deadline)
        self._seen = {item: seen for item, seen in found.items() if isinstance(seen, RouteReading)}
        same = {item: seen for item, seen in self._seen.items() if seen.now == self._want[item]}
        if len(same) < len(self._want):
            return False
        self._results = [RouteResult(item, seen.now, seen.now, RouteOutcome.SAME) for item, seen in same.items()]
        return True

    def saved(self) -> Mapping[str, Json]:
        """The route of each number that could be read."""
        return {"routes": {item: seen.now for item, seen in self._seen.items()}}

    def apply(self) -> None:
        """Moves each number; a failing one holds up none of the others."""
        left_s = self._total_s if self._deadline is None else self._deadline.left_s
        self._results = self._routes.move_all(self._want, self._begin(max(left_s, min(_LEAST_S, self._total_s))))

    def verify(self) -> str:
        """What the carrier said when it was read back.

        Raises:
            CarrierNotMoved: with each number that failed, and why.
        """
        return self._judged(self._results, "")

    def undo(self, saved: Mapping[str, Json]) -> str:
        """Gives each number the route that it had; the peer's where there was none, or it could not be read.

        Raises:
            CarrierNotMoved
        """
        kept = saved["routes"]
        assert isinstance(kept, Mapping)
        back = {item: str(kept.get(item) or self._before(item)) for item in self._want}
        return self._judged(self._routes.move_all(back, self._begin(self._total_s)), " back")

    def _before(self, item: str) -> str:
        value = self._want[item]
        return {"true": "false", "false": "true"}.get(value, self._peer_route)

    def _judged(self, results: list[RouteResult], back: str) -> str:
        failed = [result for result in results if result.outcome is RouteOutcome.FAILED]
        good = [f"{result.item} is {result.after}" for result in results if result.outcome is not RouteOutcome.FAILED]
        words = f"{len(good)} of {len(self._want)} at {self._routes.title}{back}"
        told = "; ".join([words + (": " + ", ".join(good) if good else ""), *(_failure(result) for result in failed)])
        if failed or len(good) < len(self._want):
            raise CarrierNotMoved(f"{told}. Change it in the carrier's portal, then type: failover confirm {self.name}")
        return told


class ManualCarrier:
    """A carrier that only listens to people: the step says whom to call and what to say, and stays open."""

    deadline_s = 1.0

    def __init__(self, name: str, carrier: Carrier, machine: str, address: str, *, confirmed: bool) -> None:
        self.name = step_name(name)
        self._carrier = carrier
        self._title = name
        self._machine = machine
        self._address = address
        self._confirmed = confirmed

    def check(self) -> bool:
        """Whether a person confirmed it."""
        return self._confirmed

    def saved(self) -> Mapping[str, Json]:
        """Nothing is known of what was before."""
        return {}

    def apply(self) -> None:
        """A person does it."""

    def verify(self) -> str:
        """A person's word.

        Raises:
            WaitsForPerson: with whom to call, the account and the words.
        """
        if self._confirmed:
            return f"a person confirmed that {self._title} routes to {self._machine}"
        raise WaitsForPerson(f"{self.words()} Then type: failover confirm {self.name}")

    def undo(self, saved: Mapping[str, Json]) -> str:  # noqa: ARG002 - there is nothing to know
        """Only a person can; what to say is said."""
        return f"{self._title} is changed by hand alone: if somebody called there, call again and take it back"

    def words(self) -> str:
        """Whom to call, with which account, and what to say."""
        carrier = self._carrier
        numbers = " ".join(carrier.dids) or "our numbers"
        values = {
            "dids": numbers,
            "machine": self._machine,
            "address": self._address,
            "route": carrier.routes.get(self._machine, self._address),
            "account": carrier.account or "",
        }
        whom = f"Call {self._title}" + (f" at {carrier.phone}" if carrier.phone else "")
        account = f", account {carrier.account}" if carrier.account else ""
        return f'{whom}{account}, and say: "{filled(carrier.say or _SAY, values)}"'


def _failure(result: RouteResult) -> str:
    return f"{result.item} FAILED: {result.words}"
