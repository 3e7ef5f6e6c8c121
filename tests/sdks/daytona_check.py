"""Drives a server with the official SDK of Daytona for Python, unmodified, and compares each answer with what bash and
Python 3.13 print.

    pip install -r requirements.txt
    DAYTONA_API_URL=http://127.0.0.1:PORT/api DAYTONA_API_KEY=KEY python daytona_check.py

One line a call, and a count at the end; the exit code is 1 if any differs. Words after the command choose calls by their names.
"""

import asyncio
import os
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
import uuid

from daytona import (
    CodeRunParams,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    Daytona,
    DaytonaError,
    FileUpload,
    ListSandboxesQuery,
    SessionExecuteRequest,
)
from daytona.common.filesystem import FileDownloadRequest

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r}, expected {expected!r}")


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def fails(status, call, *words):
    """The call fails with this HTTP status, and says all the words."""
    try:
        result = call()
    except DaytonaError as error:
        equal(error.status_code, status)
        for word in words:
            holds(word in str(error), f"{word!r} is not in {str(error)!r}")
        return error
    raise AssertionError(f"it gave {result!r}, expected an error of status {status}")


def fetch(url, method="GET", data=None):
    """A plain request without a key: status and body."""
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class World:
    """A client, and the sandbox that most calls are made in."""

    def __init__(self):
        self.daytona = Daytona()
        self.name = f"check-{uuid.uuid4().hex[:12]}"
        self.box = self.daytona.create(
            CreateSandboxFromSnapshotParams(
                name=self.name, env_vars={"GREETING": "hello"}, labels={"suite": self.name}, auto_stop_interval=30
            )
        )
        self.home = self.box.get_user_home_dir()
        self.work = self.box.get_work_dir()

    def sh(self, command, **options):
        answer = self.box.process.exec(command, **options)
        return answer.exit_code, answer.result

    def session(self):
        name = f"s-{uuid.uuid4().hex[:8]}"
        self.box.process.create_session(name)
        return name

    def run(self, session, command, **options):
        request = SessionExecuteRequest(command=command, **options)
        return self.box.process.execute_session_command(session, request)

    def close(self):
        self.box.delete()


# ---- sandboxes


@check
def create_gives_a_started_sandbox(w):
    equal(w.box.state.value, "started")
    equal(w.box.name, w.name)
    equal(w.box.env, {"GREETING": "hello"})
    equal(w.box.labels, {"suite": w.name, "code-toolbox-language": "python"})
    equal(w.box.auto_stop_interval, 30)


@check
def get_by_id_and_by_name(w):
    equal(w.daytona.get(w.box.id).name, w.name)
    equal(w.daytona.get(w.name).id, w.box.id)


@check
def get_of_none_is_not_found(w):
    fails(404, lambda: w.daytona.get("no-such-sandbox"), "no-such-sandbox")


@check
def a_name_is_taken_once(w):
    fails(409, lambda: w.daytona.create(CreateSandboxFromSnapshotParams(name=w.name)), w.name)


@check
def an_unknown_snapshot_is_refused(w):
    fails(400, lambda: w.daytona.create(CreateSandboxFromSnapshotParams(snapshot="no-such-snapshot")), "no-such-snapshot")


@check
def an_image_is_refused_with_the_way_out(w):
    fails(400, lambda: w.daytona.create(CreateSandboxFromImageParams(image="debian:12")), "buildInfo", "snapshot")


@check
def list_finds_by_labels(w):
    found = list(w.daytona.list(ListSandboxesQuery(labels={"suite": w.name})))
    equal([box.id for box in found], [w.box.id])
    equal(list(w.daytona.list(ListSandboxesQuery(labels={"suite": "another"}))), [])


@check
def list_goes_page_by_page(w):
    made = [w.daytona.create(CreateSandboxFromSnapshotParams(labels={"pages": w.name})) for _ in range(3)]
    try:
        found = [box.id for box in w.daytona.list(ListSandboxesQuery(labels={"pages": w.name}, limit=1))]
        equal(found, [box.id for box in reversed(made)])
    finally:
        for box in made:
            box.delete()


@check
def set_labels_replaces_all(w):
    labels = {"suite": w.name, "code-toolbox-language": "python", "more": "x"}
    equal(w.box.set_labels(labels), labels)
    equal(w.daytona.get(w.box.id).labels, labels)


