"""The house keeps its shape: what stands where, and which way the arrows point."""

import importlib.util
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_platform_is_a_shelf_and_never_a_package() -> None:
    """With an `__init__.py` our folder would shadow the standard library's `platform`."""
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert platform.python_version()
    for package in ("campus", "people", "teaching"):
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin == str(ROOT / "platform" / package / "__init__.py")


def test_platform_is_the_standard_library_s_beside_manage_py() -> None:
    """manage.py runs with the repository first on the path, where `platform/` lies."""
    code = "import platform; print(platform.python_version())"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == platform.python_version()


def test_arrows_point_one_way() -> None:
    """campus -> teaching -> labs -> courses -> people; labs -> workers -> nothing of ours."""
    program = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_the_lock_names_hashes_and_no_place() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    requirements = re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9-]+==)", lock, flags=re.MULTILINE)[1:]
    assert len(requirements) == len(blocks) > 50
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in lock
    assert not re.search(
        r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)", lock, re.M
    )


def test_the_lock_knows_every_dependency() -> None:
    """One added to pyproject.toml alone would be missing on the next machine: `make lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["build"]]
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in wanted}
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert names <= set(locked)


def test_no_module_is_a_drawer() -> None:
    drawers = {"services.py", "utils.py", "helpers.py"}
    ours = ("platform", "courses", "labs", "workers", "tests")
    assert not [path for top in ours for path in (ROOT / top).rglob("*.py") if path.name in drawers]


def test_templates_hold_neither_script_nor_style() -> None:
    inline = re.compile(r"<style\b|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", re.IGNORECASE)
    for template in sorted((ROOT / "templates").rglob("*.html")):
        found = inline.search(template.read_text())
        assert not found, f"{template}: {found}"
