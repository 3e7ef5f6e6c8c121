//! Python as people use it.

use sandpiper::{DenialReason, Exec, Exit, Spec, Stdin};

use crate::harness::{Printed, assert_exit, assert_prints, python, run, workspace};

fn python3(arguments: &[&str]) -> sandpiper::Outcome {
    run(Spec::default(), Exec::new(["python3"].iter().chain(arguments).copied()))
}

#[test]
fn the_ways_to_start_it() {
    assert_prints(&python3(&["-c", "import sys; print(sys.argv)", "a", "-b"]), "['-c', 'a', '-b']\n");
    assert_prints(&python3(&["-I", "-c", "print(1)"]), "1\n");
    assert_prints(&python3(&["-E", "-s", "-u", "-B", "-c", "print(1)"]), "1\n");
    assert_prints(&python3(&["-V"]), "Python 3.13.5\n");
    let module = Exec::new(["python3", "-m", "json.tool"]).stdin(Stdin::bytes("[]"));
    assert_prints(&run(Spec::default(), module), "[]\n");
    let piped = Exec::new(["python3", "-", "x"]).stdin(Stdin::bytes("import sys\nprint(sys.argv)"));
    assert_prints(&run(Spec::default(), piped), "['-', 'x']\n");
    assert_prints(&run(Spec::default(), Exec::new(["python3"]).stdin(Stdin::bytes("print(2)"))), "2\n");
}

#[test]
fn a_script_has_its_name_arguments_and_neighbours() {
    let (folder, spec) = workspace();
    std::fs::create_dir(folder.path().join("package")).unwrap();
    std::fs::write(folder.path().join("package/__init__.py"), "name = __name__").unwrap();
    std::fs::write(
        folder.path().join("script.py"),
        "import sys, package\nprint(__name__, __file__, sys.argv[1:], package.name)",
    )
    .unwrap();
    let outcome = run(spec, Exec::new(["python3", "script.py", "x"]));
    assert_prints(&outcome, "__main__ /workspace/script.py ['x'] package\n");
}

#[test]
fn what_is_written_or_read_at_once_is_all_of_it() {
    let outcome = python3(&["-u", "-c", "print('x' * 5_000_000)"]);
    assert_exit(&outcome, &Exit::Code { code: 0 });
    assert_eq!(outcome.stdout.bytes.len(), 5_000_001);
    let (_folder, spec) = workspace();
    let outcome = python(
        spec,
        r#"
import os, subprocess, sys
data = os.urandom(1 << 16) * 50 + b'end'
fd = os.open('f', os.O_RDWR | os.O_CREAT)
assert os.write(fd, data) == len(data)
assert os.pread(fd, len(data) + 9, 0) == data
os.lseek(fd, 0, 0)
assert os.read(fd, len(data) + 9) == data
assert os.pwrite(fd, data, 5) == len(data)
assert os.pread(fd, len(data), 5) == data
with open('/tmp/f', 'wb', buffering=0) as file:
    assert file.write(data) == len(data)
code = 'import os, sys; sys.exit(os.write(1, open("/tmp/f", "rb").read()) != ' + str(len(data)) + ')'
child = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE)
assert (child.returncode, child.stdout == data) == (0, True)
print('whole')
"#,
    );
    assert_prints(&outcome, "whole\n");
}

#[test]
fn exit_codes_are_pythons() {
    let code = |program: &str| python(Spec::default(), program).exit;
    assert_eq!(code("import sys; sys.exit(3)"), Exit::Code { code: 3 });
    assert_eq!(code("raise ValueError"), Exit::Code { code: 1 });
    assert_eq!(code("import sys; sys.exit('text')"), Exit::Code { code: 1 });
    assert_eq!(code("import os; os._exit(255)"), Exit::Code { code: 255 });
    assert_eq!(python3(&["-Z"]).exit, Exit::Code { code: 2 });
}

#[test]
fn a_traceback_shows_the_line() {
    let outcome = python(Spec::default(), "def f():\n    return 1 / 0\nf()");
    assert_exit(&outcome, &Exit::Code { code: 1 });
    assert_eq!(
        outcome.stderr(),
        "Traceback (most recent call last):\n  File \"<string>\", line 3, in <module>\n    f()\n    ~^^\n  \
         File \"<string>\", line 2, in f\n    return 1 / 0\n           ~~^~~\nZeroDivisionError: division by zero\n"
    );
}

#[test]
fn a_hash_seed_of_ones_own_takes_another_start() {
    let hash = |seed: &str| {
        run(Spec::default(), Exec::new(["python3", "-c", "print(hash('a'))"]).env("PYTHONHASHSEED", seed))
            .stdout()
    };
    assert_eq!(hash("5"), hash("5"));
    assert_ne!(hash("5"), hash("0"));
    assert_ne!(hash("random"), hash("random"));
    assert_eq!(hash("0"), python(Spec::default(), "print(hash('a'))").stdout());
}