@check
def set_autostop_interval_is_kept(w):
    w.box.set_autostop_interval(45)
    equal(w.daytona.get(w.box.id).auto_stop_interval, 45)


@check
def set_auto_archive_interval_is_kept(w):
    w.box.set_auto_archive_interval(90)
    equal(w.daytona.get(w.box.id).auto_archive_interval, 90)


@check
def set_auto_delete_interval_is_kept(w):
    w.box.set_auto_delete_interval(600)
    equal(w.daytona.get(w.box.id).auto_delete_interval, 600)
    w.box.set_auto_delete_interval(-1)
    equal(w.daytona.get(w.box.id).auto_delete_interval, -1)


@check
def set_ttl_moves_the_end(w):
    w.box.set_ttl(10)
    w.box.refresh_data()
    first = w.box.auto_destroy_at
    w.box.set_ttl(20)
    w.box.refresh_data()
    holds(first < w.box.auto_destroy_at, f"{first} is not before {w.box.auto_destroy_at}")


@check
def refresh_activity_moves_the_last_one(w):
    w.box.refresh_data()
    before = w.box.last_activity_at
    time.sleep(0.05)
    w.box.refresh_activity()
    w.box.refresh_data()
    holds(before < w.box.last_activity_at, f"{before} is not before {w.box.last_activity_at}")


@check
def preview_is_refused_with_a_reason(w):
    fails(501, lambda: w.box.get_preview_link(3000), "3000")


@check
def ssh_is_refused(w):
    fails(501, lambda: w.box.create_ssh_access(10), "SSH")


@check
def volumes_are_none(w):
    equal(w.daytona.volume.list(), [])


@check
def snapshots_are_the_templates(w):
    page = w.daytona.snapshot.list()
    holds(w.box.snapshot in [snapshot.name for snapshot in page.items], f"{w.box.snapshot} is not listed")
    equal(w.daytona.snapshot.get(w.box.snapshot).name, w.box.snapshot)


@check
def a_wrong_key_is_not_let_in(w):
    from daytona import DaytonaConfig

    other = Daytona(DaytonaConfig(api_key="no-such-key", api_url=os.environ["DAYTONA_API_URL"]))
    fails(401, lambda: other.get(w.box.id), "API key")


@check
def stop_ends_sessions_and_keeps_files(w):
    box = w.daytona.create()
    try:
        box.fs.upload_file(b"kept", "kept.txt")
        box.process.create_session("s")
        box.stop()
        equal(box.state.value, "stopped")
        fails(409, lambda: box.process.exec("true"))
        box.start()
        equal(box.state.value, "started")
        equal(box.process.exec("cat kept.txt").result, "kept")
        equal(box.process.list_sessions(), [])
    finally:
        box.delete()


@check
def archive_needs_a_stop_and_start_brings_it_back(w):
    box = w.daytona.create()
    try:
        fails(409, box.archive, "stop")
        box.stop()
        box.archive()
        equal(box.state.value, "archived")
        box.start()
        equal(box.process.exec("echo back").result, "back\n")
    finally:
        box.delete()


@check
def delete_makes_it_gone(w):
    box = w.daytona.create()
    box.delete(wait=True)
    equal(box.state.value, "destroyed")
    fails(404, lambda: w.daytona.get(box.id))


@check
def an_ephemeral_sandbox_is_gone_when_it_stops(w):
    box = w.daytona.create(CreateSandboxFromSnapshotParams(auto_delete_interval=0))
    box.stop()
    equal(box.state.value, "destroyed")
    fails(404, lambda: w.daytona.get(box.id))


# ---- commands


@check
def exec_prints(w):
    equal(w.sh("echo hi"), (0, "hi\n"))


@check
def exec_merges_both_streams(w):
    code, result = w.sh("echo out; echo err >&2")
    equal((code, sorted(result.splitlines())), (0, ["err", "out"]))


@check
def exec_tells_the_exit_code(w):
    equal(w.sh("echo no; exit 7"), (7, "no\n"))


