"""Figures of the POP3 client beside others: near and far, one account and many, new mail and none."""

import sys
from collections.abc import Callable
from functools import partial

from bench.context import Context, as_it_is, check_kept, new_mail, ratio
from bench.delay import ROUND_TRIP_S, line
from bench.mailbox import Mailboxes, Plan
from bench.measure import Command, Series, run
from bench.peers import SIDE_BY_SIDE, Fetchmail, Getmail, Mpop, Puller
from bench.product import Poparchive
from bench.pulling import IDLE_ACCOUNTS, IDLE_MESSAGES, LOCAL_MESSAGES, warm_up
from bench.servers import Endpoint, serving

FAR_MESSAGES = 2_000
CROWD = (50, 40)
"""Accounts, and messages in each."""

NEAR_OF_MPOP = 0.4
FAR_OF_MPOP = 0.35
CROWD_OF_MPOPS = 0.5
IDLE_S = 0.7


def peers(context: Context) -> None:
    """The client beside mpop, getmail6 and fetchmail: 20,000 messages near, 2,000 far, 50 accounts far."""
    with context.attempt("peers", "near"):
        near(context)
    with context.attempt("peers", "far"):
        far(context)
    with context.attempt("peers", "a crowd"):
        crowd(context)
    with context.attempt("peers", "a crowd with nothing new"):
        idle(context)


def near(context: Context) -> None:
    mail = context.mail(Plan(messages=context.scaled(LOCAL_MESSAGES)))
    with serving(mail, context.dovecot_state) as endpoint:
        contest(context, f"peers, {mail.messages:,} near", mail, endpoint, as_it_is, NEAR_OF_MPOP)


def far(context: Context) -> None:
    mail = context.mail(Plan(messages=context.scaled(FAR_MESSAGES)))
    with line() as delayed, serving(mail, context.dovecot_state) as server:
        bench = f"peers, {mail.messages:,} at {ROUND_TRIP_S * 1000:.0f} ms"
        endpoint = delayed.reach(server)
        contest(context, bench, mail, endpoint, delayed.client, FAR_OF_MPOP)


def contest(
    context: Context,
    bench: str,
    mail: Mailboxes,
    endpoint: Endpoint,
    client: Callable[[Command], Command],
    of_mpop: float,
) -> None:
    """poparchive and mpop in turn; those that need minutes once, at the end."""
    warm_up(context, endpoint, client)
    pullers: list[Puller] = [Poparchive(), Mpop()]
    taken = context.contest(
        bench,
        {
            puller.name: new_mail(context, puller, endpoint, mail, client)
            for puller in context.present(bench, pullers)
        },
    )
    ratio(context, bench, taken, (Poparchive.name, "mpop"), of_mpop)
    slow: list[Puller] = [Getmail(), Fetchmail()]
    for puller in context.present(bench, slow):
        with context.attempt(bench, puller.name):
            once = new_mail(context, puller, endpoint, mail, client)()
            context.table.series(bench, f"{puller.name}, one run", Series((once,)))


def crowd(context: Context) -> None:
    accounts, messages = CROWD
    mail = context.mail(Plan(accounts=accounts, messages=messages))
    bench = f"peers, {accounts} accounts of {messages} at {ROUND_TRIP_S * 1000:.0f} ms"
    pullers: list[Puller] = [Poparchive(), Mpop(side_by_side=SIDE_BY_SIDE)]
    with line() as delayed, serving(mail, context.dovecot_state) as server:
        endpoint = delayed.reach(server)
        warm_up(context, endpoint, delayed.client)
        taken = context.contest(
            bench,
            {
                puller.name: new_mail(context, puller, endpoint, mail, delayed.client)
                for puller in context.present(bench, pullers)
            },
        )
    ratio(context, bench, taken, (Poparchive.name, pullers[1].name), CROWD_OF_MPOPS)


def idle(context: Context) -> None:
    mail = context.mail(Plan(accounts=IDLE_ACCOUNTS, messages=IDLE_MESSAGES))
    bench = f"peers, {IDLE_ACCOUNTS} accounts with nothing new at {ROUND_TRIP_S * 1000:.0f} ms"
    puller = Poparchive()
    with (
        line() as delayed,
        serving(mail, context.dovecot_state) as server,
        context.place() as place,
    ):
        endpoint = delayed.reach(server)
        command = delayed.client(puller.prepare(place, endpoint))
        run(command)
        check_kept(puller, place, mail)
        start = delayed.client(Command([sys.executable, "-c", "pass"]))
        both = {puller.name: partial(run, command), "Python's start": partial(run, start)}
        taken = context.contest(bench, both)
    if len(taken) == len(both):
        beyond_s = taken[puller.name].wall_s - taken["Python's start"].wall_s
        context.table.at_most(bench, "poparchive beyond Python's start", beyond_s, IDLE_S, " s")
