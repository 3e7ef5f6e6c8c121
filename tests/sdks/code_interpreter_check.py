"""The official code interpreter SDK of E2B for Python, sync and async, against `sandpiper serve`.

As `e2b_check.py`; the server's template `code-interpreter-v1` has Python 3.
"""

import asyncio
import time

from checks import Checks
from e2b_code_interpreter import AsyncSandbox, NotFoundException, Sandbox, SandboxException, TimeoutException

checks = Checks()


def code(sandbox):
    run = sandbox.run_code
    execution = run("x = 6")
    checks.same("an assignment has no result", (execution.results, execution.text, execution.error), ([], None, None))
    checks.same("calls are counted", (execution.execution_count, run("1").execution_count), (1, 2))
    execution = run("x * 7")
    checks.same("names are kept", execution.text, "42")
    result = execution.results[0]
    checks.same("the last expression is the main result", (len(execution.results), result.is_main_result), (1, True))
    checks.same("a result has its formats", list(result.formats()), ["text"])
    execution = run("print('out'); import sys; print('err', file=sys.stderr)")
    logs = ("".join(execution.logs.stdout), "".join(execution.logs.stderr))
    checks.same("streams are apart", logs, ("out\n", "err\n"))
    checks.same("prints are no result", execution.results, [])
    checks.same("without a line end", "".join(run("print('a', end='')").logs.stdout), "a")
    checks.same("text beyond ASCII", "".join(run("print('ä€😀')").logs.stdout), "ä€😀\n")
    checks.same("a text is its own text", run("'it'").text, "it")
    checks.same("other values are as Python writes them", run("[1, 'a', None, {'b': 2.5}]").text, "[1, 'a', None, {'b': 2.5}]")
    checks.same("None is no result", run("None").results, [])
    checks.same("a semicolon hides a result", run("5;").results, [])
    checks.same("the last result is _", (run("41").text, run("_ + 1").text), ("41", "42"))

    run("def double(n):\n    return 2 * n\n\nclass Point:\n    def __init__(self, x):\n        self.x = x")
    checks.same("functions are kept", run("double(21)").text, "42")
    checks.same("classes are kept", run("Point(3).x").text, "3")
    run("import math")
    checks.same("imports are kept", run("math.floor(math.pi)").text, "3")
    checks.same("a loop", "".join(run("for i in range(3):\n    print(i)").logs.stdout), "0\n1\n2\n")
    checks.same("the module is __main__", run("__name__").text, "__main__")
    checks.same("much output", len("".join(run("print('x' * 300_000)").logs.stdout)), 300_001)
    checks.same("a new process sees no names", "".join(run("import subprocess; print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout, end='')").logs.stdout), "child\n")
    checks.same("what a child prints", "".join(run("r = subprocess.run(['echo', 'inherited'])").logs.stdout), "inherited\n")
    checks.same("a line for the shell", "".join(run("!echo shell").logs.stdout), "shell\n")

    run("import asyncio\nasync def later(n):\n    await asyncio.sleep(0)\n    return n")
    checks.same("a task is awaited", run("task = asyncio.create_task(later(5))\nawait task").text, "5")
    tasks = "first = asyncio.create_task(later(1))\nawait asyncio.gather(first, later(2))"
    checks.same("tasks are gathered", run(tasks).text, "[1, 2]")
    run("await later(0)\nwaiting = asyncio.create_task(later(3))")
    checks.same("a task of the cell before", run("await waiting").text, "3")
    checks.same("a loop of one's own", run("asyncio.run(later(7))").text, "7")
    error = run("await later(0)\n1 / 0").error
    checks.true("a traceback behind an await", "asyncio" not in error.traceback and "<string>" not in error.traceback, error.traceback)