@check
def exec_has_the_variables_of_the_sandbox_and_its_own(w):
    equal(w.sh("echo $GREETING $NAME", env={"NAME": "world"}), (0, "hello world\n"))
    equal(w.sh("echo $GREETING", env={"GREETING": "bye"}), (0, "bye\n"))


@check
def exec_begins_in_the_working_directory(w):
    equal(w.sh("pwd"), (0, w.work + "\n"))
    equal(w.sh("pwd", cwd="/tmp"), (0, "/tmp\n"))


@check
def exec_runs_pipes_loops_and_substitutions(w):
    equal(w.sh("for i in 3 1 2; do echo $i; done | sort -r | tr '\\n' ,"), (0, "3,2,1,"))
    equal(w.sh("x=$(printf abc | wc -c); echo $((x * 14))"), (0, "42\n"))


@check
def exec_takes_quotes_and_several_lines(w):
    equal(w.sh("cat <<'END'\n$HOME \"a\" 'b'\nEND\necho \"it's\""), (0, "$HOME \"a\" 'b'\nit's\n"))


@check
def exec_ends_at_its_timeout(w):
    began = time.monotonic()
    fails(408, lambda: w.box.process.exec("sleep 20", timeout=1), "within 1 seconds")
    holds(time.monotonic() - began < 10, "it was waited for")


@check
def exec_refuses_an_empty_command(w):
    fails(400, lambda: w.box.process.exec("  "), "empty")


@check
def exec_has_what_was_printed_of_a_large_output(w):
    code, result = w.sh("i=0; while [ $i -lt 20000 ]; do echo line$i; i=$((i + 1)); done")
    equal((code, len(result.splitlines()), result.splitlines()[-1]), (0, 20000, "line19999"))


@check
def code_run_prints(w):
    answer = w.box.process.code_run("print(sum(range(10)))")
    equal((answer.exit_code, answer.result, answer.artifacts.charts), (0, "45\n", []))


@check
def code_run_is_python_3_13(w):
    answer = w.box.process.code_run("import sys; print(sys.version_info[:2])")
    equal(answer.result, "(3, 13)\n")


@check
def code_run_has_arguments_and_variables(w):
    code = "import sys, os\nprint(sys.argv[1:], os.environ['A'], os.environ['GREETING'], __name__)"
    answer = w.box.process.code_run(code, params=CodeRunParams(argv=["x", "y z"], env={"A": "b"}))
    equal(answer.result, "['x', 'y z'] b hello __main__\n")


@check
def code_run_tells_an_exception(w):
    answer = w.box.process.code_run("print('before')\n1/0")
    equal(answer.exit_code, 1)
    lines = answer.result.splitlines()
    equal((lines[0], lines[1], lines[-1]), ("before", "Traceback (most recent call last):", "ZeroDivisionError: division by zero"))


@check
def code_run_tells_the_exit_code(w):
    answer = w.box.process.code_run("import sys; sys.exit(9)")
    equal((answer.exit_code, answer.result), (9, ""))


@check
def code_run_takes_text_beyond_ascii(w):
    equal(w.box.process.code_run("print('é', '日本', '🙂')").result, "é 日本 🙂\n")


# ---- sessions


@check
def a_session_keeps_directory_and_variables(w):
    session = w.session()
    equal(w.run(session, "cd /tmp; export A=1; b=2").exit_code, 0)
    answer = w.run(session, "pwd; echo $A $b")
    equal((answer.exit_code, answer.output, answer.stdout, answer.stderr), (0, "/tmp\n1 2\n", "/tmp\n1 2\n", ""))


@check
def a_session_keeps_functions_of_several_lines(w):
    session = w.session()
    w.run(session, "double() {\n  echo $(( $1 * 2 ))\n}")
    equal(w.run(session, "double 21").stdout, "42\n")


@check
def a_session_keeps_the_streams_apart(w):
    answer = w.run(w.session(), "echo out; echo err >&2; false")
    equal((answer.exit_code, answer.stdout, answer.stderr), (1, "out\n", "err\n"))
    equal(sorted(answer.output.splitlines()), ["err", "out"])


@check
def a_session_takes_output_without_line_end(w):
    equal(w.run(w.session(), "printf 'no end'").stdout, "no end")


