"""Figures 1, 2, 3 and the first of 7: pulling, near and far, new mail and none, one and many."""

import contextlib
from collections.abc import Callable
from functools import partial

from bench.context import Context, as_it_is, check_kept, new_mail, ratio
from bench.delay import ROUND_TRIP_S, line, round_trip_s
from bench.mailbox import Mailboxes, Plan
from bench.measure import Command, Run, Series, run
from bench.peers import SIDE_BY_SIDE, Fdm, Getmail, Mpop, Puller, RawReader
from bench.product import CONNECTIONS, Poparchive
from bench.servers import Endpoint, serving

LOCAL_MESSAGES = 20_000
FAR_MESSAGES = 2_000
OF_MPOP = 0.5
OF_RAW_READER = 2.5

MANY_UIDLS = 100_000
MANY_UIDLS_CPU_S = 1.0
IDLE_ACCOUNTS = 50
IDLE_MESSAGES = 20
IDLE_WALL_S = 1.5

CROWD_MESSAGES = 400
CROWD_PEAK_MB = 150


def contestants(context: Context) -> list[Puller]:
    pullers: list[Puller] = [Poparchive(), Mpop(), RawReader()]
    slow: list[Puller] = [Fdm(), Getmail()]
    return pullers + [puller for puller in slow if puller.name in context.more_peers]


def pull(context: Context) -> None:
    """20,000 messages from the same machine into an empty archive."""
    mail = context.mail(Plan(messages=context.scaled(LOCAL_MESSAGES)))
    bench = f"pull {mail.messages:,}"
    with serving(mail, context.dovecot_state) as endpoint:
        pull_all(context, bench, mail, endpoint, as_it_is)


def delay(context: Context) -> None:
    """2,000 messages over a round trip of 50 ms."""
    mail = context.mail(Plan(messages=context.scaled(FAR_MESSAGES)))
    with line() as far, serving(mail, context.dovecot_state) as server:
        endpoint = far.reach(server)
        measured = round_trip_s(far, endpoint)
        context.table.say(f"{far.kind}; a round trip takes {measured * 1000:.1f} ms")
        bench = f"pull {mail.messages:,} at {ROUND_TRIP_S * 1000:.0f} ms"
        pull_all(context, bench, mail, endpoint, far.client)


def pull_all(
    context: Context,
    bench: str,
    mail: Mailboxes,
    endpoint: Endpoint,
    client: Callable[[Command], Command],
) -> None:
    pullers = context.present(bench, contestants(context))
    warm_up(context, endpoint, client)
    taken = context.contest(
        bench,
        {puller.name: new_mail(context, puller, endpoint, mail, client) for puller in pullers},
    )
    ratio(context, bench, taken, (Poparchive.name, "mpop"), OF_MPOP)
    ratio(context, bench, taken, (Poparchive.name, RawReader.name), OF_RAW_READER)


def warm_up(
    context: Context, endpoint: Endpoint, client: Callable[[Command], Command] = as_it_is
) -> None:
    """Read all mail once, so that no contestant pays for the server's first look at it."""
    with context.place() as place:
        run(client(RawReader().prepare(place, endpoint)))


def nothing_new(context: Context) -> None:
    """Pulls that find nothing: one account with 100,000 UIDLs, and 50 accounts far away."""
    with context.attempt("nothing new", "one account"):
        many_uidls(context)
    with context.attempt("nothing new", "many accounts"):
        idle_accounts(context)


def many_uidls(context: Context) -> None:
    mail = context.mail(Plan("tiny", messages=context.scaled(MANY_UIDLS)))
    bench = f"nothing new, {mail.messages:,} UIDLs"
    with serving(mail, context.dovecot_state) as endpoint, context.place() as place:
        puller = Poparchive()
        command = puller.prepare(place, endpoint)
        context.table.series(bench, "first pull, everything new", Series((run(command),)))
        check_kept(puller, place, mail)
        taken = context.contest(bench, {puller.name: partial(run, command)})
        check_kept(puller, place, mail)
        if puller.name in taken:
            cpu_s = taken[puller.name].cpu_s
            context.table.at_most(bench, "poparchive's own CPU", cpu_s, MANY_UIDLS_CPU_S, " s")


def idle_accounts(context: Context) -> None:
    mail = context.mail(Plan(accounts=IDLE_ACCOUNTS, messages=IDLE_MESSAGES))
    bench = f"nothing new, {IDLE_ACCOUNTS} accounts at {ROUND_TRIP_S * 1000:.0f} ms"
    pullers: list[Puller] = [Poparchive(), Mpop(), Mpop(side_by_side=SIDE_BY_SIDE), Fdm()]
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(line())
        endpoint = far.reach(stack.enter_context(serving(mail, context.dovecot_state)))
        warm_up(context, endpoint, far.client)
        again: dict[str, Callable[[], Run]] = {}
        for puller in context.present(bench, pullers):
            place = stack.enter_context(context.place())
            with context.attempt(bench, puller.name):
                command = far.client(puller.prepare(place, endpoint))
                run(command)
                check_kept(puller, place, mail)
                again[puller.name] = partial(run, command)
        taken = context.contest(bench, again)
    if Poparchive.name in taken:
        wall_s = taken[Poparchive.name].wall_s
        context.table.at_most(bench, "poparchive, wall time", wall_s, IDLE_WALL_S, " s")


def crowd(context: Context) -> None:
    """50 accounts at a time, much new mail in each."""
    mail = context.mail(Plan(accounts=CONNECTIONS, messages=context.scaled(CROWD_MESSAGES)))
    bench = f"memory, {CONNECTIONS} accounts at a time"
    puller = Poparchive()
    with serving(mail, context.dovecot_state) as endpoint:
        warm_up(context, endpoint)
        pulls = {puller.name: new_mail(context, puller, endpoint, mail)}
        taken = context.contest(bench, pulls)
    if puller.name in taken:
        peak_mb = taken[puller.name].peak_bytes / 1e6
        context.table.at_most(bench, "poparchive, peak", peak_mb, CROWD_PEAK_MB, " MB")