#[test]
fn the_standard_library_works() {
    let (_folder, spec) = workspace();
    for (program, printed) in [
        (
            "import sqlite3; c = sqlite3.connect('d'); c.execute('create table t(x)'); c.execute('insert into t values(7)'); c.commit(); print(sqlite3.connect('d').execute('select x from t').fetchone())",
            "(7,)\n",
        ),
        (
            "import zlib, bz2, lzma; d = b'x' * 999; print([m.decompress(m.compress(d)) == d for m in (zlib, bz2, lzma)])",
            "[True, True, True]\n",
        ),
        (
            "import hashlib; print(hashlib.sha256(b'a').hexdigest()[:8], hashlib.md5(b'a').hexdigest()[:8])",
            "ca978112 0cc175b9\n",
        ),
        ("import decimal; print(decimal.Decimal(1) / 7)", "0.1428571428571428571428571429\n"),
        (
            "import xml.etree.ElementTree as e; print(e.fromstring('<a><b x=\"1\"/></a>')[0].attrib)",
            "{'x': '1'}\n",
        ),
        (
            "import asyncio\nasync def f(): await asyncio.sleep(0.01); return 5\nprint(asyncio.run(f()))",
            "5\n",
        ),
        (
            "import tempfile, pathlib, shutil\nwith tempfile.TemporaryDirectory() as d:\n p = pathlib.Path(d, 'a'); p.write_text('x'); shutil.copy(p, p.with_name('b')); print(sorted(x.name for x in p.parent.iterdir()))",
            "['a', 'b']\n",
        ),
        (
            "import zipfile\nwith zipfile.ZipFile('z', 'w') as z: z.writestr('n', 'v')\nprint(zipfile.ZipFile('z').read('n'))",
            "b'v'\n",
        ),
        (
            "import datetime; print(datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC).isoformat())",
            "2026-01-02T00:00:00+00:00\n",
        ),
    ] {
        assert_prints(&python(spec.clone(), program), printed);
    }
}

#[test]
fn packages_come_from_a_path_or_a_venv() {
    let (folder, spec) = workspace();
    for site in ["libs", ".venv/lib/python3.13/site-packages"] {
        let package = folder.path().join(site).join(site.trim_start_matches('.').split('/').next().unwrap());
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("__init__.py"), "value = 42").unwrap();
    }
    assert_prints(&python(spec.clone(), "import venv as v; print(v.value)"), "42\n");
    let exec =
        Exec::new(["python3", "-c", "import libs; print(libs.value)"]).env("PYTHONPATH", "/workspace/libs");
    assert_prints(&run(spec, exec), "42\n");
}

#[test]
fn an_import_uses_what_the_program_has_put_in_the_way() {
    let (folder, spec) = workspace();
    for (program, printed) in [
        (
            "import xml.etree.ElementTree as e; print(type(e.Element.__init__).__name__)",
            "wrapper_descriptor\n",
        ),
        (
            "import sys; sys.modules['_elementtree'] = None; import xml.etree.ElementTree as e; print(type(e.Element.__init__).__name__)",
            "function\n",
        ),
        ("import cmd; print(len(cmd.IDENTCHARS))", "63\n"),
    ] {
        assert_prints(&python(spec.clone(), program), printed);
    }
    std::fs::write(folder.path().join("string.py"), "ascii_letters, digits = 'a', '1'").unwrap();
    assert_prints(&python(spec, "import cmd; print(cmd.IDENTCHARS)"), "a1_\n");
}

#[test]
fn a_ready_module_is_as_if_imported_now() {
    let program = "import decimal, xml.parsers.expat.errors as e\nprint(e.__name__, [n for n in vars(decimal) if 'sandpiper' in n])";
    assert_prints(&python(Spec::default(), program), "pyexpat.errors []\n");
}

#[test]
fn an_empty_path_names_nothing() {
    let (folder, spec) = workspace();
    std::fs::write(folder.path().join("kept"), "x").unwrap();
    let attempt = |path: &str| {
        let program = format!(
            "import os, shutil
path = {path:?}
print(os.path.exists(path), os.access(path, os.R_OK))
for name in 'stat lstat listdir scandir chdir rmdir unlink utime readlink mkdir'.split():
    try: print(name, bool(getattr(os, name)(path)))
    except OSError as e: print(name, e.strerror)
for call in lambda: open(path), lambda: os.rename(path, 'b'), lambda: os.rename('kept', path), lambda: shutil.rmtree(path):
    try: call()
    except OSError as e: print(e.strerror)"
        );
        python(spec.clone(), &program).stdout()
    };
    let nothing = "No such file or directory\n";
    let names =
        ["stat", "lstat", "listdir", "scandir", "chdir", "rmdir", "unlink", "utime", "readlink", "mkdir"];
    let each: String = names.iter().map(|name| format!("{name} {nothing}")).collect();
    assert_eq!(attempt(""), format!("False False\n{each}{}", nothing.repeat(4)));
    assert_eq!(std::fs::read(folder.path().join("kept")).unwrap(), b"x");
    // A dot is the folder.
    assert!(attempt(".").starts_with("True True\nstat True\nlstat True\nlistdir True\n"));
}