@check
def a_session_goes_on_after_a_syntax_error(w):
    session = w.session()
    answer = w.run(session, "echo 'not closed")
    holds(answer.exit_code != 0 and answer.stderr != "", f"{answer.exit_code}, {answer.stderr!r}")
    equal(w.run(session, "echo on").stdout, "on\n")


@check
def a_session_ends_with_exit(w):
    session = w.session()
    answer = w.run(session, "echo last; exit 4")
    equal((answer.exit_code, answer.stdout), (4, "last\n"))
    fails(410, lambda: w.run(session, "echo more"), "has ended")


@check
def get_session_lists_its_commands(w):
    session = w.session()
    first = w.run(session, "echo 1")
    second = w.run(session, "exit_with() { return 3; }; exit_with")
    found = w.box.process.get_session(session)
    told = [(command.id, command.command, command.exit_code) for command in found.commands]
    equal(told[0], (first.cmd_id, "echo 1", 0))
    equal(told[1], (second.cmd_id, "exit_with() { return 3; }; exit_with", 3))


@check
def get_session_command_tells_its_code(w):
    session = w.session()
    ran = w.run(session, "true")
    command = w.box.process.get_session_command(session, ran.cmd_id)
    equal((command.command, command.exit_code), ("true", 0))


@check
def list_sessions_has_it_until_it_is_deleted(w):
    session = w.session()
    holds(session in [one.session_id for one in w.box.process.list_sessions()], "it is not listed")
    w.box.process.delete_session(session)
    holds(session not in [one.session_id for one in w.box.process.list_sessions()], "it is still listed")
    fails(404, lambda: w.box.process.get_session(session), session)


@check
def create_session_takes_a_name_once(w):
    session = w.session()
    fails(409, lambda: w.box.process.create_session(session), session)


@check
def an_async_command_is_waited_for_by_its_code(w):
    session = w.session()
    begun = w.run(session, "sleep 0.3; echo done", run_async=True)
    equal((begun.exit_code, begun.output), (None, None))
    deadline = time.monotonic() + 20
    while w.box.process.get_session_command(session, begun.cmd_id).exit_code is None:
        holds(time.monotonic() < deadline, "it does not end")
        time.sleep(0.05)
    logs = w.box.process.get_session_command_logs(session, begun.cmd_id)
    equal((logs.output, logs.stdout, logs.stderr), ("done\n", "done\n", ""))


@check
def logs_are_followed_by_websocket(w):
    session = w.session()
    begun = w.run(session, "echo one; echo bad >&2; sleep 0.3; echo two", run_async=True)
    out, err = [], []
    follow = w.box.process.get_session_command_logs_async(session, begun.cmd_id, out.append, err.append)
    asyncio.run(asyncio.wait_for(follow, 30))
    equal(("".join(out), "".join(err)), ("one\ntwo\n", "bad\n"))


@check
def logs_of_what_has_ended_are_followed_to_their_end(w):
    session = w.session()
    ran = w.run(session, "echo é; echo 2 >&2")
    out, err = [], []
    follow = w.box.process.get_session_command_logs_async(session, ran.cmd_id, out.append, err.append)
    asyncio.run(asyncio.wait_for(follow, 30))
    equal(("".join(out), "".join(err)), ("é\n", "2\n"))


@check
def input_reaches_a_command_and_is_shown(w):
    session = w.session()
    begun = w.run(session, "read line; echo got:$line", run_async=True)
    w.box.process.send_session_command_input(session, begun.cmd_id, "some text")
    out = []
    follow = w.box.process.get_session_command_logs_async(session, begun.cmd_id, out.append, out.append)
    asyncio.run(asyncio.wait_for(follow, 30))
    equal("".join(out), "some text\ngot:some text\n")


@check
def input_is_not_shown_when_it_is_to_be_hidden_and_the_rest_is_no_command(w):
    session = w.session()
    request = {"run_async": True, "suppress_input_echo": True}
    begun = w.run(session, "read line; echo got:$line", **request)
    w.box.process.send_session_command_input(session, begun.cmd_id, "secret\necho not a command\nand more")
    out = []
    follow = w.box.process.get_session_command_logs_async(session, begun.cmd_id, out.append, out.append)
    asyncio.run(asyncio.wait_for(follow, 30))
    equal("".join(out), "got:secret\n")
    equal(w.run(session, "echo next").output, "next\n")


