"""Slices against an exact model: whatever nodes, kills and clocks do, no budget is passed by more than was leased."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from freehold.access.leases import LAPSE_S, Ask, Grant, Hold, Place, held, take
from freehold.access.slices import PARTS, Measure, Places, Slice

REQUESTS = Measure("requests", 60)
TOKENS = Measure("tokens", 60)
NODES = 3


@dataclass
class Town:
    """One budget that some nodes share: its row in the database, the database's clock, and the time that passes."""

    limit: int
    measure: Measure = REQUESTS
    window: int = -1
    taken: int = 0
    clock: float = 6000.0
    elapsed: float = 1.0
    nodes: list[Slice] = field(default_factory=list)
    under_way: dict[int, tuple[Ask, float, Grant | None]] = field(default_factory=dict)
    used: Counter[int] = field(default_factory=Counter)  # by the window that the slice was of
    used_in: Counter[int] = field(default_factory=Counter)  # by the window that it was in the database

    def __post_init__(self) -> None:
        self.nodes = [self.fresh() for _ in range(NODES)]

    def fresh(self) -> Slice:
        """What a node that has just begun has."""
        return Slice("key:one", self.measure, self.limit)

    def request(self, node: int, cost: int) -> bool:
        """One request, which passes where the slice suffices, else asks for more and is gone."""
        one = self.nodes[node]
        if one.left < cost or self.elapsed >= one.until:
            one.awaited += cost
            return False
        one.left -= cost
        one.used = True
        self.used[one.window] += cost
        self.used_in[max(self.window, int(self.clock // 60))] += cost
        return True

    def held(self) -> int:
        """What nodes may still use of the window."""
        return sum(max(0, one.left) for one in self.nodes if one.window == self.window)

    def send(self, node: int) -> None:
        """A node begins an exchange."""
        if node not in self.under_way:
            self.under_way[node] = (self.nodes[node].ask(self.elapsed), self.elapsed, None)

    def reach(self, node: int) -> None:
        """The exchange is done in the database, and the node has yet to hear of it."""
        if node in self.under_way:
            ask, at, grant = self.under_way[node]
            self.under_way[node] = (ask, at, grant or self.decide(ask))

    def hear(self, node: int, *, arrives: bool = True) -> None:
        """The answer comes, or is lost on its way."""
        self.reach(node)
        if node in self.under_way:
            _, at, grant = self.under_way.pop(node)
            if arrives and grant is not None:
                self.nodes[node].answer(grant, at, self.elapsed)

    def decide(self, ask: Ask) -> Grant:
        """What the database does."""
        grant = take(ask, self.window, self.taken, self.clock)
        self.window, self.taken = grant.window, grant.taken
        return grant

    def kill(self, node: int) -> None:
        """`kill -9`, and a new node in its place; what was sent is done all the same."""
        self.hear(node, arrives=False)
        self.nodes[node] = self.fresh()


NODE = st.integers(0, NODES - 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("request"), NODE, st.integers(1, 12)),
        st.tuples(st.just("exchange"), NODE, st.just(0)),
        st.tuples(st.just("send"), NODE, st.just(0)),
        st.tuples(st.just("reach"), NODE, st.just(0)),
        st.tuples(st.just("hear"), NODE, st.just(0)),
        st.tuples(st.just("lose"), NODE, st.just(0)),
        st.tuples(st.just("kill"), NODE, st.just(0)),
        st.tuples(st.just("give back"), NODE, st.just(0)),
        st.tuples(st.just("pass"), NODE, st.integers(1, 40)),
        st.tuples(st.just("forward"), NODE, st.integers(1, 200)),
        st.tuples(st.just("back"), NODE, st.integers(1, 59)),
    ),
    max_size=80,
)
LIMITS = st.sampled_from([5, 12, 20])
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("request"), NODE, st.integers(1, 12)),
        st.tuples(st.sampled_from(["exchange", "send", "hear", "give back"]), NODE, st.just(0)),
        st.tuples(st.just("limit"), NODE, LIMITS),
    ),
    max_size=80,
)
TIMES = {"pass": (1, 1), "forward": (1, 0), "back": (-1, 0)}
"""What moves: the database's clock, and the time that all have in common; somebody sets the clock in the last two."""