def errors(sandbox):
    run = sandbox.run_code
    error = run("y = 1\n1 / 0").error
    checks.same("an exception", (error.name, error.value), ("ZeroDivisionError", "division by zero"))
    checks.true("its traceback has the line", "line 2, in <module>" in error.traceback, error.traceback)
    checks.true("its traceback has the code", "1 / 0" in error.traceback, error.traceback)
    checks.true("its traceback ends with it", error.traceback.rstrip().endswith("ZeroDivisionError: division by zero"))
    checks.true("its traceback has no frames of the server", "<string>" not in error.traceback, error.traceback)
    checks.same("what came before it stays", run("y").text, "1")
    execution = run("print('before'); undefined_name")
    checks.same("output before an exception", "".join(execution.logs.stdout), "before\n")
    checks.same("a name that is not there", (execution.error.name, execution.error.value), ("NameError", "name 'undefined_name' is not defined"))
    checks.same("a mistake in the syntax", run("def :").error.name, "SyntaxError")
    checks.same("an exception of one's own", run("class Own(Exception): pass\nraise Own('words')").error.value, "words")
    checks.same("sys.exit", run("import sys; sys.exit(3)").error.name, "SystemExit")
    checks.same("the context goes on", run("y + 1").text, "2")
    checks.same("input is refused", run("input()").error.name, "EOFError")
    checks.same("a module that is not there", run("import no_such_module").error.name, "ModuleNotFoundError")


def formats(sandbox):
    run = sandbox.run_code
    run(
        "class Shown:\n"
        "    def __repr__(self): return 'plain'\n"
        "    def _repr_html_(self): return '<b>html</b>'\n"
        "    def _repr_markdown_(self): return '**md**'\n"
        "    def _repr_svg_(self): return '<svg/>'\n"
        "    def _repr_png_(self): return b'\\x89PNG'\n"
        "    def _repr_latex_(self): return '$x$'\n"
        "    def _repr_json_(self): return {'a': [1]}\n"
        "    def _repr_javascript_(self): return 'f()'\n"
    )
    result = run("Shown()").results[0]
    checks.same("html and text", (result.html, result.text), ("<b>html</b>", "plain"))
    checks.same("markdown, svg, latex", (result.markdown, result.svg, result.latex), ("**md**", "<svg/>", "$x$"))
    checks.same("bytes are base64", result.png, "iVBORw==")
    checks.same("json and javascript", (result.json, result.javascript), ({"a": [1]}, "f()"))
    results = run("display('shown'); display(1, 2); 3").results
    told = [(result.text, result.is_main_result) for result in results]
    checks.same("display", told, [("shown", False), ("1", False), ("2", False), ("3", True)])


def callbacks(sandbox):
    out, err, results, failed = [], [], [], []
    execution = sandbox.run_code(
        "import sys\nprint('o')\nprint('e', file=sys.stderr)\ndisplay(1)\nraise ValueError('v')",
        on_stdout=out.append,
        on_stderr=err.append,
        on_result=results.append,
        on_error=failed.append,
    )
    checks.same("on_stdout", [message.line for message in out], ["o\n"])
    checks.same("on_stderr", [(message.line, message.error) for message in err], [("e\n", True)])
    checks.same("on_result", [result.text for result in results], ["1"])
    checks.same("on_error", [error.name for error in failed], ["ValueError"])
    checks.same("the execution has it too", execution.error.value, "v")
    now = time.time_ns()
    checks.true("messages have a time", abs(now - out[0].timestamp) < 600 * 10**9, out[0].timestamp)


def contexts(sandbox):
    run = sandbox.run_code
    run("shared = 'default'")
    context = sandbox.create_code_context(cwd="/tmp")
    checks.same("create_code_context", (context.language, context.cwd), ("python", "/tmp"))
    checks.same("a context has its directory", run("import os; os.getcwd()", context=context).text, "/tmp")
    checks.same("a context has its names", run("shared", context=context).error.name, "NameError")
    run("own = 1", context=context)
    checks.same("a context keeps them", run("own", context=context).text, "1")
    checks.same("the default one has its own", run("shared").text, "default")
    checks.same("the default directory", run("import os; os.getcwd()").text, "/home/user")
    ids = {context.id for context in sandbox.list_code_contexts()}
    checks.true("list_code_contexts", context.id in ids and len(ids) == 2, ids)
    sandbox.restart_code_context(context)
    checks.same("restart_code_context", run("own", context=context).error.name, "NameError")
    sandbox.remove_code_context(context)
    checks.true("remove_code_context", context.id not in {c.id for c in sandbox.list_code_contexts()})
    checks.raises("a context that is gone", NotFoundException, "not found", lambda: run("1", context=context))
    checks.raises(
        "remove_code_context: twice", NotFoundException, "not found", lambda: sandbox.remove_code_context(context)
    )
    checks.raises(
        "a language that is not there", SandboxException, "python alone", lambda: run("1", language="cobol")
    )
    checks.same("python by name", run("1 + 1", language="python").text, "2")