@check
def input_to_what_has_ended_is_gone(w):
    session = w.session()
    ran = w.run(session, "true")
    fails(410, lambda: w.box.process.send_session_command_input(session, ran.cmd_id, "x"), "ended")


@check
def python_reads_a_sessions_input(w):
    session = w.session()
    begun = w.run(session, "python3 -c 'print(int(input()) + 1)'", run_async=True, suppress_input_echo=True)
    w.box.process.send_session_command_input(session, begun.cmd_id, "41")
    out = []
    follow = w.box.process.get_session_command_logs_async(session, begun.cmd_id, out.append, out.append)
    asyncio.run(asyncio.wait_for(follow, 60))
    equal("".join(out), "42\n")


@check
def delete_session_ends_its_command(w):
    session = w.session()
    begun = w.run(session, "sleep 60", run_async=True)
    errors = []

    def follow():
        told = w.box.process.get_session_command_logs_async(session, begun.cmd_id, lambda _: None, lambda _: None)
        try:
            asyncio.run(asyncio.wait_for(told, 30))
        except Exception as error:  # told below, in the main thread
            errors.append(error)

    follower = threading.Thread(target=follow)
    follower.start()
    time.sleep(0.3)
    w.box.process.delete_session(session)
    follower.join(20)
    holds(not follower.is_alive(), "the one who follows still waits")
    equal(errors, [])


@check
def a_terminal_is_refused(w):
    fails(501, w.box.process.list_pty_sessions, "terminal")


# ---- files


@check
def upload_and_download_a_file(w):
    content = bytes(range(256)) * 100
    w.box.fs.upload_file(content, "up/load.bin")
    equal(w.box.fs.download_file("up/load.bin"), content)
    equal(w.sh("wc -c < up/load.bin")[1].strip(), "25600")


@check
def an_empty_file_is_one(w):
    w.box.fs.upload_file(b"", "empty")
    equal(w.sh("test -f empty && test ! -s empty && echo yes"), (0, "yes\n"))


@check
def upload_files_and_download_files(w):
    names = [f"bulk/{name}" for name in ("a.txt", "b c.txt", "é.txt", 'q"uote.txt')]
    w.box.fs.upload_files([FileUpload(name.encode(), name) for name in names])
    answers = w.box.fs.download_files([FileDownloadRequest(source=name) for name in [*names, "bulk/none"]])
    equal([answer.result for answer in answers[:-1]], [name.encode() for name in names])
    equal(answers[-1].result, None)
    equal(answers[-1].error_details.status_code, 404)


@check
def download_of_none_is_not_found(w):
    error = fails(404, lambda: w.box.fs.download_file("no/such"), "no/such")
    equal(type(error).__name__, "DaytonaFileNotFoundError")


@check
def download_file_stream_tells_progress(w):
    content = b"x" * 300_000
    w.box.fs.upload_file(content, "large")
    told = []
    pieces = w.box.fs.download_file_stream("large", on_progress=told.append)
    equal(b"".join(pieces), content)
    equal((told[-1].bytes_received, told[-1].total_bytes), (300_000, 300_000))


@check
def upload_file_stream_takes_a_stream(w):
    import io

    w.box.fs.upload_file_stream(io.BytesIO(b"streamed"), "stream.txt")
    equal(w.sh("cat stream.txt"), (0, "streamed"))


@check
def get_file_info_tells_what_it_is(w):
    w.box.fs.upload_file(b"12345", "info.txt")
    w.box.fs.set_file_permissions("info.txt", mode="640")
    info = w.box.fs.get_file_info("info.txt")
    told = (info.name, info.size, info.is_dir, info.mode, info.permissions)
    equal(told, ("info.txt", 5, False, "-rw-r-----", "0640"))
    holds(info.mod_time.startswith("20"), info.mod_time)


@check
def get_file_info_of_none_is_not_found(w):
    fails(404, lambda: w.box.fs.get_file_info("none"), "none")


@check
def get_file_info_follows_links(w):
    w.sh("mkdir -p links; echo abc > links/file; ln -s file links/link")
    equal(w.box.fs.get_file_info("links/link").size, 4)