def walk(town: Town, steps: list[tuple[str, int, int]]) -> None:
    """Do `steps`; the last number is a cost or seconds."""
    for what, node, amount in steps:
        match what:
            case "request":
                for _ in range(amount):
                    town.request(node, 1)
            case "send":
                town.send(node)
            case "reach":
                town.reach(node)
            case "hear" | "lose":
                town.hear(node, arrives=what == "hear")
            case "exchange":
                town.send(node)
                town.hear(node)
            case "kill":
                town.kill(node)
            case "give back":
                town.nodes[node].give_back(town.elapsed)
            case "limit":  # this node hears of a change
                town.nodes[node].change(amount)
            case "pass" | "forward" | "back":
                clock, elapsed = TIMES[what]
                town.clock += clock * amount
                town.elapsed += elapsed * amount


@given(limit=st.sampled_from([1, 2, 7, 40, 150]), steps=STEPS)
def test_no_window_is_passed_whatever_nodes_and_clocks_do(limit: int, steps: list[tuple[str, int, int]]) -> None:
    """Requests are counted exactly: of what is leased in a window, never more than its limit is used."""
    town = Town(limit)
    walk(town, steps)
    assert all(used <= limit for used in town.used.values()), town.used


@given(limit=LIMITS, steps=CHANGES)
def test_limits_that_change_are_passed_by_no_more_than_the_greatest(
    limit: int, steps: list[tuple[str, int, int]]
) -> None:
    """Whichever node hears of which limit when: what is given back was taken, and is nobody's twice."""
    town, greatest = Town(limit), limit
    for step in steps:
        walk(town, [step])
        greatest = max(greatest, step[2] if step[0] == "limit" else 0)
        assert town.used[town.window] + town.held() <= town.taken <= greatest


