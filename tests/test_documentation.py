"""Every command and every Python block of the README and the docs runs as written."""

import re

import doc_blocks
import jax
import pytest

# Pages whose blocks take more than half a minute; `pytest -m slow tests/test_documentation.py` runs them.
SLOW = {"README.md", "steer-music.md", "models.md", "fine-tuning.md", "tune-by-rewards.md"}
PAGES = [
    pytest.param(path, id=path.name, marks=[pytest.mark.slow] if path.name in SLOW else [])
    for path in doc_blocks.pages()
]


@pytest.mark.parametrize("path", PAGES)
def test_the_blocks_of_a_page_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jax.devices()  # a page that asks for more devices must not change those of the tests behind it
    doc_blocks.run_command("musejax examples examples", path.name)
    doc_blocks.run(path)


@pytest.mark.parametrize("path", [doc_blocks.ROOT / "README.md", *sorted((doc_blocks.ROOT / "docs").rglob("*.md"))])
def test_every_block_says_what_it_is(path):
    """A command in an indented block, or in one without a language, would not run."""
    for block in doc_blocks.blocks(path):
        assert block.language in (*doc_blocks.LANGUAGES, "text") or block.language.startswith("{"), block
    if path.parent.name == "results":
        return  # these pages say how figures are measured, which takes hours
    inside = False
    for line in path.read_text().splitlines():
        inside ^= line.startswith("```")
        assert inside or not re.match(r"    (\$ )?(musejax|python|pip|pytest) ", line), line


def test_a_command_that_fails_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text("Text\n\n```bash\nmusejax list 'chorale-*'\nmusejax convert absent.mid --to png\n```\n")
    with pytest.raises(AssertionError, match=r"convert absent.mid --to png\n[^$]*absent.mid: No such file"):
        doc_blocks.run(page)


def test_python_blocks_share_their_names(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 2\n```\nText\n```python\nassert x == 2\ny = 1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError):
        doc_blocks.run(page)
