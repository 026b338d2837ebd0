"""Commits of designs are signed where the user signs commits, and nobody is ever asked for a passphrase."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sessions.designs import DesignRepository, signing
from sessions.errors import WorkspaceError
from tests.sessions.designs.conftest import accept, accepted, git_in


def new_key(folder: Path, passphrase: str = "") -> Path:
    key = folder / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "ada", "-f", str(key)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return key


def sign_with(folder: Path, key: Path | str, **more: str) -> None:
    settings = {"commit.gpgSign": "true", "gpg.format": "ssh", "user.signingKey": str(key), **more}
    for name, value in settings.items():
        git_in(folder, "config", name, value)


def test_a_user_who_signs_with_ssh_gets_signed_designs(theirs: Path, tmp_path: Path) -> None:
    key = new_key(tmp_path)
    signers = tmp_path / "signers"
    signers.write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
    sign_with(theirs, key, **{"gpg.ssh.allowedSignersFile": str(signers)})
    repository = DesignRepository(theirs)
    repository.ensure()
    prepared = accept(repository, accepted())
    git_in(theirs, "verify-commit", prepared.commit)
    git_in(theirs, "verify-commit", prepared.parent)
    (commit,) = repository.log()
    assert commit.trailer("Isolation") == "process"
    assert git_in(theirs, "cat-file", "-t", prepared.tag) == "tag"


def test_a_workspace_of_its_own_signs_as_the_users_settings_say(tmp_path: Path) -> None:
    key = new_key(tmp_path)
    repository = DesignRepository(tmp_path / "workspace")
    repository.ensure()
    sign_with(repository.root, key)
    assert "gpgsig" in git_in(repository.root, "cat-file", "commit", accept(repository, accepted()).commit)
    git_in(repository.root, "config", "glia.gpgSign", "false")
    assert "gpgsig" not in git_in(repository.root, "cat-file", "commit", accept(repository, accepted("two")).commit)


def test_a_key_that_an_agent_holds_signs_without_its_file(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key(tmp_path)
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE)
    try:
        assert agent.stdout is not None
        assert agent.stdout.readline()  # it listens now
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", str(key)], check=True, capture_output=True)
        key.unlink()
        sign_with(theirs, key.with_suffix(".pub"))
        repository = DesignRepository(theirs)
        repository.ensure()
        assert "BEGIN SSH SIGNATURE" in git_in(theirs, "cat-file", "commit", accept(repository, accepted()).commit)
    finally:
        agent.terminate()
        agent.wait()


@pytest.mark.parametrize("trouble", ["missing key", "passphrase", "no program", "openpgp without a key"])
def test_without_a_usable_key_nothing_moves_and_one_sentence_says_what_to_do(
    theirs: Path, tmp_path: Path, trouble: str
) -> None:
    repository = DesignRepository(theirs)
    repository.ensure()
    match trouble:
        case "missing key":
            sign_with(theirs, tmp_path / "nothing")
        case "passphrase":
            sign_with(theirs, new_key(tmp_path, "a secret"))
        case "no program":
            sign_with(theirs, new_key(tmp_path), **{"gpg.ssh.program": "/nowhere/ssh-keygen"})
        case _:
            sign_with(theirs, "0123456789ABCDEF", **{"gpg.format": "openpgp"})
    before = git_in(theirs, "for-each-ref")
    with pytest.raises(WorkspaceError, match=r"could not be signed without asking .*glia\.gpgSign false") as caught:
        repository.prepare(accepted())
    assert "\n" not in str(caught.value)
    assert git_in(theirs, "for-each-ref") == before
    git_in(theirs, "config", "glia.gpgSign", "false")
    accept(repository, accepted())
    assert len(repository.log()) == 1


def test_an_unusable_key_shows_before_a_study_begins(theirs: Path, tmp_path: Path) -> None:
    sign_with(theirs, tmp_path / "nothing")
    with pytest.raises(WorkspaceError, match="could not be signed"):
        DesignRepository(theirs).ensure()
    assert git_in(theirs, "branch", "--list", "glia/designs") == ""


def test_a_program_that_waits_for_somebody_is_ended(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "nobody-writes")
    program = tmp_path / "waits"
    program.write_text(f"#!/bin/sh\nread answer < {tmp_path}/nobody-writes\n")
    program.chmod(0o755)
    repository = DesignRepository(theirs)
    repository.ensure()
    sign_with(theirs, new_key(tmp_path), **{"gpg.ssh.program": str(program)})
    monkeypatch.setattr(signing, "LIMIT_S", 0.3)
    with pytest.raises(WorkspaceError, match="took too long"):
        repository.prepare(accepted())


def test_a_signing_program_has_no_terminal_no_display_and_gnupg_does_not_ask(theirs: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "gpg"
    program.write_text(
        f'#!/bin/sh\n{{ echo "$@"; env; (exec </dev/tty) 2>/dev/null && echo has-a-terminal; }} > {seen}\nexit 1\n'
    )
    program.chmod(0o755)
    repository = DesignRepository(theirs)
    repository.ensure()
    sign_with(theirs, "ada", **{"gpg.format": "openpgp", "gpg.program": str(program)})
    with pytest.raises(WorkspaceError, match="could not be signed"):
        repository.prepare(accepted())
    told = seen.read_text()
    assert told.startswith("--batch --no-tty --pinentry-mode error")
    assert "has-a-terminal" not in told
    assert not {"GPG_TTY", "DISPLAY", "SSH_ASKPASS"} & {line.partition("=")[0] for line in told.splitlines()}