def environment(sandbox):
    run = sandbox.run_code
    checks.same("variables of the sandbox", run("import os; os.environ['GREETING']").text, "hello")
    checks.same("variables of a call", run("os.environ['CALL']", envs={"CALL": "once"}).text, "once")
    checks.same("what the code sets beside them stays", (run("os.environ['OWN'] = '1'", envs={"CALL": "once"}).error, run("os.environ['OWN']").text), (None, "1"))
    checks.same("are gone after it", run("'CALL' in os.environ").text, "False")
    checks.same("and those they hid are back", (run("os.environ['GREETING']", envs={"GREETING": "x"}).text, run("os.environ['GREETING']").text), ("x", "hello"))
    sandbox.files.write("data.csv", "a,b\n1,2\n")
    checks.same("files of the sandbox", run("open('data.csv').read().split()").text, "['a,b', '1,2']")
    run("open('made.txt', 'w').write('by code')")
    checks.same("files of the code", sandbox.files.read("made.txt"), "by code")
    checks.same("commands beside it", sandbox.commands.run("cat made.txt").stdout, "by code")


def timeouts(sandbox):
    run = sandbox.run_code
    run("kept = 1")
    begun = time.monotonic()
    checks.raises("a timeout", TimeoutException, "", lambda: run("while True: pass", timeout=2))
    checks.true("a timeout is kept", time.monotonic() - begun < 20)
    execution = run("1 + 1")
    checks.same("the context goes on after it", execution.text, "2")
    execution_after = run("kept")
    # Code that does not end when it is interrupted takes the names with it, and the next call says so.
    told = "restarted" in "".join(execution.logs.stderr)
    checks.true("names are kept, or that they are gone is told", execution_after.text == "1" or told, execution)


async def asynchronous():
    sandbox = await AsyncSandbox.create(envs={"A": "1"})
    execution = await sandbox.run_code("import os\nprint(os.environ['A'])\n6 * 7")
    checks.same("async run_code", (execution.text, "".join(execution.logs.stdout)), ("42", "1\n"))
    lines = []
    await sandbox.run_code("for i in range(2): print(i)", on_stdout=lambda message: lines.append(message.line))
    checks.same("async on_stdout", "".join(lines), "0\n1\n")
    context = await sandbox.create_code_context()
    first, second = await asyncio.gather(sandbox.run_code("1"), sandbox.run_code("2", context=context))
    checks.same("async: two contexts at once", (first.text, second.text), ("1", "2"))
    results = await asyncio.gather(*(sandbox.run_code(f"n = {n}; n") for n in range(4)))
    checks.same("async: calls of one context wait for each other", [r.text for r in results], ["0", "1", "2", "3"])
    await sandbox.remove_code_context(context.id)
    checks.same("async list_code_contexts", len(await sandbox.list_code_contexts()), 1)
    checks.same("async error", (await sandbox.run_code("1 / 0")).error.name, "ZeroDivisionError")
    checks.same("async commands", (await sandbox.commands.run("echo beside")).stdout, "beside\n")
    checks.same("async kill", await sandbox.kill(), True)


def main():
    sandbox = Sandbox.create(timeout=600, envs={"GREETING": "hello"})
    try:
        code(sandbox)
        errors(sandbox)
        formats(sandbox)
        callbacks(sandbox)
        contexts(sandbox)
        environment(sandbox)
        timeouts(sandbox)
        asyncio.run(asynchronous())
    finally:
        sandbox.kill()


try:
    main()
finally:
    checks.end()
