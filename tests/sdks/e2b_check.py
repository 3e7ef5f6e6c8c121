"""The official SDK of E2B for Python, sync and async, against `sandpiper serve`.

E2B_API_URL and E2B_SANDBOX_URL are the server's address, E2B_API_KEY is one of its keys. Its template `base` has bash,
the usual tools and Python; what is asserted is what these print anywhere.
"""

import asyncio
import io
import time
import urllib.error
import urllib.request
import uuid

from checks import Checks
from e2b import (
    AsyncSandbox,
    AuthenticationException,
    CommandExitException,
    FileNotFoundException,
    FileType,
    FilesystemEventType,
    InvalidArgumentException,
    NotFoundException,
    Sandbox,
    SandboxException,
    SandboxNotFoundException,
    SandboxQuery,
    SandboxState,
    TemplateException,
    TimeoutException,
)

checks = Checks()
RUN = uuid.uuid4().hex


def until(condition, seconds=20):
    """Whether a condition holds before the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def commands(sandbox):
    run = sandbox.commands.run
    result = run("echo hi; echo err >&2")
    checks.same("run: streams are apart", (result.stdout, result.stderr, result.exit_code), ("hi\n", "err\n", 0))
    checks.same("run: begins at home", run("pwd").stdout, "/home/user\n")
    checks.same("run: home and user", run("echo $HOME $USER").stdout, "/home/user user\n")
    checks.same("run: variables of the sandbox", run("echo $GREETING").stdout, "hello world\n")
    result = run("echo $GREETING $MORE", envs={"GREETING": "other", "MORE": "x=y"})
    checks.same("run: variables of the command win", result.stdout, "other x=y\n")
    checks.same("run: a directory", run("pwd", cwd="/tmp").stdout, "/tmp\n")
    checks.same("run: pipes", run("printf 'b\\na\\nb\\n' | sort | uniq -c | tr -s ' '").stdout, " 1 a\n 2 b\n")
    checks.same("run: loops", run("for i in 1 2 3; do echo -n $((i * i)),; done").stdout, "1,4,9,")
    result = run("cat <<'END' | wc -l\na\nb\nEND")
    checks.same("run: here documents", result.stdout.strip(), "2")
    checks.same("run: text beyond ASCII", run("echo 'ä€😀'").stdout, "ä€😀\n")
    checks.same("run: python", run("python3 -c 'print(sum(range(101)))'").stdout, "5050\n")
    result = run("echo a > /tmp/made; cat /tmp/made; rm /tmp/made; [ -e /tmp/made ] || echo gone")
    checks.same("run: files", result.stdout, "a\ngone\n")
    checks.same("run: much output", len(run("head -c 1000000 /dev/zero | tr '\\0' x").stdout), 1_000_000)

    try:
        run("echo before; echo why >&2; exit 3")
        checks.note("run: an exit code is an exception", "nothing was raised")
    except CommandExitException as error:
        got = (error.exit_code, error.stdout, error.stderr, error.error)
        checks.same("run: an exit code is an exception", got, (3, "before\n", "why\n", "exit status 3"))
    try:
        run("no-such-command")
        checks.note("run: a command that is not there", "nothing was raised")
    except CommandExitException as error:
        checks.same("run: a command that is not there", error.exit_code, 127)
        checks.true("run: bash says which", "no-such-command: command not found" in error.stderr, error.stderr)

    out, err = [], []
    run("echo one; echo two >&2", on_stdout=out.append, on_stderr=err.append)
    checks.same("run: callbacks", ("".join(out), "".join(err)), ("one\n", "two\n"))
    begun = time.monotonic()
    checks.raises("run: a timeout", TimeoutException, "", lambda: run("sleep 30", timeout=1))
    checks.true("run: a timeout is kept", time.monotonic() - begun < 10)
    checks.true("run: a command ends with its timeout", until(lambda: sandbox.commands.list() == []))
    checks.same("run: as root", run("echo yes", user="root").stdout, "yes\n")
    checks.raises(
        "run: as nobody known", AuthenticationException, "invalid username", lambda: run("true", user="nobody-known")
    )


def background(sandbox):
    handle = sandbox.commands.run("read line; echo got $line", background=True, stdin=True)
    checks.true("background: a pid", handle.pid > 0, handle.pid)
    listed = sandbox.commands.list()
    checks.same("background: listed", [process.pid for process in listed], [handle.pid])
    shown = (listed[0].cmd, listed[0].args, listed[0].cwd)
    checks.same("background: shown", shown, ("/bin/bash", ["-l", "-c", "read line; echo got $line"], "/home/user"))
    sandbox.commands.send_stdin(handle.pid, "text\n")
    checks.same("background: input", handle.wait().stdout, "got text\n")
    checks.same("background: gone when it has ended", sandbox.commands.list(), [])

    handle = sandbox.commands.run("cat; echo end", background=True, stdin=True)
    handle.send_stdin("a")
    handle.send_stdin(b"b\n")
    handle.close_stdin()
    checks.same("background: input is closed", handle.wait().stdout, "ab\nend\n")
    handle = sandbox.commands.run("wc -c", background=True, stdin=True)
    sandbox.commands.stream_input(handle.pid, ["abc", b"de"])
    sandbox.commands.close_stdin(handle.pid)
    checks.same("background: input is streamed", handle.wait().stdout.strip(), "5")

    handle = sandbox.commands.run("read line; echo got $line", background=True, stdin=True)
    handle.disconnect()
    again = sandbox.commands.connect(handle.pid)
    checks.same("connect: the same process", again.pid, handle.pid)
    sandbox.commands.send_stdin(handle.pid, "more\n")
    checks.same("connect: goes on after a disconnect", again.wait().stdout, "got more\n")
    checks.raises("connect: to nothing", NotFoundException, "not found", lambda: sandbox.commands.connect(999_999))

    handle = sandbox.commands.run("sleep 60", background=True)
    checks.same("kill: a process", sandbox.commands.kill(handle.pid), True)
    checks.same("kill: twice", sandbox.commands.kill(handle.pid), False)
    try:
        handle.wait()
        checks.note("kill: is told", "nothing was raised")
    except CommandExitException as error:
        checks.same("kill: is told", (error.exit_code, error.error), (-1, "signal: killed"))
    handle = sandbox.commands.run("sleep 60", background=True)
    checks.same("kill: by the handle", handle.kill(), True)
    checks.raises(
        "input: to nothing", NotFoundException, "not found", lambda: sandbox.commands.send_stdin(handle.pid, "x")
    )
    checks.raises("pty: is not offered", SandboxException, "terminal", lambda: sandbox.pty.create(_size()))


def _size():
    from e2b import PtySize

    return PtySize(rows=24, cols=80)


def files(sandbox):
    files = sandbox.files
    info = files.write("notes/a.txt", "hello\n")
    checks.same("write: relative to home", (info.name, info.type, info.path), ("a.txt", FileType.FILE, "/home/user/notes/a.txt"))
    checks.same("read: text", files.read("/home/user/notes/a.txt"), "hello\n")
    checks.same("write: seen by commands", sandbox.commands.run("cat ~/notes/a.txt").stdout, "hello\n")
    blob = bytes(range(256)) * 40
    files.write("blob", blob)
    checks.same("read: bytes", bytes(files.read("blob", format="bytes")), blob)
    checks.same("read: a stream", b"".join(files.read("blob", format="stream")), blob)
    checks.same("read: gzip", bytes(files.read("blob", format="bytes", gzip=True)), blob)
    files.write("packed", blob, gzip=True)
    checks.same("write: gzip", bytes(files.read("packed", format="bytes")), blob)
    files.write("plain", blob, use_octet_stream=True)
    checks.same("write: octets", bytes(files.read("plain", format="bytes")), blob)
    files.write("stream", io.BytesIO(blob))
    checks.same("write: a stream", bytes(files.read("stream", format="bytes")), blob)
    written = files.write_files([{"path": "many/1", "data": "one"}, {"path": "/tmp/many-2", "data": b"two"}])
    checks.same("write_files: paths", [info.path for info in written], ["/home/user/many/1", "/tmp/many-2"])
    checks.same("write_files: content", (files.read("many/1"), files.read("/tmp/many-2")), ("one", "two"))
    checks.same("write: nothing", files.write("empty", "").path, "/home/user/empty")
    checks.same("read: nothing", files.read("empty"), "")
    checks.raises("read: what is not there", FileNotFoundException, "", lambda: files.read("nothing"))
    checks.raises("read: a directory", InvalidArgumentException, "", lambda: files.read("many"))
    checks.raises("write: onto a directory", InvalidArgumentException, "", lambda: files.write("many", "x"))
    checks.raises(
        "write: metadata is not offered", TemplateException, "", lambda: files.write("m", "x", metadata={"a": "b"})
    )
    checks.same("exists", (files.exists("many/1"), files.exists("many/3"), files.exists("/")), (True, False, True))

    info = files.get_info("notes/a.txt")
    checks.same("get_info: a file", (info.name, info.type, info.size), ("a.txt", FileType.FILE, 6))
    checks.true("get_info: its time", abs(info.modified_time.timestamp() - time.time()) < 600, info.modified_time)
    sandbox.commands.run("chmod 640 notes/a.txt; ln -s notes/a.txt link")
    info = files.get_info("notes/a.txt")
    checks.same("get_info: its mode", (info.mode, info.permissions), (0o640, "-rw-r-----"))
    checks.same("get_info: a directory", files.get_info("notes").type, FileType.DIR)
    info = files.get_info("link")
    checks.same("get_info: a symlink", (info.type, info.symlink_target), (FileType.SYMLINK, "/home/user/notes/a.txt"))
    checks.raises("get_info: what is not there", FileNotFoundException, "", lambda: files.get_info("nothing"))

    checks.same("make_dir: new", files.make_dir("tree/x/y"), True)
    checks.same("make_dir: there", files.make_dir("tree/x"), False)
    checks.raises("make_dir: a file", InvalidArgumentException, "", lambda: files.make_dir("empty"))
    files.write("tree/b", "")
    files.write("tree/x/c", "")
    checks.same("list: one level", [entry.name for entry in files.list("tree")], ["b", "x"])
    found = [entry.path for entry in files.list("tree", depth=3)]
    root = "/home/user/tree"
    checks.same("list: three levels", found, [f"{root}/b", f"{root}/x", f"{root}/x/c", f"{root}/x/y"])
    checks.raises("list: what is not there", FileNotFoundException, "", lambda: files.list("nothing"))
    checks.raises("list: no depth", InvalidArgumentException, "", lambda: files.list("tree", depth=0))
    info = files.rename("tree/b", "elsewhere/renamed")
    checks.same("rename", (info.path, files.exists("tree/b")), ("/home/user/elsewhere/renamed", False))
    checks.raises("rename: what is not there", FileNotFoundException, "", lambda: files.rename("nothing", "x"))
    files.remove("tree")
    checks.same("remove: with all below", files.exists("tree"), False)
    checks.same("remove: what is not there", files.remove("tree"), None)


def watching(sandbox):
    files = sandbox.files
    files.make_dir("watched/deep")
    watch = sandbox.files.watch_dir("watched")
    files.write("watched/new", "1")
    events = []

    def seen(name, kind):
        events.extend((event.name, event.type) for event in watch.get_new_events())
        return (name, kind) in events

    checks.true("watch: a new file", until(lambda: seen("new", FilesystemEventType.CREATE)), events)
    files.write("watched/new", "longer")
    checks.true("watch: a change", until(lambda: seen("new", FilesystemEventType.WRITE)), events)
    files.remove("watched/new")
    checks.true("watch: a removal", until(lambda: seen("new", FilesystemEventType.REMOVE)), events)
    watch.stop()
    checks.raises("watch: stopped", SandboxException, "stopped", watch.get_new_events)
    watch = sandbox.files.watch_dir("watched", recursive=True)
    events = []
    sandbox.commands.run("echo x > watched/deep/file")
    checks.true("watch: below", until(lambda: seen("deep/file", FilesystemEventType.CREATE)), events)
    watch.stop()
    checks.raises("watch: what is not there", NotFoundException, "", lambda: files.watch_dir("nothing"))
    checks.raises("watch: a file", InvalidArgumentException, "directory", lambda: files.watch_dir("empty"))


def signatures(sandbox):
    sandbox.files.write("signed", "by address")
    address = sandbox.download_url("signed")
    checks.same("download_url", urllib.request.urlopen(address).read(), b"by address")
    address = sandbox.download_url("signed", use_signature_expiration=60)
    checks.same("download_url: for a time", urllib.request.urlopen(address).read(), b"by address")

    def status(address):
        try:
            return urllib.request.urlopen(address).status
        except urllib.error.HTTPError as error:
            return error.code

    checks.same("download_url: of another path", status(address.replace("path=signed", "path=blob")), 401)
    expired = sandbox.download_url("signed", use_signature_expiration=-10)
    checks.same("download_url: too late", status(expired), 401)
    boundary = "limit"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n'
        f"Content-Type: text/plain\r\n\r\nuploaded\r\n--{boundary}--\r\n"
    ).encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(sandbox.upload_url("incoming/up"), body, kind)
    checks.same("upload_url", urllib.request.urlopen(request).status, 200)
    checks.same("upload_url: content", sandbox.files.read("incoming/up"), "uploaded")


def control(sandbox):
    info = sandbox.get_info()
    checks.same("get_info: id", info.sandbox_id, sandbox.sandbox_id)
    checks.same("get_info: metadata", info.metadata, {"run": RUN, "a b": "c&d=ä"})
    checks.same("get_info: state", info.state, SandboxState.RUNNING)
    checks.same("get_info: template", info.template_id, "base")
    checks.same("is_running", sandbox.is_running(), True)
    sandbox.set_timeout(900)
    left = (sandbox.get_info().end_at.timestamp()) - time.time()
    checks.true("set_timeout", 880 < left < 920, left)
    checks.same("get_info: of the class", Sandbox.get_info(sandbox.sandbox_id).sandbox_id, sandbox.sandbox_id)
    same = Sandbox.connect(sandbox.sandbox_id)
    same.files.write("from-another", "hold")
    checks.same("connect: the same files", sandbox.files.read("from-another"), "hold")
    checks.raises(
        "connect: to nothing", SandboxNotFoundException, "not found", lambda: Sandbox.connect("i" + "0" * 19)
    )
    checks.raises(
        "create: a template that is not there",
        SandboxException,
        "not found",
        lambda: Sandbox.create("no-such-template"),
    )
    checks.raises(
        "create: a key that is not one", AuthenticationException, "", lambda: Sandbox.create("base", api_key="wrong")
    )

    mine = SandboxQuery(metadata={"run": RUN, "a b": "c&d=ä"})
    found = [info.sandbox_id for info in Sandbox.list(mine).next_items()]
    checks.same("list: by metadata", found, [sandbox.sandbox_id])
    checks.same("list: none", Sandbox.list(SandboxQuery(metadata={"run": "other"})).next_items(), [])
    second = Sandbox.create("base", metadata={"run": RUN})
    pages = Sandbox.list(SandboxQuery(metadata={"run": RUN}), limit=1, order="asc")
    ids = []
    while pages.has_next:
        ids.extend(info.sandbox_id for info in pages.next_items())
    checks.same("list: in pages", ids, [sandbox.sandbox_id, second.sandbox_id])
    newest = Sandbox.list(SandboxQuery(metadata={"run": RUN}), order="desc").next_items()
    checks.same("list: the newest first", [info.sandbox_id for info in newest], ids[::-1])
    checks.same("files of one are not another's", second.files.exists("from-another"), False)

    checks.same("pause", second.pause(), True)
    checks.same("pause: twice", second.pause(), False)
    checks.same("pause: told", Sandbox.get_info(second.sandbox_id).state, SandboxState.PAUSED)
    checks.same("pause: not running", second.is_running(), False)
    paused = SandboxQuery(metadata={"run": RUN}, state=[SandboxState.PAUSED])
    checks.same("list: paused", [i.sandbox_id for i in Sandbox.list(paused).next_items()], [second.sandbox_id])
    both = SandboxQuery(metadata={"run": RUN}, state=[SandboxState.PAUSED, SandboxState.RUNNING])
    checks.same("list: of any state", len(Sandbox.list(both).next_items()), 2)
    second.connect()
    checks.same("pause: goes on", second.is_running(), True)

    for name, call in [
        ("get_metrics", lambda: len(second.get_metrics()) == 1),
        ("create_snapshot", lambda: ":" in second.create_snapshot().snapshot_id),
        ("fork", lambda: isinstance(second.fork()[0], Sandbox)),
    ]:
        try:
            checks.true(name, call())
        except SandboxException as error:
            # A backend that cannot says so.
            checks.true(f"{name}: is refused with a reason", "does not offer this" in str(error), error)
    checks.true("get_host", second.get_host(3000).startswith("3000-"), second.get_host(3000))
    checks.same("kill", second.kill(), True)
    checks.same("kill: twice", second.kill(), False)
    checks.same("kill: is not running", second.is_running(), False)
    checks.raises("kill: commands fail", SandboxException, "", lambda: second.commands.run("true"))
    checks.raises("kill: no info", SandboxNotFoundException, "not found", second.get_info)

    short = Sandbox.create("base", timeout=1, metadata={"run": RUN})
    checks.true("timeout: ends a sandbox", until(lambda: not short.is_running()))
    dark = Sandbox.create("base", allow_internet_access=False)
    checks.same("create: without internet", dark.get_info().allow_internet_access, False)
    checks.same("kill: of the class", Sandbox.kill(dark.sandbox_id), True)
    with Sandbox.create("base") as scoped:
        checks.same("create: in a scope", scoped.commands.run("echo in").stdout, "in\n")
    checks.same("create: the scope ends it", scoped.is_running(), False)


async def asynchronous():
    sandbox = await AsyncSandbox.create("base", envs={"A": "1"}, metadata={"run": RUN})
    result = await sandbox.commands.run("echo $A; echo e >&2")
    checks.same("async run", (result.stdout, result.stderr), ("1\n", "e\n"))
    await checks.raises_later("async run: an exit code", CommandExitException, "7", sandbox.commands.run("exit 7"))
    handle = await sandbox.commands.run("cat", background=True, stdin=True)
    await sandbox.commands.send_stdin(handle.pid, "in\n")
    await sandbox.commands.close_stdin(handle.pid)
    checks.same("async input", (await handle.wait()).stdout, "in\n")
    results = await asyncio.gather(*(sandbox.commands.run(f"echo {number}") for number in range(5)))
    checks.same("async: many at once", [result.stdout for result in results], [f"{number}\n" for number in range(5)])
    await sandbox.files.write("a", "async")
    checks.same("async files", await sandbox.files.read("a"), "async")
    checks.same("async list", [entry.name for entry in await sandbox.files.list(".")], ["a"])
    seen = asyncio.Queue()
    watch = await sandbox.files.watch_dir(".", on_event=seen.put_nowait)
    await sandbox.files.write("b", "new")
    event = await asyncio.wait_for(seen.get(), 20)
    checks.same("async watch", (event.name, event.type), ("b", FilesystemEventType.CREATE))
    await watch.stop()
    handle = await sandbox.commands.run("sleep 60", background=True)
    checks.same("async kill of a process", await handle.kill(), True)
    checks.same("async list of processes", await sandbox.commands.list(), [])
    checks.same("async is_running", await sandbox.is_running(), True)
    checks.same("async kill", await sandbox.kill(), True)
    checks.same("async kill: is not running", await sandbox.is_running(), False)


def main():
    sandbox = Sandbox.create(
        "base", timeout=600, metadata={"run": RUN, "a b": "c&d=ä"}, envs={"GREETING": "hello world"}
    )
    try:
        checks.true("create", len(sandbox.sandbox_id) > 5, sandbox.sandbox_id)
        commands(sandbox)
        background(sandbox)
        files(sandbox)
        watching(sandbox)
        signatures(sandbox)
        control(sandbox)
        asyncio.run(asynchronous())
    finally:
        sandbox.kill()


try:
    main()
finally:
    checks.end()