#[test]
fn wrong_arguments_are_the_programs_fault_before_anything_is_refused() {
    for (call, error) in [
        ("os.execv('a', [])", "ValueError"),
        ("os.execv('a', [''])", "ValueError"),
        ("os.execv('a', 'b')", "TypeError"),
        ("os.execve('a', ['a'], {'A=B': 'c'})", "ValueError"),
        ("os.execve('a', ['a'], {'A': 'b\\0'})", "ValueError"),
        ("os.execvpe('a', [], None)", "ValueError"),
        ("os.execv('a', ['a'])", "FileNotFoundError"),
        ("os.execvpe('a', ['a'], {'A': 'b'})", "FileNotFoundError"),
        ("hashlib.scrypt(b'', salt=b'', n=2, r=1, p=1, maxmem=-1)", "ValueError"),
        ("hashlib.scrypt(b'', salt=b'', n=2, r=1, p=1, maxmem=None)", "TypeError"),
    ] {
        let program =
            format!("import hashlib, os\ntry: {call}\nexcept Exception as e: print(type(e).__name__)");
        assert_prints(&python(Spec::default(), &program), &format!("{error}\n"));
    }
}

#[test]
fn what_is_refused_has_a_name_and_a_signature() {
    let program =
        "import inspect, os\nprint(os.fork.__name__, inspect.signature(os.fork), hasattr(os, 'posix_spawn'))";
    assert_prints(&python(Spec::default(), program), "fork (*args, **kwargs) True\n");
}

#[test]
fn what_wasi_lacks_says_so_and_is_told() {
    for (program, error, feature) in [
        ("import threading; threading.Thread(target=print).start()", "RuntimeError", "threads"),
        ("import socket; socket.socket()", "OSError", "sockets"),
        ("import os; os.fork()", "OSError", "processes"),
        ("import ctypes", "ImportError", "module"),
    ] {
        let outcome = python(Spec::default(), program);
        assert_exit(&outcome, &Exit::Code { code: 1 });
        assert!(outcome.stderr().contains("sandpiper"), "{program}: {}", outcome.stderr());
        assert!(
            outcome.stderr().contains(error) || outcome.stderr().contains("ModuleNotFoundError"),
            "{program}: {}",
            outcome.stderr()
        );
        let told = outcome
            .denials
            .iter()
            .any(|denial| denial.operation == feature && denial.reason == DenialReason::Unsupported);
        assert!(told, "{program}: {:?}", outcome.denials);
    }
}

#[test]
fn permission_bits_of_private_files_hold_for_their_owner() {
    let program = "
import os
def attempt(what, call):
    try: call(); print(what)
    except OSError as e: print(what, e.strerror)
def look(mode):
    os.chmod('/tmp/d', mode)
    print(oct(mode))
    attempt('list', lambda: os.listdir('/tmp/d'))
    attempt('stat', lambda: os.stat('/tmp/d/f'))
    attempt('read', lambda: open('/tmp/d/f').read())
    attempt('make', lambda: open('/tmp/d/g', 'w').close())
    attempt('make a directory', lambda: os.mkdir('/tmp/d/e'))
    attempt('link', lambda: os.link('/tmp/f', '/tmp/d/h'))
    attempt('move out', lambda: os.rename('/tmp/d/f', '/tmp/x'))
    attempt('remove', lambda: os.unlink('/tmp/d/f'))
os.mkdir('/tmp/d')
for name in ('/tmp/f', '/tmp/d/f'): open(name, 'w').close()
look(0o500); look(0o400); look(0o200)
os.chmod('/tmp/f', 0o200)
attempt('read', lambda: open('/tmp/f').read()); attempt('write', lambda: open('/tmp/f', 'w').close())
os.chmod('/tmp/f', 0o400)
attempt('read', lambda: open('/tmp/f').read()); attempt('write', lambda: open('/tmp/f', 'w').close())
os.chmod('/tmp/d', 0o700); os.unlink('/tmp/d/f'); os.rmdir('/tmp/d')
with open(os.open('/tmp/new', os.O_WRONLY | os.O_CREAT, 0o400), 'w') as f: f.write('x')
print(open('/tmp/new').read())
";
    let denied = |what: &str| format!("{what} Permission denied\n");
    let all: String =
        ["make", "make a directory", "link", "move out", "remove"].iter().map(|what| denied(what)).collect();
    let expected = [
        "0o500\nlist\nstat\nread\n".to_owned() + &all,
        "0o400\nlist\n".to_owned() + &denied("stat") + &denied("read") + &all,
        "0o200\n".to_owned() + &denied("list") + &denied("stat") + &denied("read") + &all,
        denied("read") + "write\nread\n" + &denied("write") + "x\n",
    ];
    assert_prints(&python(Spec::default(), program), &expected.concat());
}
