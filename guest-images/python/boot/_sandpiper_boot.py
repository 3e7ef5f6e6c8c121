"""What the interpreter does beside CPython: serving the standard library out of the snapshot, refusing
clearly what WASI cannot do, and beginning a run.

Its code is compiled under the name of CPython's import machinery, so that its frames stay out of tracebacks.
"""

import _imp
import marshal
import sys

import _frozen_importlib as _bootstrap
import _frozen_importlib_external as _external
import _sandpiper

STDLIB = '/usr/lib/python3.13'
# As on Linux.
_ENOTSUP = 95

# Modules of CPython's own that this build cannot have, each with the feature that is missing.
_MISSING = {
    'ctypes': 'module', '_ctypes': 'module', 'ssl': 'module', '_ssl': 'module', 'mmap': 'module',
    'fcntl': 'module', 'termios': 'module', 'tty': 'module', 'pty': 'processes', 'resource': 'module',
    'pwd': 'module', 'grp': 'module', 'syslog': 'module', 'readline': 'module', '_curses': 'module',
    'curses': 'module', '_tkinter': 'module', 'tkinter': 'module', 'turtle': 'module', 'idlelib': 'module',
    'ensurepip': 'module', 'venv': 'module', 'dbm.gnu': 'module', '_gdbm': 'module', 'dbm.ndbm': 'module', '_dbm': 'module',
    '_multiprocessing': 'processes', '_posixshmem': 'processes',
    'multiprocessing.synchronize': 'processes', 'multiprocessing.shared_memory': 'processes',
    '_interpreters': 'threads', '_interpchannels': 'threads', '_interpqueues': 'threads',
}


# Of what forks: a program of its own does the same.
_INSTEAD = 'start another python3 with subprocess'


def _refuse(exception, feature, subject, instead=None):
    number = _ENOTSUP if exception is OSError else 0
    return _sandpiper.refusal(exception, number, feature, subject, instead)


def _asks_for_itself():
    """Whether the program, not the standard library on its behalf, is importing."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith('<frozen importlib'):
        frame = frame.f_back
    return frame is not None and not frame.f_code.co_filename.startswith(STDLIB)


class _LastFinder:
    """Asked when nobody else has the module: says why it cannot be had."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        feature = _MISSING.get(fullname)
        if feature is not None:
            if _asks_for_itself():
                _sandpiper.unsupported(feature, f'import {fullname}')
            raise ModuleNotFoundError(f'No module named {fullname!r}: {_sandpiper.WAY_OUT}', name=fullname)
        extension = _find_extension(fullname.rpartition('.')[2], sys.path if path is None else path)
        if extension is not None:
            _sandpiper.unsupported('native-extension', f'import {fullname}')
            raise ImportError(
                f'{fullname}: the native extension {extension} is {_sandpiper.WAY_OUT}',
                name=fullname, path=extension)
        return None


def _find_extension(stem, path):
    import posix
    for entry in path:
        if not isinstance(entry, str):
            continue
        try:
            names = posix.listdir(entry or '.')
        except OSError:
            continue
        for name in sorted(names):
            if name.startswith(stem + '.') and name.endswith(('.so', '.pyd', '.dylib')):
                return f'{entry}/{name}' if entry else name
    return None


# -- Adjusting modules of the standard library ---------------------------------------------------------

def _adjust_socket(module):
    refuse = _refuse(OSError, 'sockets', 'socket')
    for name in ('getaddrinfo', 'gethostbyname', 'gethostbyname_ex', 'gethostbyaddr', 'getnameinfo',
                 'socketpair', 'fromfd', 'create_connection', 'create_server', 'getfqdn'):
        setattr(module, name, _refuse(OSError, 'sockets', f'socket.{name}'))
    module.socket.__init__ = refuse
    module.gethostname = lambda: 'sandpiper'


