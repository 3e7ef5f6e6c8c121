"""What runs in the `python3` of an interpreter: it takes one piece of code after the other, and keeps their names.

Standard input brings a line of JSON for each piece, the first line the token of this interpreter. On standard output
a message is 0x1E, the token, a line of JSON; whatever else comes there was written by what the code has started.
"""

import ast
import base64
import builtins
import inspect
import io
import json
import linecache
import os
import sys
import traceback
import types


def take_input():
    """The descriptor that brings the pieces; programs that the code starts find nothing on standard input."""
    try:
        ours = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        return ours
    except (AttributeError, OSError):
        return 0


INPUT = take_input()
waiting = bytearray()


def next_line():
    while (end := waiting.find(b"\n")) < 0:
        piece = os.read(INPUT, 65536)
        if not piece:
            return None
        waiting.extend(piece)
    line = bytes(waiting[:end])
    del waiting[: end + 1]
    return json.loads(line)


MARK = b"\x1e" + next_line()["token"].encode()


def say(kind, **fields):
    line = MARK + json.dumps({"kind": kind, **fields}).encode() + b"\n"
    while line:
        line = line[os.write(1, line) :]


class Stream(io.RawIOBase):
    """Standard output or error of the code."""

    def __init__(self, kind, descriptor):
        self.kind, self.descriptor = kind, descriptor
        self.other = None

    def writable(self):
        return True

    def fileno(self):
        return self.descriptor

    def write(self, data):
        data = bytes(data)
        if data:
            say(self.kind, bytes=base64.b64encode(data).decode())
        return len(data)


class NoInput(io.TextIOBase):
    def readable(self):
        return True

    def readline(self, size=-1):
        raise EOFError("there is no standard input here: put the values into the code")

    def read(self, size=-1):
        return self.readline()


def text_stream(kind, descriptor):
    buffer = io.BufferedWriter(Stream(kind, descriptor))
    return io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)


sys.stdout, sys.stderr = text_stream("stdout", 1), text_stream("stderr", 2)
sys.stdin = NoInput()


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError):
            pass


# By what a value says of itself, as in notebooks: the method, the field, and whether it gives bytes.
FORMATS = [
    ("_repr_html_", "html", "text/html"),
    ("_repr_markdown_", "markdown", "text/markdown"),
    ("_repr_svg_", "svg", "image/svg+xml"),
    ("_repr_png_", "png", "image/png"),
    ("_repr_jpeg_", "jpeg", "image/jpeg"),
    ("_repr_pdf_", "pdf", "application/pdf"),
    ("_repr_latex_", "latex", "text/latex"),
    ("_repr_json_", "json", "application/json"),
    ("_repr_javascript_", "javascript", "application/javascript"),
]
FIELDS = {mime: field for _, field, mime in FORMATS} | {"text/plain": "text"}


def plain(value):
    """The text of a value: its repr; that of a text without its quotes, as E2B gives it."""
    text = repr(value)
    return text[1:-1] if type(value) is str else text


def asked(value, name):
    """What a method of a value gives; a pair is data and metadata."""
    method = None if isinstance(value, type) else getattr(value, name, None)
    given = method() if callable(method) else None
    return given[0] if isinstance(given, tuple) and len(given) == 2 else given


def portable(data):
    return base64.b64encode(data).decode() if isinstance(data, (bytes, bytearray)) else data


def described(value):
    fields, extra = {"text": plain(value)}, {}
    for name, field, _ in FORMATS:
        if (data := asked(value, name)) is not None:
            fields[field] = portable(data)
    for mime, data in (asked(value, "_repr_mimebundle_") or {}).items():
        (fields if mime in FIELDS else extra)[FIELDS.get(mime, mime)] = portable(data)
    return fields | ({"extra": extra} if extra else {})


def show(value, main):
    fields = described(value)
    flush()
    say("result", fields=fields | {"is_main_result": main})


def display(*values, **_):
    """Shows values beside the result, as notebooks do."""
    for value in values:
        show(value, False)


def shell(command):
    """What a line that begins with `!` does."""
    import subprocess

    flush()
    subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL)


def without_marks(code):
    """The code, with lines that begin with `!` as calls."""
    lines = []
    for line in code.split("\n"):
        rest = line.lstrip()
        indent = line[: len(line) - len(rest)]
        lines.append(f"{indent}__shell__({rest[1:]!r})" if rest.startswith("!") else line)
    return "\n".join(lines)


def parsed(code, name):
    try:
        return ast.parse(code, name)
    except SyntaxError:
        if "!" not in code:
            raise
        try:
            return ast.parse(without_marks(code), name)
        except SyntaxError:
            pass
        raise


async def carry_out(parts, names):
    """What the last of the parts gives."""
    value = None
    for part in parts:
        value = eval(part, names)
        if part.co_flags & inspect.CO_COROUTINE:
            value = await value
    return value


def finish(work):
    """Runs to its end what never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("it waits without a loop")


def in_loop(work):
    """Runs to its end what may wait, in the one loop of all cells, so that tasks go on with the next that waits."""
    global loop
    import asyncio

    if loop is None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop.run_until_complete(work)


def evaluate(code, name, names):
    tree = parsed(code, name)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    parts = [compile(tree, name, "exec", flags)]
    if last is not None:
        parts.append(compile(last, name, "eval", flags))
    waits = any(part.co_flags & inspect.CO_COROUTINE for part in parts)
    value = (in_loop if waits else finish)(carry_out(parts, names))
    # A semicolon at the end says that nobody wants to see it.
    if last is not None and value is not None and not code.rstrip().endswith(";"):
        names["_"] = value
        show(value, True)


def own_frames(trace):
    """The frames without those that lead to the cell."""
    cell = trace
    while cell is not None and not cell.tb_frame.f_code.co_filename.startswith("<cell "):
        cell = cell.tb_next
    if cell is not None:
        return cell
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def report(error):
    trace = own_frames(error.__traceback__)
    text = "".join(traceback.format_exception(type(error), error, trace))
    try:
        value = str(error)
    except Exception as inner:
        value = f"<its text cannot be made: {type(inner).__name__}>"
    say("error", name=type(error).__name__, value=value, traceback=text)


def run(request, count, names):
    code, name = request["code"], f"<cell {count}>"
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    before = {variable: os.environ.get(variable) for variable in request["env"]}
    try:
        os.environ.update(request["env"])
        evaluate(code, name, names)
        flush()
    except BaseException as error:
        flush()
        report(error)
    finally:
        # What else the code has set is its own.
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value


def main():
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, __shell__=shell, display=display)
    sys.modules["__main__"] = module
    sys.argv = [""]
    count = 0
    while (request := next_line()) is not None:
        count += 1
        say("count", count=count)
        try:
            run(request, count, module.__dict__)
        except KeyboardInterrupt:
            # It came late, when the code had ended.
            pass
        say("done")


__file__ = "<string>"
loop = None
main()