@check
def list_files_is_in_order(w):
    w.sh("mkdir -p list/sub; echo 1 > list/b; echo 22 > list/a; echo 333 > list/sub/c")
    found = w.box.fs.list_files("list")
    told = [(info.name, info.is_dir, None if info.is_dir else info.size) for info in found]
    equal(told, [("a", False, 3), ("b", False, 2), ("sub", True, None)])


@check
def list_files_goes_as_deep_as_asked(w):
    w.sh("mkdir -p deep/one/two/three; echo > deep/one/file")
    top = f"{w.work}/deep"
    equal([info.path for info in w.box.fs.list_files("deep", depth=2)], [f"{top}/one", f"{top}/one/file", f"{top}/one/two"])


@check
def list_files_of_none_is_not_found(w):
    fails(404, lambda: w.box.fs.list_files("none"))


@check
def create_folder_with_its_mode(w):
    w.box.fs.create_folder("folders/private", "700")
    equal(w.box.fs.get_file_info("folders/private").permissions, "0700")
    equal(w.box.fs.get_file_info("folders/private").is_dir, True)


@check
def move_files_renames(w):
    w.box.fs.upload_file(b"moved", "move/from")
    w.box.fs.move_files("move/from", "move/to")
    equal(w.sh("cat move/to; ls move"), (0, "movedto\n"))


@check
def set_file_permissions_holds_for_commands(w):
    w.box.fs.upload_file(b"#!/bin/sh\necho ran\n", "script.sh")
    w.box.fs.set_file_permissions("script.sh", mode="755")
    equal(w.sh("test -x script.sh && ./script.sh"), (0, "ran\n"))


@check
def set_file_permissions_refuses_another_owner(w):
    w.box.fs.upload_file(b"", "mine")
    fails(403, lambda: w.box.fs.set_file_permissions("mine", owner="root"), "root")


@check
def find_files_tells_lines(w):
    w.sh("mkdir -p find/sub; printf 'one\\ntwo needle\\n' > find/a.txt; printf 'needle.*\\n' > find/sub/b.txt")
    found = w.box.fs.find_files("find", "needle")
    told = [(match.file, match.line, match.content) for match in found]
    top = f"{w.work}/find"
    equal(told, [(f"{top}/a.txt", 2, "two needle"), (f"{top}/sub/b.txt", 1, "needle.*")])
    equal([match.line for match in w.box.fs.find_files("find", "needle.*")], [1])


@check
def search_files_goes_by_names(w):
    w.sh("mkdir -p search/sub; touch search/a.py search/b.txt search/sub/c.py")
    top = f"{w.work}/search"
    equal(w.box.fs.search_files("search", "*.py").files, [f"{top}/a.py", f"{top}/sub/c.py"])


@check
def replace_in_files_tells_each(w):
    w.sh("mkdir -p replace; printf 'old old\\n' > replace/a; printf 'none\\n' > replace/b")
    results = w.box.fs.replace_in_files(["replace/a", "replace/b", "replace/c"], "old", "new")
    equal([(result.file, result.success) for result in results], [("replace/a", True), ("replace/b", True), ("replace/c", False)])
    holds("no such file" in results[2].error, results[2].error)
    equal(w.sh("cat replace/a replace/b"), (0, "new new\nnone\n"))


@check
def delete_file_removes_it(w):
    w.box.fs.upload_file(b"x", "delete.txt")
    w.box.fs.delete_file("delete.txt")
    fails(404, lambda: w.box.fs.get_file_info("delete.txt"))


@check
def delete_file_needs_a_word_for_directories(w):
    w.sh("mkdir -p delete/sub; touch delete/sub/file")
    fails(400, lambda: w.box.fs.delete_file("delete"), "recursive")
    w.box.fs.delete_file("delete", recursive=True)
    equal(w.sh("test -e delete; echo $?"), (0, "1\n"))


@check
def a_signed_address_downloads_without_the_key(w):
    w.box.fs.upload_file(b"signed", "signed file.txt")
    url = w.box.download_url("signed file.txt")
    equal(fetch(url), (200, b"signed"))
    status, body = fetch(url[:-2])
    equal(status, 401)
    holds(b"signature" in body, body)


