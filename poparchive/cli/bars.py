"""Progress bars, drawn by ``rich``; imported only where a terminal shows them."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.text import Text

from poparchive.cli.output import human_size, visible


class _Count(ProgressColumn):
    """Done of total, octets, and both per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: RichTask) -> Text:
        total = "" if task.total is None else f"/{task.total:,.0f}"
        text = f"{task.completed:,.0f}{total} {self.unit}"
        octets = int(task.fields["octets"])
        if octets:
            text += f", {human_size(octets)}"
        # Over the whole time: a rate that jumps about tells nobody anything.
        if task.elapsed and task.completed:
            text += f", {task.completed / task.elapsed:,.0f}/s"
            if octets:
                text += f", {human_size(octets / task.elapsed)}/s"
        return Text(text, style="progress.download")


class _Remaining(TimeRemainingColumn):
    """The time left, or the remark that a bar ended with."""

    def render(self, task: RichTask) -> Text:
        remark = str(task.fields["remark"])
        return Text(remark) if remark else super().render(task)


class _Bar:
    """One bar. rich locks, so any thread may call."""

    def __init__(self, bars: Progress, name: str, total: int | None) -> None:
        self._bars = bars
        self._id: TaskID = bars.add_task(visible(name), total=total, octets=0, remark="")
        self._octets = 0

    def advance(self, count: int = 1, *, octets: int = 0) -> None:
        self._octets += octets
        self._bars.update(self._id, advance=count, octets=self._octets)

    def set_total(self, total: int | None) -> None:
        self._bars.update(self._id, total=total)

    def finish(self, remark: str = "") -> None:
        self._bars.update(self._id, remark=visible(remark) or " ")
        self._bars.stop_task(self._id)


class Bars:
    """What ``output.progress`` gives on a terminal. The first bar, of the whole, appears when used."""

    def __init__(self, label: str, *, total: int | None, unit: str) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24 if console.width >= 100 else 10),
            _Count(unit),
            _Remaining(),
            console=console,
            transient=True,
        )
        self._label = label
        self._total = total
        self._whole = None if total is None else _Bar(self._bars, label, total)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def task(self, name: str, *, total: int | None = None) -> _Bar:
        return _Bar(self._bars, name, total)

    def advance(self, count: int = 1, *, octets: int = 0) -> None:
        self._of_the_whole().advance(count, octets=octets)

    def set_total(self, total: int | None) -> None:
        self._of_the_whole().set_total(total)

    def finish(self, remark: str = "") -> None:
        self._of_the_whole().finish(remark)

    def _of_the_whole(self) -> _Bar:
        if self._whole is None:
            self._whole = _Bar(self._bars, self._label, self._total)
        return self._whole