@given(limit=st.sampled_from([1, 2, 7, 40, 150]), steps=STEPS)
def test_in_no_minute_more_is_used_than_the_limit_and_a_slice_a_node(
    limit: int, steps: list[tuple[str, int, int]]
) -> None:
    """A clock that jumps finds slices of the window before in the nodes' hands, and no more."""
    town = Town(limit)
    walk(town, [step for step in steps if step[0] != "back"])
    most = max((amount for what, _, amount in steps if what == "request"), default=0)
    leased = NODES * (max(1, limit // PARTS) + 12 * most)  # a slice grows by what waits for it
    assert all(used <= limit + min(leased, NODES * limit) for used in town.used_in.values()), town.used_in


@given(steps=STEPS)
def test_what_is_taken_was_leased(steps: list[tuple[str, int, int]]) -> None:
    """The database never knows of less than was used of a window and still may be: a kill gives nothing back."""
    town = Town(20)
    for step in steps:
        walk(town, [step])
        assert town.used[town.window] + town.held() <= town.taken <= town.limit


def test_a_clock_that_goes_back_a_little_gives_nothing_again() -> None:
    """The later window goes on until the clock has caught up; one that lies further ahead is not waited for."""
    ask = Ask("key:one", "requests/60", 60, limit=5, window=100, want=9)
    first = take(ask, -1, 0, 6000.0)
    assert (first.window, first.granted, first.ends_in_s) == (100, 5, 60.0)
    back = take(ask, 100, 5, 5941.0)
    assert (back.window, back.granted, back.ends_in_s) == (100, 0, 119.0)
    far = take(ask, 100, 5, 5000.0)
    assert (far.window, far.granted) == (83, 5)


def test_small_limits_are_leased_one_by_one() -> None:
    """Of fewer than a hundred one is kept ready, of fewer than fifty none, so that killed nodes strand little."""
    assert [Slice("key:one", REQUESTS, limit).size for limit in (1, 49, 60, 99, 100, 6000)] == [0, 0, 1, 1, 2, 120]


def test_a_burst_gets_what_it_waits_for_in_one_exchange() -> None:
    """Requests that wait are asked for together, with a slice on top of them."""
    town = Town(60)
    for _ in range(20):
        assert not town.request(0, 1)
    town.send(0)
    town.hear(0)
    assert town.nodes[0].left == 21
    assert [town.request(0, 1) for _ in range(21)] == [True] * 21


def test_what_lies_idle_is_given_back() -> None:
    """A node that nobody asks any more leaves its slice to the others."""
    town = Town(60)
    town.request(0, 1)
    for _ in range(2):
        town.send(0)
        town.hear(0)
    town.request(0, 1)
    assert not town.nodes[0].give_back(town.elapsed), "it was used since the last look"
    assert town.nodes[0].give_back(town.elapsed)
    town.send(0)
    town.hear(0)
    assert (town.nodes[0].left, town.taken) == (0, 1)


def test_tokens_beyond_the_estimate_are_a_debt_that_the_database_learns_of() -> None:
    """What a long answer took too much closes the window for the other nodes, too."""
    town = Town(100, TOKENS)
    town.request(0, 10)
    town.send(0)
    town.hear(0)
    assert town.request(0, 10)
    town.nodes[0].left -= 150
    assert town.nodes[0].give_back(town.elapsed), "others have to know"
    town.send(0)
    town.hear(0)
    assert town.taken == 160
    assert (town.nodes[0].left, town.nodes[0].remaining) == (0, 0)
    town.request(1, 1)
    town.send(1)
    town.hear(1)
    assert town.nodes[1].left == 0
    assert town.nodes[1].dry_until > town.elapsed


def test_what_was_used_while_nobody_could_be_asked_closes_one_window() -> None:
    """An outage of hours is charged to the window in which the database came back, and to no other."""
    town = Town(100, TOKENS)
    town.nodes[0].left = -5000
    town.send(0)
    town.hear(0)
    assert (town.taken, town.nodes[0].remaining) == (5000, 0)
    town.clock += 60
    town.elapsed += 60
    town.request(0, 1)
    town.send(0)
    town.hear(0)
    assert town.nodes[0].remaining == 100


def test_a_lower_limit_leaves_a_slice_of_its_own_and_gives_the_rest_back() -> None:
    """Or a node would go on by the limit before for as long as its slice of that lasts."""
    town = Town(5000)
    town.request(0, 1)
    town.send(0)
    town.hear(0)
    assert (town.nodes[0].left, town.taken) == (101, 101)
    assert town.request(0, 1)
    town.nodes[0].change(100)
    assert town.nodes[0].left == 2
    assert town.nodes[0].give_back(town.elapsed)
    town.send(0)
    town.hear(0)
    assert (town.nodes[0].left, town.taken) == (2, 3)


@given(
    limit=st.integers(1, 12),
    steps=st.lists(st.tuples(st.sampled_from(["enter", "leave", "tell", "turn", "kill", "lapse"]), NODE), max_size=80),
)
def test_no_more_requests_are_under_way_than_the_limit_and_those_of_lapsed_nodes(
    limit: int, steps: list[tuple[str, int]]
) -> None:
    """Places are leased with a term: a node that is killed holds its own until then, and for no longer."""
    nodes = [Places("key:one", limit) for _ in range(NODES)]
    rows: dict[int, tuple[int, float]] = {}
    now, names = 1.0, list(range(NODES))

    def tell(node: int) -> None:
        hold: Hold = nodes[node].ask(now)
        others = sum(places for name, (places, until) in rows.items() if name != names[node] and until > now)
        place: Place = held(hold, others)
        rows[names[node]] = (hold.held + place.granted, now + LAPSE_S)
        nodes[node].answer(place, now)

    for what, node in steps:
        some = nodes[node]
        if what == "enter":
            if some.left > 0 and now < some.until:
                some.left -= 1
                some.busy += 1
                some.least = min(some.least, some.left)
            else:
                some.awaited += 1
        elif what == "leave" and some.busy:
            some.busy -= 1
            some.left += 1
        elif what == "tell" or (what == "turn" and some.give_back(now)):
            tell(node)
        elif what == "kill":
            nodes[node] = Places("key:one", limit)
            names[node] = max(names) + 1
        elif what == "lapse":
            for each in range(NODES):  # those that live renew what they hold
                tell(each)
            now += LAPSE_S / 2
        assert sum(each.busy for each in nodes) <= limit
        assert sum(places for places, until in rows.values() if until > now) <= limit


def test_places_that_nobody_needs_are_given_up_and_those_in_use_are_kept() -> None:
    """After a burst the node keeps what it needed at most since the last look."""
    some = Places("key:one", 10)
    some.answer(Place(6, 6), 1.0)
    some.left, some.busy, some.least = 4, 2, 4
    assert some.give_back(1.5)
    assert (some.left, some.busy) == (0, 2)
    assert some.ask(1.5).held == 2
