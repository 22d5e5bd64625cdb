"""Names that come from files: no command leaves its folder because of one, and good names keep working."""

import json
import shutil

import pytest

from musejax import cli, errors, runs, zoo
from musejax.runs import adapter_base, file_names

BAD = [
    "../../escaped", "..", ".", "", " ", "/tmp/escaped", "a/b", "a\\b", "..\\escaped", "C:escaped", "C:\\escaped",
    "a\nb", "a\0b", "a\x7fb", "a\ud800b", "\u202egnp.exe", ".hidden", "a.", "a ", " a", "x" * 201, "ü" * 101,
    "CON", "nul", "Com1.mid", "LPT¹", "a*b", "a?b", "a|b", 'a"b', "a<b", None, 5, ["a"], {"a": 1}, True,
]  # fmt: skip
GOOD = [
    "chorale-lstm", "Für Elise", "我的模型", "v1.2.3", "my run (2)", "naïve+jazz_01", "-x", "~a", "a..b", "CONcert",
    "com", "console.1", "x" * 200, "👩‍🎤", "مدل‌من",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_name_that_is_no_file_name_is_one_line_that_says_what_is_allowed(name):
    with pytest.raises(errors.UserError) as error:
        file_names.check(name, "run.json: name")
    message = str(error.value)
    assert message.startswith("run.json: name is ") and "a name must be a plain file name: at most 200 bytes" in message
    assert message.isascii() or message.isprintable()
    assert len(message.splitlines()) == 1 and len(message) < 300


@pytest.mark.parametrize("name", GOOD, ids=ascii)
def test_names_in_any_language_are_good(name, tmp_path):
    assert file_names.check(name, "here") == name
    (tmp_path / f"{name}-4294967295-000.musicxml").touch()


def run(*argv):
    with pytest.raises(SystemExit) as error:
        cli.main([str(a) for a in argv])
    return error.value.code or 0


def renamed(folder, name, shipped="melody-lstm"):
    """A copy of a shipped run with another name."""
    shutil.copytree(zoo.SHIPPED / shipped, folder)
    described = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**described, "name": name}))
    return folder


COMMANDS = [
    ("sample", "r"),
    ("harmonize", "r", "tune.abc"),
    ("infill", "r", "tune.abc", "--bars", "1"),
    ("accompany", "r", "tune.abc"),
    ("interpolate", "r", "tune.abc", "tune.abc"),
    ("reconstruct", "r", "tune.abc"),
    ("humanize", "r", "tune.abc"),
    ("personalize", "r", "tune.abc"),
    ("evaluate", "r"),
    ("train", "fine-tune", "--init-from", "r", "--data", "tune.abc"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_takes_a_run_whose_name_leads_elsewhere(command, tmp_path, monkeypatch, capfd):
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    renamed(inner / "r", "../../escaped")
    (inner / "tune.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\nC D E F|\n")
    before = sorted(tmp_path.rglob("*"))
    assert run(*command) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "r/run.json: name is '../../escaped', which contains '/'; a name must be a plain file name" in error
    assert run("pack", "r", "--out", "packed") == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_with_a_name_of_one_s_own_writes_music_of_that_name(tmp_path):
    renamed(tmp_path / "r", "Für Elise v1.2")
    assert run("sample", tmp_path / "r", "--length", 32, "--min-length", 16, "--out", tmp_path / "music") == 0
    assert [p.name for p in (tmp_path / "music").iterdir()] == ["Für Elise v1.2-0-000.mid"]


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "a\\b", ""])
def test_an_experiment_of_such_a_name_does_not_train(name, tmp_path, monkeypatch, capfd):
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    (inner / "c.py").write_text(
        f"from musejax.experiments import Experiment\nconfig = Experiment(name={name!r}, data='x', codec='melody')\n"
    )
    for argv in (("train", "c.py"), ("train", "c.py", "--workdir", "w"), ("train", "quickstart", "--name", name)):
        assert run(*argv) == 2
        error = capfd.readouterr().err
        assert error.count("\n") == 1 and "--name is " in error and "plain file name" in error
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [inner / "c.py"]


@pytest.mark.parametrize(
    ("shipped", "place"),
    [
        (False, "/etc"), (False, "C:/base"), (False, "C:base"), (False, "..\\base"), (False, "//host/share"),
        (False, "a\nb"), (False, "a\0b"), (False, ""), (False, None), (False, 3), (True, "../base"), (True, "/etc"),
        (True, ".."), (True, None),
    ],
)  # fmt: skip
def test_the_base_of_adapters_is_a_shipped_run_or_a_relative_path(shipped, place, tmp_path):
    told = {"name": "base", "shipped": shipped, "run": place, "digest": ""}
    with pytest.raises(errors.UserError, match=r"run\.json: adapters\.base\.run is ") as error:
        adapter_base.find(told, tmp_path / "r")
    assert len(str(error.value).splitlines()) == 1


def test_a_base_may_lie_beside_its_adapters(tmp_path):
    base = renamed(tmp_path / "base", "base")
    (tmp_path / "r").mkdir()
    found = adapter_base.find({"name": "base", "shipped": False, "run": "../base", "digest": ""}, tmp_path / "r")
    assert found.resolve() == base.resolve()


@pytest.mark.parametrize("place", [".", "../r"])
def test_adapters_of_themselves_are_one_line(place, tmp_path):
    path = renamed(tmp_path / "r", "own", "pop-melody")
    described = json.loads((path / "run.json").read_text())
    described["adapters"]["base"] |= {"shipped": False, "run": place}
    (path / "run.json").write_text(json.dumps(described))
    with pytest.raises(errors.UserError, match="the base of these adapters is the run itself"):
        runs.load(path, pytest.fail)


def test_adapters_that_are_no_table_are_one_line(tmp_path):
    path = renamed(tmp_path / "r", "own", "pop-melody")
    described = json.loads((path / "run.json").read_text())
    for adapters in ("text", 3, None, {"base": "text"}, {"base": {}}):
        (path / "run.json").write_text(json.dumps({**described, "adapters": adapters}))
        with pytest.raises(errors.UserError, match="does not describe adapters"):
            runs.load(path, pytest.fail)