class _PipeEnd:
    """What a loop needs of the sockets by which it wakes itself, over an end of a pipe."""

    def __init__(self, fd):
        import os
        os.set_blocking(fd, False)
        self._fd = fd

    def fileno(self):
        return self._fd

    def recv(self, count):
        import os
        return os.read(self._fd, count)

    def send(self, data):
        import os
        return os.write(self._fd, data)

    def close(self):
        import os
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _adjust_asyncio_selectors(module):
    def make_self_pipe(self):
        import os
        self._ssock, self._csock = map(_PipeEnd, os.pipe())
        self._internal_fds += 1
        self._add_reader(self._ssock.fileno(), self._read_from_self)

    module.BaseSelectorEventLoop._make_self_pipe = make_self_pipe


def _adjust_asyncio_unix_events(module):
    class PollingChildWatcher(module.AbstractChildWatcher):
        """Asks now and then whether a child has ended: there is no thread that could wait for it."""

        # Others of the kind are deprecated.
        __module__ = module.__name__

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def is_active(self):
            return True

        def close(self):
            pass

        def attach_loop(self, loop):
            pass

        def add_child_handler(self, pid, callback, *args):
            import os
            loop = module.events.get_running_loop()

            def look(delay):
                try:
                    ended, status = os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    # As ThreadedChildWatcher has it.
                    ended, status = pid, 255 << 8
                if ended:
                    callback(pid, os.waitstatus_to_exitcode(status), *args)
                elif not loop.is_closed():
                    loop.call_later(delay, look, min(delay * 2, 0.02))

            loop.call_soon(look, 0.0005)

        def remove_child_handler(self, pid):
            return True

    def init_watcher(self):
        if self._watcher is None:
            self._watcher = PollingChildWatcher()

    module._UnixDefaultEventLoopPolicy._init_watcher = init_watcher


def _adjust_process_pool(module):
    module.ProcessPoolExecutor.__init__ = _refuse(OSError, 'processes', 'ProcessPoolExecutor', _INSTEAD)
    # Called by __init__ natively, and by nothing else.
    module.ProcessPoolExecutor.shutdown = lambda self, wait=True, *, cancel_futures=False: None


def _adjust_multiprocessing(module):
    module.BaseProcess.start = _refuse(OSError, 'processes', 'multiprocessing', _INSTEAD)


def _adjust_multiprocessing_context(module):
    for name in ('Lock', 'RLock', 'Condition', 'Semaphore', 'BoundedSemaphore', 'Event', 'Barrier', 'Queue',
                 'JoinableQueue', 'SimpleQueue', 'Pool', 'Manager', 'Value', 'Array', 'Pipe'):
        setattr(module.BaseContext, name, _refuse(OSError, 'processes', f'multiprocessing.{name}', _INSTEAD))


def _adjust_hashlib(module):
    def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
        if dklen is None:
            dklen = module.new(hash_name).digest_size
        return _sandpiper.pbkdf2_hmac(hash_name.lower().replace('-', ''), password, salt, iterations, dklen)

    def scrypt(password, *, salt, n, r, p, maxmem=0, dklen=64):
        if maxmem < 0:
            raise ValueError('maxmem must be positive and smaller than 2147483647')
        return _sandpiper.scrypt(password, salt, n, r, p, maxmem or 32 * 1024 * 1024, dklen)

    for function in (pbkdf2_hmac, scrypt):
        function.__module__ = 'hashlib'
        function.__qualname__ = function.__name__
        setattr(module, function.__name__, function)
    module.__all__ += ('pbkdf2_hmac',) if 'pbkdf2_hmac' not in module.__all__ else ()


def _adjust_signal(module):
    def valid_signals():
        return {module._int_to_enum(number, module.Signals) for number in range(1, module.NSIG)
                if number not in (32, 33)}

    valid_signals.__module__ = 'signal'
    valid_signals.__qualname__ = 'valid_signals'
    module.valid_signals = valid_signals


