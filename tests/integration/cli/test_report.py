"""`interlock report`: a page about a run, or about many, from a storage alone."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from interlock.telemetry.report import page as page_rendering
from tests.integration.cli.shell import Shell

TEAM = """
from datetime import timedelta

import interlock as il

SAID = "</script><script>alert(1)</script> \\x1b[31m \\u202e & done"


async def price(brief):
    return {"price": 5, "note": SAID}


async def quote(brief):
    if brief.attempt == 1:
        raise ConnectionError("gone")
    return {"quote": brief.inputs["price"]["price"] * 10}


async def mail(brief):
    raise ValueError("no such address")


def step(name, **fields):
    return il.Step(id=name, worker=name, instruction=f"Do {name}", **fields)


desk = il.Orchestrator(
    workers=[il.Worker(name=f.__name__, agent=f) for f in (price, quote, mail)],
    planner=il.TaskGraph(
        goal="Quote",
        steps=[
            step("price", criteria=[il.expr("output.price < 100")]),
            step("quote", needs=["price"], retry=il.Retry(max_attempts=2, backoff=timedelta(0))),
            step("mail", needs=["quote"], retry=il.Retry(max_attempts=1), fallback=[il.skip(gap="nobody told")]),
        ],
    ),
    name="quotes",
)
"""
AT_DESK = ("--team", "app:desk")


class Read(HTMLParser):
    """What a browser would make of a page: its elements, and its words."""

    def __init__(self, path: Path) -> None:
        """Read it."""
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note an element."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note words."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """All words, with single spaces between them."""
        return " ".join(" ".join(self.words).split())

    def find(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """Return the elements of a kind with these attributes."""
        return [
            attrs
            for name, attrs in self.tags
            if name == tag and all(attrs.get(key) == value for key, value in wanted.items())
        ]


@pytest.fixture
def desk(shell: Shell) -> Shell:
    """A folder in which a run has ended with a retried step and one that was left out."""
    (shell.folder / "app.py").write_text(TEAM, "utf-8")
    done = shell.call("run", "app:desk", "Quote <b>", "--thread", "t17")
    assert done.code == 3, done.out + done.err
    return shell


def test_a_run_becomes_one_page_that_loads_nothing(desk: Shell) -> None:
    """Every step, attempt and verdict is on it, and what was said is words, never markup."""
    done = desk.call("report", "t17", "-o", "t17.html", *AT_DESK)
    assert (done.code, done.err) == (0, "")
    assert re.match(r"Written: t17\.html \(\d+ kB\)", done.out)
    page = Read(desk.folder / "t17.html")
    steps = {
        attrs["data-step"]: attrs["data-status"]
        for attrs in page.find("a")
        if "data-status" in attrs
    }
    assert steps == {"price": "accepted", "quote": "accepted", "mail": "skipped"}
    verdicts = [attrs["data-verdict"] for attrs in page.find("details", **{"data-kind": "output"})]
    assert verdicts == ["accept", "retry", "accept", "fallback"]
    assert "nobody told" in page.text
    assert "output.price < 100" in page.text
    assert "</script><script>alert(1)</script> \\u001b[31m \\u202e & done" in page.text
    assert len(page.find("script")) == 1
    outside = [
        (tag, name, value)
        for tag, attrs in page.tags
        for name, value in attrs.items()
        if name in {"src", "href", "action", "srcset", "data", "poster"} or name.startswith("on")
        if not str(value).startswith("#")
    ]
    assert outside == []
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert "default-src 'none'" in str(policy["content"])


def test_many_runs_become_one_page(desk: Shell) -> None:
    """Of a time or a team: what went wrong, and each run with its command."""
    desk.call("run", "app:desk", "Again", "--thread", "t18")
    page = {}
    for name, words in (("all", ()), ("team", ("--name", "quotes")), ("none", ("--until", "1h"))):
        done = desk.call("report", *words, "-o", f"{name}.html", *AT_DESK)
        assert (done.code, done.err) == (0, "")
        page[name] = Read(desk.folder / f"{name}.html").text
    for text in (page["all"], page["team"]):
        assert "interlock report t17" in text
        assert "interlock report t18" in text
        assert "mail" in text
    assert "interlock report t17" not in page["none"]


def test_a_report_changes_nothing_and_replaces_what_was_there(desk: Shell) -> None:
    """Made twice, only the time is another; programs are told file and size."""
    target = desk.folder / "report.html"
    target.write_text("x" * 2_000_000, "utf-8")
    pages = []
    for _ in range(2):
        done = desk.call("report", "t17", *AT_DESK, "--json")
        assert done.data == {"file": "report.html", "bytes": target.stat().st_size}
        pages.append(re.sub(r"Made [\d: .-]+ UTC", "", target.read_text("utf-8")))
    assert pages[0] == pages[1]
    assert pages[0].rstrip().endswith("</html>")


def test_what_cannot_be_done_is_said_and_nothing_is_written(desk: Shell) -> None:
    """An unknown thread, words that do not go together, a folder that is not there."""
    for words, told in (
        (("nobody",), "'nobody'"),
        (("t17", "--since", "1h"), "Leave one of them out"),
        (("--since", "soon"), "soon"),
        (("t17", "-o", "missing/page.html"), "missing/page.html"),
    ):
        done = desk.call("report", *words, *AT_DESK)
        assert done.code == 2, words
        assert told in done.err
        assert "Traceback" not in done.err
        assert not list(desk.folder.glob("*.html"))


def test_without_the_extra_the_command_says_what_to_install(
    desk: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else of interlock needs either library."""
    for missing in ("jinja2", "vl_convert"):
        page_rendering._build_environment.cache_clear()
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, missing, None)
            done = desk.call("report", "t17", *AT_DESK)
        assert done.code == 2, missing
        assert "pip install 'interlock[report]'" in done.err
        assert not list(desk.folder.glob("*.html"))


def test_a_sealed_database_is_reported_with_its_keys(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the keys the page holds what was said, without them there is none."""
    (shell.folder / "app.py").write_text(TEAM, "utf-8")
    key = shell.call("keys", "new").out.split()[-1]
    monkeypatch.setenv("INTERLOCK_ENCRYPTION_KEYS", key)
    assert shell.call("run", "app:desk", "Quote", "--thread", "t17").code == 3
    assert shell.call("report", "t17", "-o", "open.html", *AT_DESK).code == 0
    assert "output.price < 100" in Read(shell.folder / "open.html").text
    monkeypatch.delenv("INTERLOCK_ENCRYPTION_KEYS")
    done = shell.call("report", "t17", "-o", "closed.html", *AT_DESK)
    assert done.code == 5
    assert "This database is sealed" in done.err
    assert not (shell.folder / "closed.html").exists()
