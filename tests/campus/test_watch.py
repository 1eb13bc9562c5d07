"""`loadcourse --watch`: what an author saves is on the campus without a restart."""

import queue
import shutil
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import watchfiles
from django.core.management import call_command
from django.db import connection
from pytest_django.fixtures import Settings

from campus.launcher import Launcher
from campus.management.commands.loadcourse import keep_loading
from courses.models import Link, Resource

TOYS = Path(__file__).resolve().parents[1] / "courses" / "content"
PATIENCE = 60


class Watcher:
    """A watch under way, and the next thing it says."""

    def __init__(self, files: Path) -> None:
        self.said: queue.Queue[str] = queue.Queue()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch, args=(files,))
        self.thread.start()

    def _watch(self, files: Path) -> None:
        try:
            keep_loading(files, say=self.said.put, stop=self.stop)
        finally:
            connection.close()

    def says(self) -> str:
        return self.said.get(timeout=PATIENCE)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(PATIENCE)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The toys course, to change at will."""
    return Path(shutil.copytree(TOYS, tmp_path / "content"))


@pytest.fixture
def watcher(transactional_db: None, files: Path) -> Iterator[Watcher]:
    watcher = Watcher(files)
    yield watcher
    watcher.end()


def save(path: Path, old: str, new: str) -> None:
    """As an editor does: a new file takes the place of the old one."""
    text = path.read_text()
    assert old in text
    written = path.with_name(f"{path.name}~")
    written.write_text(text.replace(old, new))
    written.replace(path)


def test_a_saved_file_is_loaded_and_a_mistake_is_said_and_survived(
    watcher: Watcher, files: Path
) -> None:
    balls = files / "toys" / "resources" / "01-balls.md"
    assert "files were new or changed" in watcher.says()
    assert Resource.objects.get(key="balls").title == "Balls"

    save(balls, "title: Balls", "title: Round things")
    assert "; 1 files were new or changed" in watcher.says()
    assert Resource.objects.get(key="balls").title == "Round things"

    save(balls, "stars: 2", "stars: 7")
    said = watcher.says()
    assert f"{balls}:9: `stars` cannot be 7; it should be less than or equal to 3." in said
    assert "Nothing was loaded." in said
    assert Resource.objects.get(key="balls").stars == 2

    save(balls, "stars: 7", "stars: 3")
    assert "; 1 files were new or changed" in watcher.says()
    assert Resource.objects.get(key="balls").stars == 3


def test_a_file_that_comes_and_one_that_goes_are_noticed(watcher: Watcher, files: Path) -> None:
    watcher.says()
    (files / "toys" / "glossary.yaml").write_text(
        "- key: ball\n  term: Ball\n  definition: See [it](https://example.org/ball).\n"
    )
    watcher.says()
    assert not Link.objects.get(url="https://example.org/ball").retired

    (files / "toys" / "glossary.yaml").unlink()
    watcher.says()
    assert Link.objects.get(url="https://example.org/ball").retired


def test_a_folder_without_a_course_is_said_and_watched_on(
    transactional_db: None, tmp_path: Path
) -> None:
    watcher = Watcher(tmp_path)
    try:
        assert "there is no course here" in watcher.says()
        shutil.copytree(TOYS, tmp_path, dirs_exist_ok=True)
        while "files were new or changed" not in watcher.says():
            pass
        assert Resource.objects.count() == 2
    finally:
        watcher.end()


def test_the_flag_watches_the_folder_it_is_given(
    transactional_db: None, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[Path] = []

    def one_turn(path: Path, **_options: object) -> Iterator[set[object]]:
        watched.append(path)
        yield set()

    monkeypatch.setattr(watchfiles, "watch", one_turn)
    out = StringIO()
    call_command("loadcourse", str(files), "--watch", stdout=out)
    assert watched == [files]
    assert "files were new or changed" in out.getvalue()


def test_the_launcher_watches_the_course_in_development_alone(settings: Settings) -> None:
    def commands() -> dict[str, list[str]]:
        launcher = Launcher(port=0, say=print)
        return {service.name: service.command for service in launcher.services}

    settings.DEBUG = False
    assert "course" not in commands()
    settings.DEBUG = True
    assert commands()["course"] == [sys.executable, "manage.py", "loadcourse", "--watch"]


def test_the_launcher_passes_every_line_about_the_course_on(
    settings: Settings, tmp_path: Path
) -> None:
    settings.DEBUG = True
    services = {service.name: service for service in Launcher(port=0, say=print).services}
    for name, told in (("course", ["[course] balls.md:9: no"]), ("web", [])):
        service = services[name]
        service.log = tmp_path / name
        service.log.write_text("balls.md:9: no\n")
        assert list(service.news()) == told