@check
def a_signed_address_uploads_without_the_key(w):
    status, _ = fetch(w.box.upload_url("signed-up.txt"), "POST", b"brought in")
    equal(status, 200)
    equal(w.sh("cat signed-up.txt"), (0, "brought in"))


@check
def rotating_the_key_ends_signed_addresses(w):
    w.box.fs.upload_file(b"x", "rotated")
    url = w.box.download_url("rotated", 0)
    equal(fetch(url), (200, b"x"))
    w.box.rotate_signing_key()
    equal(fetch(url)[0], 401)
    equal(fetch(w.box.download_url("rotated"))[0], 200)


# ---- the sandbox itself


@check
def directories_are_told(w):
    equal(w.sh("echo $HOME"), (0, w.home + "\n"))
    equal(w.sh("pwd"), (0, w.work + "\n"))


@check
def update_env_holds_for_commands_to_come(w):
    w.box.update_env({"LATER": "yes"})
    equal(w.sh("echo $LATER"), (0, "yes\n"))
    w.box.update_env({}, unset=["LATER"])
    equal(w.sh("echo [$LATER]"), (0, "[]\n"))


@check
def git_without_a_repository_says_so(w):
    w.box.fs.create_folder("no-repository", "755")
    try:
        answer = w.box.git.status("no-repository")
    except DaytonaError as error:
        holds(error.status_code in (404, 501), f"status {error.status_code}: {error}")
    else:
        raise AssertionError(f"it gave {answer!r}")


# ---- interpreters


@check
def run_code_keeps_variables(w):
    interpreter = w.box.code_interpreter
    equal(interpreter.run_code("x = 20").stdout, "")
    result = interpreter.run_code("print(x + 22)")
    equal((result.stdout, result.stderr, result.error), ("42\n", "", None))


@check
def run_code_streams_both(w):
    out, err = [], []
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)"
    result = w.box.code_interpreter.run_code(
        code, on_stdout=lambda message: out.append(message.output), on_stderr=lambda message: err.append(message.output)
    )
    equal((result.stdout, result.stderr), ("out\n", "err\n"))
    equal(("".join(out), "".join(err)), ("out\n", "err\n"))


@check
def run_code_tells_an_exception(w):
    result = w.box.code_interpreter.run_code("{}['missing']")
    equal((result.error.name, result.error.value), ("KeyError", "'missing'"))
    holds("Traceback" in result.error.traceback, result.error.traceback)


@check
def contexts_are_apart(w):
    interpreter = w.box.code_interpreter
    one, two = interpreter.create_context(), interpreter.create_context(cwd="/tmp")
    interpreter.run_code("y = 1", context=one)
    result = interpreter.run_code("print('y' in globals())", context=two)
    equal(result.stdout, "False\n")
    equal(interpreter.run_code("import os; print(os.getcwd())", context=two).stdout, "/tmp\n")
    holds([context.id for context in interpreter.list_contexts()][-2:] == [one.id, two.id], "both are not listed last")
    interpreter.delete_context(one)
    holds(one.id not in [context.id for context in interpreter.list_contexts()], "it is still listed")
    interpreter.delete_context(two)


@check
def run_code_has_its_variables(w):
    result = w.box.code_interpreter.run_code("import os; print(os.environ['ONCE'])", envs={"ONCE": "this"})
    equal(result.stdout, "this\n")


@check
def run_code_ends_at_its_timeout(w):
    from daytona.common.errors import DaytonaTimeoutError

    context = w.box.code_interpreter.create_context()
    try:
        w.box.code_interpreter.run_code("while True: pass", context=context, timeout=1)
    except DaytonaTimeoutError:
        return
    raise AssertionError("it was not ended")


def main(words):
    world, failed, ran = World(), 0, 0
    try:
        for function in CHECKS:
            name = function.__name__
            if words and not any(word in name for word in words):
                continue
            ran += 1
            try:
                function(world)
            except Exception as error:
                failed += 1
                where = traceback.extract_tb(error.__traceback__)
                lines = [frame.lineno for frame in where if frame.filename == __file__]
                print(f"FAIL {name} (line {lines[-1] if len(lines) == 1 else lines}): {type(error).__name__}: {error}")
            else:
                print(f"ok   {name}")
            sys.stdout.flush()
    finally:
        world.close()
    print(f"{ran - failed} of {ran} checks hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
