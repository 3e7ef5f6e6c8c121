"""Packs the standard library into the image's `files` tree: sources, and code compiled for them.

Run by the build-python of the same source tree: pack.py LIB_DIR SYSCONFIG_DATA BOOT OUT_DIR
"""

import importlib._bootstrap_external as external
import os
import re
import shutil
import sys

SKIPPED_DIRECTORIES = {'__pycache__', '__phello__', 'config', 'ensurepip', 'idlelib', 'idle_test', 'site-packages',
                       'test', 'tests', 'tkinter', 'turtledemo', 'venv', 'curses', 'ctypes'}
# Those that need a module which WASI cannot have are refused by name (_MISSING of the boot module).
SKIPPED_FILES = {'turtle.py', '__hello__.py', 'tty.py', 'pty.py', 'ssl.py'}
DATA_SUFFIXES = ('.txt', '.toml', '.json', '.rst', '.css')


# In files of the standard library, what holds on WASI elsewhere and not in the sandbox.
CHANGED = {
    'subprocess.py': [('_can_fork_exec = sys.platform not in {"emscripten", "wasi", "ios", "tvos", "watchos"}',
                       '_can_fork_exec = True')],
}


def changed(source, relative):
    """The file as the sandbox has it."""
    for old, new in CHANGED.get(relative.replace(os.sep, '/'), ()):
        if source.count(old.encode()) != 1:
            raise SystemExit(f'{relative} has not one line: {old}')
        source = source.replace(old.encode(), new.encode())
    return source


def compile_file(source, filename, target):
    """Writes the code of a source file as an unchecked pyc: the image is read-only."""
    code = compile(source, filename, 'exec', dont_inherit=True, optimize=0)
    # Unchecked: no look at the source at import.
    pyc = external._code_to_hash_pyc(code, b'\0' * 8, False)
    with open(target, 'wb') as file:
        file.write(pyc)


def add(source_path, relative, root):
    with open(source_path, 'rb') as file:
        add_content(changed(file.read(), relative), relative, root)


def add_content(source, relative, root):
    target = os.path.join(root, relative)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, 'wb') as file:
        file.write(source)
    if not relative.endswith('.py'):
        return
    cache = os.path.join(os.path.dirname(target), '__pycache__')
    os.makedirs(cache, exist_ok=True)
    stem = os.path.basename(relative)[:-len('.py')]
    compile_file(source, '/usr/lib/python3.13/' + relative.replace(os.sep, '/'),
                 os.path.join(cache, f'{stem}.{sys.implementation.cache_tag}.pyc'))


def without_host_paths(path):
    """The module of sysconfig's answers, saying nothing of the machine that built it."""
    scope = {}
    with open(path, encoding='utf-8') as file:
        exec(file.read(), scope)
    # The build's folders, absolute or beside one another; the first digits of a digest end their names.
    folder = re.compile(r'(?:/[^\s=:\'"]*|\.\.)/(?:source|native|libraries|cpython|toolchain)-[0-9a-f]{12}')

    def clean(value):
        return folder.sub('/usr/src/python', value) if isinstance(value, str) else value

    variables = {name: clean(value) for name, value in sorted(scope['build_time_vars'].items())}
    lines = ''.join(f' {name!r}: {value!r},\n' for name, value in variables.items())
    return f'# system configuration generated and used by the sysconfig module\nbuild_time_vars = {{\n{lines}}}\n'.encode()


def main(library, sysconfig_data, boot, out):
    root = os.path.join(out, 'usr', 'lib', 'python3.13')
    for directory, directories, names in os.walk(library):
        directories[:] = sorted(name for name in directories
                                if name not in SKIPPED_DIRECTORIES and not name.startswith('_test'))
        for name in sorted(names):
            if name in SKIPPED_FILES or not name.endswith(('.py', *DATA_SUFFIXES)):
                continue
            path = os.path.join(directory, name)
            add(path, os.path.relpath(path, library), root)
    add_content(without_host_paths(sysconfig_data), os.path.basename(sysconfig_data), root)
    shutil.copyfile(boot, os.path.join(root, '_sandpiper_boot.py'))


main(*sys.argv[1:])
