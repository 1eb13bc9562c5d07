"""Static files are collected when one of them has changed, and only then."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from pytest_django.fixtures import Settings

from campus.management.commands.prepare import collect_static


@pytest.fixture
def style(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    """A stylesheet, the only file of ours in a campus of its own."""
    source = tmp_path / "source"
    source.mkdir()
    settings.CAMPUS_HOME = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATICFILES_DIRS = [source]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "campus.storage.StaticStorage"},
    }
    finders.get_finder.cache_clear()  # type: ignore[attr-defined]
    style = source / "style.css"
    style.write_text("p { color: black }")
    yield style
    finders.get_finder.cache_clear()  # type: ignore[attr-defined]


def test_files_are_collected_again_when_one_has_changed(style: Path, settings: Settings) -> None:
    collect_static()
    collected = settings.STATIC_ROOT / "style.css"
    assert collected.read_text() == "p { color: black }"

    collected.unlink()
    collect_static()
    assert not collected.exists()

    style.write_text("p { color: darkgreen }")
    collect_static()
    assert collected.read_text() == "p { color: darkgreen }"


def test_a_removed_folder_is_filled_again(style: Path, settings: Settings) -> None:
    collect_static()
    (settings.STATIC_ROOT / "staticfiles.json").unlink()
    (settings.STATIC_ROOT / "style.css").unlink()
    collect_static()
    assert (settings.STATIC_ROOT / "style.css").exists()


def test_modules_import_each_other_by_the_collected_names(style: Path, settings: Settings) -> None:
    scripts = style.parent / "js"
    (scripts / "figures").mkdir(parents=True)
    (scripts / "figure.js").write_text("export const mount = 1;\n")
    (scripts / "live.js").write_text('import { mount } from "./figure.js";\n')
    (scripts / "figures" / "norms.js").write_text(
        'import {\n  mount,\n} from "../figure.js";\nmount();\n'
    )
    collect_static()
    collected = settings.STATIC_ROOT / "js"
    (name,) = (path.name for path in collected.glob("figure.*.js"))
    (live,) = collected.glob("live.*.js")
    (norms,) = (collected / "figures").glob("norms.*.js")
    assert f'from "./{name}"' in live.read_text()
    assert f'from "../{name}"' in norms.read_text()