_ADJUSTMENTS = {
    'asyncio.selector_events': _adjust_asyncio_selectors,
    'asyncio.unix_events': _adjust_asyncio_unix_events,
    'concurrent.futures.process': _adjust_process_pool,
    'hashlib': _adjust_hashlib,
    'multiprocessing.context': _adjust_multiprocessing_context,
    'multiprocessing.process': _adjust_multiprocessing,
    'signal': _adjust_signal,
    'socket': _adjust_socket,
}


def _refuse_processes():
    """Gives os the functions of a POSIX program that there are not here; all of them refuse."""
    import os
    instead = 'start a program with subprocess'

    def get(name):
        # The standard library asks whether these are there, and must hear no; a program gets the refusal.
        if name in ('fork', 'forkpty', 'posix_spawn', 'posix_spawnp') and not _is_asked_by_standard_library():
            return _refuse(OSError, 'processes', f'os.{name}', instead)
        raise AttributeError(f"module 'os' has no attribute {name!r}")

    os.__getattr__ = get


def _add_spawns():
    """The functions of os that start a program, which natively are there where fork is."""
    import os

    def start(mode, places, args, env):
        import _posixsubprocess
        if not isinstance(args, (tuple, list)):
            raise TypeError('argv must be a tuple or a list')
        if not args or not args[0]:
            raise ValueError('argv first element cannot be empty')
        if env is not None:
            names = [(os.fsencode(name), os.fsencode(value)) for name, value in env.items()]
            if any(b'=' in name for name, _ in names):
                raise ValueError('illegal environment variable name')
            env = [name + b'=' + value for name, value in names]
        reader, writer = os.pipe()
        try:
            pid = _posixsubprocess.fork_exec(args, places, False, (writer,), None, env, -1, -1, -1, -1, -1, -1,
                                             reader, writer, False, False, -1, None, None, None, -1, None, False)
        finally:
            os.close(writer)
            failed = bool(os.read(reader, 1))
            os.close(reader)
        if mode == os.P_NOWAIT:
            return pid
        _, status = os.waitpid(pid, 0)
        # As of a child that could not become the program.
        return 127 if failed else os.waitstatus_to_exitcode(status)

    def places(file, env):
        file = os.fsencode(file)
        if os.path.dirname(file):
            return (file,)
        return tuple(os.path.join(os.fsencode(folder), file) for folder in os.get_exec_path(env))

    def spawnv(mode, file, args):
        return start(mode, (os.fsencode(file),), args, None)

    def spawnve(mode, file, args, env):
        return start(mode, (os.fsencode(file),), args, env)

    def spawnvp(mode, file, args):
        return start(mode, places(file, None), args, None)

    def spawnvpe(mode, file, args, env):
        return start(mode, places(file, env), args, env)

    def spawnl(mode, file, *args):
        return spawnv(mode, file, args)

    def spawnle(mode, file, *args):
        return spawnve(mode, file, args[:-1], args[-1])

    def spawnlp(mode, file, *args):
        return spawnvp(mode, file, args)

    def spawnlpe(mode, file, *args):
        return spawnvpe(mode, file, args[:-1], args[-1])

    os.P_WAIT = 0
    os.P_NOWAIT = os.P_NOWAITO = 1
    for function in (spawnv, spawnve, spawnvp, spawnvpe, spawnl, spawnle, spawnlp, spawnlpe):
        function.__module__ = 'os'
        function.__qualname__ = function.__name__
        setattr(os, function.__name__, function)


def _is_asked_by_standard_library():
    return sys._getframe(2).f_code.co_filename.startswith((STDLIB, '<frozen'))


def _add_identity():
    """The user, of whom WASI knows nothing."""
    import os
    for name, value in (('getuid', 1000), ('geteuid', 1000), ('getgid', 1000), ('getegid', 1000)):
        if not hasattr(os, name):
            setattr(os, name, lambda value=value: value)


