"""``poparchive run``: the daemon."""

import contextlib
import threading

import typer

from poparchive.cli.paths import Settings

LOCKED_S = 60
"""When another command had the archive, accounts that were due are tried again so soon."""


VERIFY = "daily verification"
OPTIMIZE = "optimize the archive"
"""Tasks that are no accounts': names of accounts have no blanks."""


def run(context: typer.Context) -> None:
    """Pull every account on its schedule until SIGTERM or SIGINT; what came until then is kept."""
    from poparchive import observe
    from poparchive.cli import jobs, signals
    from poparchive.cli.care import Child
    from poparchive.config import Cron, Every
    from poparchive.errors import PoparchiveError, TryLaterError, UsageError
    from poparchive.pop3 import Contexts
    from poparchive.schedule import Schedule, Task
    from poparchive.sync.result import Result
    from poparchive.sync.retry import next_try_s

    settings = Settings.of(context)
    config = settings.config()
    settings.start_logging(service=True)
    if not config.accounts:
        raise UsageError(
            f"{config.path}: there is no account to pull; see `poparchive account add`"
        )
    root = settings.archive_dir()
    options = jobs.options_of(config, jobs=None, full=False, dry_run=False)
    contexts = Contexts()
    stopping = threading.Event()

    def pull(names: list[str]) -> None:
        if scrubber is not None and VERIFY in names:
            scrubber.start_if_due()
        if optimizer is not None and OPTIMIZE in names:
            optimizer.start()
        names = [name for name in names if name not in (VERIFY, OPTIMIZE)]
        if not names:
            return
        stop = jobs.Stop()
        current.append(stop)
        try:
            if not stopping.is_set():
                with contextlib.suppress(KeyboardInterrupt):
                    chosen = config.select(names)
                    for result in jobs.pull(root, chosen, options, stop=stop, contexts=contexts):
                        put_off(result)
                        unread.append(result.octets)
        except TryLaterError as error:
            # Another command has the archive.
            observe.event("pull put off", reason=str(error))
            for name in names:
                schedule.hold(name, LOCKED_S)
        except PoparchiveError as error:
            observe.event("pull failed", level=40, error=str(error))
        finally:
            current.remove(stop)
            if reader is not None and any(unread) and not stopping.is_set():
                unread.clear()
                reader.start()

    def put_off(result: Result) -> None:
        """Try again what failed when that makes sense, and not before."""
        name = result.name
        if not result.broken:
            failures.pop(name, None)
            if result.retry_after_s is None:
                schedule.release(name)
            else:
                # There is more, and the server lets us have it then.
                schedule.hold(name, result.retry_after_s)
            return
        # A server that was not asked because it was too early has not failed.
        failures[name] = failures.get(name, 0) + (not result.skipped)
        seconds = next_try_s(failures[name], result.retry_after_s)
        schedule.hold(name, seconds)
        person = result.retry_after_s is None
        observe.event("tried again later", account=name, seconds=seconds, needs_a_person=person)

    def task(name: str, schedule: Every | Cron) -> Task:
        if isinstance(schedule, Every):
            return Task(name, every_s=schedule.seconds)
        return Task(name, cron=schedule.fields())

    current: list[jobs.Stop] = []
    # What came before the daemon started may not have been read to its end.
    unread: list[int] = [1]
    failures: dict[str, int] = {}
    tasks = [task(account.name, account.schedule) for account in config.accounts]
    first = [task.name for task in tasks]
    scrubber, optimizer, care = None, None, config.care
    before = ["--config", str(config.path), "--archive", str(root)]
    reader = Child(before, "attachments") if config.attachments.enabled else None
    if care.verify is not None:
        from poparchive.cli.care import CHECK_S, Scrubber

        scrubber = Scrubber(root, care.verify)
        tasks.append(Task(VERIFY, every_s=CHECK_S))
        first.append(VERIFY)
    if care.optimize is not None:
        optimizer = Child(
            before,
            "optimize",
            "--time-limit",
            f"{care.optimize_time}s",
            "--rate",
            str(care.optimize_rate),
        )
        tasks.append(task(OPTIMIZE, care.optimize))
    schedule = Schedule(tasks, pull)

    def stop() -> None:
        stopping.set()
        for one in tuple(current):
            one.set()
        for carer in (scrubber, optimizer, reader):
            if carer is not None:
                carer.stop()
        schedule.stop()

    with signals.ending(stop):
        observe.event("started", accounts=len(config.accounts), archive=str(root))
        schedule.run(first)
        for carer in (scrubber, optimizer, reader):
            if carer is not None:
                carer.join()
        observe.event("stopped")
