"""What the pages for beginners have one type, word by word, in a world as they describe it."""

from __future__ import annotations

import io

import pytest

from lab.world.prompt import Prompt, begin
from tests.docs.pages import ROOT, code
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

ENDS = {
    "failover promote": {0, 5},  # 5: a person has to call the carrier acme
    "failover ready": {0, 5},
    "failover plan": {3},  # the peer is dead, and nobody has said so yet
    "failover status": {0},
}


def test_the_story_of_the_first_page_goes_as_it_is_told(worlds: Worlds) -> None:
    world = worlds("16", "22", named=True, sshd=True)
    begin(world)
    prompt = Prompt(world)
    prompt.stdout = io.StringIO()
    answered: list[str] = []
    lines = [line.text for line in code(ROOT / "docs" / "start" / "try.md") if line.kind == "lab"]
    assert sum(line.startswith("call") for line in lines) == 2
    for line in lines:
        prompt.stdout.seek(0)
        prompt.stdout.truncate()
        prompt.exit_code = 0
        prompt.onecmd(line)
        said = prompt.stdout.getvalue()
        assert "No such word" not in said, line
        if line.startswith("call"):
            answered.append(said.splitlines()[-1])
        words = " ".join(line.split()[1:3])
        assert prompt.exit_code in ENDS.get(words, {0}), f"{line}: {prompt.exit_code}"
    assert answered[0].startswith("answered by boston")
    assert answered[1].startswith("answered by dallas")


def test_two_bare_machines_become_a_pair_by_what_the_page_has_one_type(worlds: Worlds) -> None:
    """docs/start/install.md from its third step on; the package, pair.toml and the includes are the world's."""
    world = worlds("22", "22", named=True, sshd=True)
    begin(world)
    lines = [line.text for line in code(ROOT / "docs" / "start" / "install.md") if line.kind == "indented"]
    typed = [line for line in lines if "pip" not in line and "venv" not in line]
    assert typed[0].startswith("mkdir -p /etc/hotstandby/localized")
    first, last = typed[:-1], typed[-1]
    assert last == "failover promote"
    for machine in (world.boston, world.dallas):
        localized = machine.path("/etc/hotstandby/localized")
        ssh = localized / "ssh"
        kept = ssh.rename(localized.parent / "ssh.kept")
        assert machine.run(["rm", "-rf", "/etc/hotstandby/localized"]).returncode == 0
        for line in first:
            words = line.replace("echo boston", f"echo {machine.name}")
            done = machine.run(["sh", "-c", words], deadline_s=60)
            allowed = {0, 1, 5} if words == "failover check" else {0}
            assert done.returncode in allowed, f"{machine.name}: {words}\n{done.stdout}{done.stderr}"
            if words.startswith("render-localized --role"):
                kept.rename(ssh)
    done = world.boston.run(["sh", "-c", last], deadline_s=120)
    assert done.returncode in (0, 5), done.stdout + done.stderr
    assert world.boston.run(["failover", "is-primary"]).returncode == 0
    assert world.carrier.call("acme").machine == "boston"