def install():
    """What warm and cold interpreters share. Called once, before any other import."""
    import _thread
    for name in ('start_new_thread', 'start_new', 'start_joinable_thread'):
        setattr(_thread, name, _refuse(RuntimeError, 'threads', "can't start new thread"))
    _refuse_processes()
    _add_spawns()
    _add_identity()
    sys.meta_path.insert(0, _StandardFinder)
    sys.meta_path.append(_LastFinder)


# -- The standard library out of the snapshot ----------------------------------------------------------

# Name -> (is a package, marshalled code); empty in a cold interpreter.
_CODE = {}
# Name -> module, imported when the snapshot was made and not yet by the program.
_READY = {}
# Name -> the names that importing it imports.
_CLOSURES = {}
# Name -> its spec, in place of which the import machinery puts one of its own.
_SPECS = {}
# Name -> functions for atexit that importing it registers.
_EXITS = {}
# Names of _READY that the program has.
_taken = set()
# Served before the program's own files, as natively: builtin and frozen modules.
_FIRST = frozenset()


class _Loader(_external.SourceFileLoader):
    """Reads source from the image's files, and code from the snapshot."""

    def get_code(self, fullname):
        entry = _CODE.get(fullname)
        if entry is None:
            return super().get_code(fullname)
        return marshal.loads(entry[1])

    def exec_module(self, module):
        super().exec_module(module)
        adjust = _ADJUSTMENTS.get(module.__name__)
        if adjust is not None:
            adjust(module)


class _ReadyLoader(_Loader):
    """Hands out a module of the snapshot."""

    def create_module(self, spec):
        return _READY[spec.name]

    def exec_module(self, module):
        name = module.__spec__.name
        module.__spec__ = _SPECS[name]
        _hand_out(name)


def _hand_out(name):
    """Makes a module of the snapshot the program's, with all that its import would have imported."""
    modules = sys.modules
    for other in _CLOSURES.get(name, ()):
        if other not in modules:
            modules[other] = _READY[other]
            _take(other)
    _take(name)


def _take(name):
    _taken.add(name)
    renew = _RENEWALS.get(name)
    if renew is not None:
        renew(_READY[name])
    exits = _EXITS.get(name)
    if exits is not None:
        import atexit
        for function in exits:
            atexit.register(function)


def _is_ready(name):
    """Whether importing the module would give what the snapshot has: not so when the program has put something
    else into sys.modules for what it imports, or has a file of that name."""
    if name not in _READY or name in _taken:
        return False
    modules = sys.modules
    for other in _CLOSURES[name]:
        if other in modules:
            if modules[other] is not _READY[other]:
                return False
        elif other in _taken or _is_shadowed(other):
            return False
    return True


def _is_shadowed(name):
    """Whether the program's own directories, as last listed, have the module."""
    if '.' in name or name in _FIRST:
        return False
    for entry in sys.path:
        if entry == STDLIB:
            return False
        finder = sys.path_importer_cache.get(entry or _working_directory())
        names = getattr(finder, '_path_cache', None)
        if names and (name in names or f'{name}.py' in names):
            return True
    return False


def _working_directory():
    import posix
    try:
        return posix.getcwd()
    except OSError:
        return None


