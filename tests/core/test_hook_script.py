"""Hook scripts: shell that any sh reads, and that knows whether somebody has edited it."""

from __future__ import annotations

import subprocess

import pytest

from reconciler.core.hook_script import Hook, made_here, script, untouched


@pytest.mark.parametrize("hook", Hook)
@pytest.mark.parametrize("program", ["/a/b", "/a b/it's $HOME `x`\\/r", "/häß/r", "/\udcff/r"])
def test_every_script_is_whole_and_is_known_again(hook: Hook, program: str) -> None:
    text = script(hook, program)
    assert subprocess.run(["sh", "-n"], input=text, check=False).returncode == 0
    assert untouched(text)


def test_a_script_that_was_edited_is_told_from_one_that_was_not() -> None:
    text = script(Hook.PRE_COMMIT, "/a/b")
    assert made_here(text + b"make lint\n")
    assert not untouched(text + b"make lint\n")
    assert not untouched(text.replace(b"/a/b", b"/a/c"))


@pytest.mark.parametrize("text", [b"", b"#!/bin/sh\nreconciler hook pre-commit\n", b"\xff\x00"])
def test_another_hook_is_not_taken_for_one_of_ours(text: bytes) -> None:
    assert not made_here(text)
    assert not untouched(text)