class _StandardFinder:
    """Finds the standard library where sys.path has it, without looking at the disk."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        is_new = fullname in _READY and fullname not in _taken
        if not is_new and fullname not in _CODE and (fullname not in _ADJUSTMENTS or path is not None and not _is_standard(path)):
            return None
        if fullname in _FIRST:
            return _bootstrap.ModuleSpec(fullname, _ReadyLoader(fullname, None)) if _is_ready(fullname) else None
        if path is None:
            before = []
            for entry in sys.path:
                if entry == STDLIB:
                    break
                if entry != '/usr/lib/python313.zip':
                    before.append(entry)
            else:
                return None
            if before:
                spec = _external.PathFinder.find_spec(fullname, before, target)
                if spec is not None and spec.loader is not None:
                    return spec
        elif not _is_standard(path):
            return None
        spec = _standard_spec(fullname, path)
        # Asked last: by now the program's directories have been listed.
        if _is_ready(fullname):
            spec.loader.__class__ = _ReadyLoader
        return spec

    @staticmethod
    def invalidate_caches():
        pass


def _is_standard(path):
    for entry in path:
        return isinstance(entry, str) and entry.startswith(STDLIB)
    return False


def _standard_spec(fullname, path):
    entry = _CODE.get(fullname)
    if entry is None:
        spec = _external.PathFinder.find_spec(fullname, [STDLIB] if path is None else path)
        if spec is not None and type(spec.loader) is _external.SourceFileLoader:
            spec.loader.__class__ = _Loader
        return spec
    base = f'{STDLIB}/{fullname.replace(".", "/")}'
    filename = f'{base}/__init__.py' if entry[0] else f'{base}.py'
    return _external.spec_from_file_location(
        fullname, filename, loader=_Loader(fullname, filename),
        submodule_search_locations=[base] if entry[0] else None)


# -- Making the snapshot -------------------------------------------------------------------------------

# Imported when the snapshot is made: what programs commonly use.
_PRELOADED = """
argparse array ast asyncio base64 binascii bisect bz2 calendar cmath cmd code codecs collections
collections.abc colorsys concurrent.futures concurrent.futures.thread configparser contextlib contextvars copy copyreg csv
dataclasses datetime decimal difflib dis doctest email email.message email.parser email.mime.text
email.mime.multipart encodings.ascii encodings.idna encodings.latin_1 encodings.utf_8_sig encodings.utf_16
encodings.cp1252 enum errno fileinput filecmp fnmatch fractions
ftplib functools gc getopt getpass glob graphlib gzip hashlib heapq hmac html html.parser http http.client http.server
importlib importlib.abc importlib.machinery importlib.metadata importlib.resources importlib.util inspect io
ipaddress itertools json json.tool keyword linecache locale logging logging.config logging.handlers lzma marshal
math mimetypes numbers opcode operator optparse pathlib pdb pickle pickletools pkgutil platform plistlib pprint
profile cProfile pstats py_compile queue quopri random re reprlib runpy sched secrets select selectors shelve shlex
shutil signal site socket socketserver sqlite3 statistics string stringprep struct subprocess symtable
sysconfig tarfile tempfile textwrap threading time timeit token tokenize trace traceback tracemalloc types
typing unicodedata unittest unittest.mock urllib.error urllib.parse urllib.request uuid warnings wave
weakref xml xml.dom.minidom xml.etree.ElementTree xml.sax xmlrpc.client zipapp zipfile zipimport zlib zoneinfo
_strptime _pydatetime
""".split()

# In sys.modules from the start, as natively after `import site`, plus linecache, which `-c` imports.
_STARTED = frozenset("""
sys builtins _frozen_importlib _imp _thread _warnings _weakref _io marshal posix _frozen_importlib_external time
zipimport _codecs codecs encodings encodings.aliases encodings.utf_8 _signal _abc abc io __main__ _stat stat
_collections_abc genericpath posixpath os.path os _sitebuiltins site linecache _sandpiper
""".split())


def _renew_logging(module):
    import time
    module._startTime = time.time_ns()


def _renew_tempfile(module):
    module._name_sequence = None
    module.tempdir = None


def _renew_zoneinfo(module):
    import os
    if 'PYTHONTZPATH' in os.environ and not sys.flags.ignore_environment:
        module.reset_tzpath()


# State that a run must not share with the snapshot, made anew when the program gets the module.
_RENEWALS = {
    'random': lambda module: module.seed(),
    'logging': _renew_logging,
    'tempfile': _renew_tempfile,
    'zoneinfo': _renew_zoneinfo,
}


class _Recorder:
    """Notes which module-level import statement imports what, and who registers for atexit."""

    def __init__(self):
        self.imports = {}
        self.exits = {}

    def __enter__(self):
        import atexit
        import builtins
        self.real_import = builtins.__import__
        self.real_register = atexit.register
        builtins.__import__ = self.note_import
        atexit.register = self.note_exit
        return self

    def __exit__(self, *exception):
        import atexit
        import builtins
        builtins.__import__ = self.real_import
        atexit.register = self.real_register
        atexit._clear()

    def note_import(self, name, globals=None, locals=None, fromlist=(), level=0):
        result = self.real_import(name, globals, locals, fromlist, level)
        frame = sys._getframe(1)
        if globals is not None and frame.f_code.co_name == '<module>' and '__name__' in globals:
            if level:
                package = globals.get('__package__') or globals['__name__'].rpartition('.')[0]
                base = package.rsplit('.', level - 1)[0] if level > 1 else package
                name = f'{base}.{name}' if name else base
            found = self.imports.setdefault(globals['__name__'], {})
            parts = name.split('.')
            for count in range(1, len(parts) + 1):
                found['.'.join(parts[:count])] = None
            for item in fromlist or ():
                if f'{name}.{item}' in sys.modules:
                    found[f'{name}.{item}'] = None
        return result

    def note_exit(self, function, *args, **keywords):
        frame = sys._getframe(1)
        self.exits.setdefault(frame.f_globals['__name__'], []).append(function)
        return function

    def closure(self, name):
        """All that importing the module imports, what is needed first coming first."""
        order = {}

        def visit(current):
            parent = current.rpartition('.')[0]
            for other in ([parent] if parent else []) + list(self.imports.get(current, ())):
                if other not in order and other != name and other in sys.modules and other not in _STARTED:
                    order[other] = None
                    visit(other)
                    order[other] = order.pop(other)
            # Put there by the module itself, as pyexpat.errors is.
            for other in _unimported(current):
                order[other] = None
        visit(name)
        return tuple(order)


def _unimported(parent):
    """Submodules that no import has made."""
    return [name for name, module in sys.modules.items()
            if name.rpartition('.')[0] == parent and name not in _STARTED
            and (module.__spec__ is None or module.__spec__.name != name)]


def _read_standard_library():
    import os
    suffix = '.' + sys.implementation.cache_tag + '.pyc'
    for directory, directories, names in os.walk(STDLIB):
        # In one order everywhere, for the same snapshot everywhere.
        directories.sort()
        if os.path.basename(directory) != '__pycache__':
            continue
        package = os.path.dirname(directory)[len(STDLIB) + 1:].replace('/', '.')
        if package.startswith('site-packages'):
            continue
        for name in sorted(names):
            if not name.endswith(suffix) or name.count('.') != 2:
                continue
            with open(os.path.join(directory, name), 'rb') as file:
                code = file.read()[16:]
            stem = name[:-len(suffix)]
            fullname = package if stem == '__init__' else f'{package}.{stem}' if package else stem
            _CODE[fullname] = (stem == '__init__', code)
    # As natively, frozen modules stay frozen: their names are in tracebacks.
    for fullname in [fullname for fullname in _CODE if _imp.is_frozen(fullname)]:
        del _CODE[fullname]


def prepare():
    """Loads the standard library and exercises what every run does."""
    global _FIRST
    _read_standard_library()
    sys.dont_write_bytecode = True
    with _Recorder() as recorder:
        for name in _PRELOADED:
            __import__(name)
    _FIRST = frozenset(
        name for name in sys.modules
        if name in sys.builtin_module_names or _imp.is_frozen(name) and not name.startswith('__'))
    for name in sorted(sys.modules):
        _CLOSURES[name] = recorder.closure(name)
    _EXITS.update(recorder.exits)
    import site
    site.ENABLE_USER_SITE = True
    site.setquit()
    site.setcopyright()
    site.sethelper()
    import atexit
    _exercise()
    atexit._clear()


def _exercise():
    """Runs common code often enough for CPython to specialise it, so that runs need not write to it."""
    import asyncio
    import datetime
    import decimal
    import io
    import json
    import linecache
    import re
    import tempfile
    import traceback

    async def nothing():
        await asyncio.sleep(0)

    for _ in range(20):
        code = compile("import sys\nprint('hi')\n", '<string>', 'exec')
        linecache._register_code(code, "print('hi')", '<string>')
        linecache._interactive_cache.clear()
        re.compile(r'(\w+)\s*=\s*(\d+)').match('a = 1')
        re.purge()
        json.loads(json.dumps({'a': [1, 2.5, None, True, 'x']}, indent=1))
        io.StringIO().write(f'{1.5:.2f} {decimal.Decimal("1.1"):f}')
        datetime.datetime.fromtimestamp(0).isoformat()
        try:
            raise ValueError('x')
        except ValueError as error:
            ''.join(traceback.format_exception(error))
    asyncio.run(nothing())
    asyncio.set_event_loop_policy(None)
    tempfile._name_sequence = None
    linecache.clearcache()


def settle():
    """Brings sys to where a native start leaves it; the last Python to run before the snapshot."""
    import gc
    import os
    for name in list(sys.modules):
        if name in _STARTED or name.startswith('_sandpiper'):
            continue
        module = sys.modules.pop(name)
        _SPECS[name] = module.__spec__
        _READY[name] = module
    # A submodule that is not imported yet is not an attribute yet; setting it is the import's work.
    del sys.modules['_sandpiper_boot']
    sys.path_importer_cache.clear()
    os.environ._data.clear()
    for name in ('last_exc', 'last_type', 'last_value', 'last_traceback'):
        if hasattr(sys, name):
            delattr(sys, name)
    gc.collect()
    for _ in range(30):
        begin({}, None, 0)
    sys.path[:] = ['/usr/lib/python313.zip', STDLIB]
    gc.collect()


# -- A run ---------------------------------------------------------------------------------------------

def _insert_search_path(search_path):
    import os
    for position, entry in enumerate(search_path.split(':')):
        entry = os.path.abspath(entry)
        sys.path.insert(position, entry)


def _add_site_directories(config_has_user_site=True):
    import os
    import site
    venv = os.path.join(os.getcwd(), '.venv', 'lib')
    try:
        names = sorted(os.listdir(venv))
    except OSError:
        names = []
    for name in names:
        if name.startswith('python3'):
            site.addsitedir(os.path.join(venv, name, 'site-packages'))
    return site


def _begin_site():
    site = _add_site_directories()
    known = set(sys.path)
    site.ENABLE_USER_SITE = site.check_enableusersite()
    site.addusersitepackages(known)
    site.addsitepackages(known)
    site.execsitecustomize()
    if site.ENABLE_USER_SITE:
        site.execusercustomize()


def begin(environ, search_path, flags):
    """Gives a warm interpreter this run's environment, filters and paths.

    `flags`: 1 if there are warning options, 2 if there are site directories, 4 for -S.
    """
    sys.modules['os'].environ._data.update(environ)
    if search_path is not None:
        _insert_search_path(search_path)
    if flags:
        _begin_unusual(flags)


def _begin_unusual(flags):
    import builtins
    if flags & 1:
        import warnings
        warnings._processoptions(sys.warnoptions)
    if flags & 2:
        _begin_site()
    if flags & 4:
        for name in ('exit', 'quit', 'copyright', 'credits', 'license', 'help'):
            builtins.__dict__.pop(name, None)


def begin_cold(search_path, has_site):
    """The same for a cold interpreter, which has done the rest by itself."""
    if search_path is not None:
        _insert_search_path(search_path)
    if has_site:
        _add_site_directories()
