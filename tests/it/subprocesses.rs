//! Python starts programs, talks with them and learns how they end, as CPython's documentation has it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use sandpiper::{Access, DenialReason, Exec, Exit, Spec};

use crate::harness::{Printed, assert_exit, assert_prints, granting, python, run, workspace};

/// Asserts what a Python program prints.
#[track_caller]
fn prints(program: &str, stdout: &str) {
    assert_prints(&python(Spec::default(), program), stdout);
}

/// Asserts the exception that each statement raises, as its type and text.
#[track_caller]
fn raises(cases: &[(&str, &str)]) {
    for (statement, error) in cases {
        let program = format!(
            "import os, signal, subprocess, sys\ntry: {statement}\nexcept BaseException as e: print(type(e).__name__, e)"
        );
        assert_prints(&python(Spec::default(), &program), &format!("{error}\n"));
    }
}

#[test]
fn run_gives_the_output_and_the_status() {
    prints(
        "import subprocess, sys\n\
         done = subprocess.run([sys.executable, '-c', 'import sys; print(6 * 7); print(1, file=sys.stderr); sys.exit(3)'], capture_output=True, text=True)\n\
         print(sys.executable, done.returncode, repr(done.stdout), repr(done.stderr))\n\
         print(subprocess.check_output(['echo', 'hi']))\n\
         print(subprocess.call(['false']), subprocess.getstatusoutput('echo x; exit 4'))",
        "/usr/bin/python3 3 '42\\n' '1\\n'\nb'hi\\n'\n1 (4, 'x')\n",
    );
}

#[test]
fn a_program_gets_its_arguments_as_they_are() {
    prints(
        "import subprocess\n\
         print(subprocess.check_output(['printf', '<%s>', 'a b', '', '*', '$HOME', 'ü', b'c'], text=True))",
        "<a b><><*><$HOME><ü><c>\n",
    );
}

#[test]
fn a_mebibyte_goes_both_ways_without_deadlock() {
    prints(
        "import subprocess, sys\n\
         data = bytes(range(256)) * 4096\n\
         child = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n\
         out, _ = child.communicate(data)\n\
         print(len(out), out == data, child.returncode)\n\
         both = 'import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d); sys.stderr.buffer.write(d)'\n\
         done = subprocess.run([sys.executable, '-c', both], input=data, capture_output=True)\n\
         print(done.stdout == data, done.stderr == data)",
        "1048576 True 0\nTrue True\n",
    );
}

#[test]
fn a_conversation_goes_line_by_line() {
    prints(
        "import subprocess, sys\n\
         loop = 'for line in iter(input, \"\"): print(line.upper(), flush=True)'\n\
         with subprocess.Popen([sys.executable, '-c', loop], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as child:\n\
         \x20\x20\x20\x20for word in ('one', 'two'):\n\
         \x20\x20\x20\x20\x20\x20\x20\x20child.stdin.write(word + '\\n')\n\
         \x20\x20\x20\x20\x20\x20\x20\x20print(child.stdout.readline(), end='')\n\
         \x20\x20\x20\x20print(child.poll())\n\
         \x20\x20\x20\x20child.stdin.write('\\n')\n\
         print(child.returncode)",
        "ONE\nTWO\nNone\n0\n",
    );
}

#[test]
fn what_does_not_end_in_time_is_killed() {
    prints(
        "import subprocess, sys, time\n\
         start = time.monotonic()\n\
         for endless in (['sleep', '100'], [sys.executable, '-c', 'print(1, flush=True)\\nwhile True: pass']):\n\
         \x20\x20\x20\x20try:\n\
         \x20\x20\x20\x20\x20\x20\x20\x20subprocess.run(endless, timeout=1, capture_output=True)\n\
         \x20\x20\x20\x20except subprocess.TimeoutExpired as error:\n\
         \x20\x20\x20\x20\x20\x20\x20\x20print(error.timeout, error.stdout)\n\
         child = subprocess.Popen(['sleep', '100'])\n\
         try:\n\
         \x20\x20\x20\x20child.wait(0.05)\n\
         except subprocess.TimeoutExpired:\n\
         \x20\x20\x20\x20child.kill()\n\
         print(child.wait(), time.monotonic() - start < 50)",
        "1 None\n1 b'1\\n'\n-9 True\n",
    );
}

#[test]
fn text_has_the_encoding_that_is_asked_for() {
    prints(
        "import subprocess\n\
         print(subprocess.run(['cat'], input='zwölf\\r\\n', text=True, stdout=subprocess.PIPE).stdout.encode())\n\
         print(subprocess.run(['cat'], input='ö', encoding='latin-1', stdout=subprocess.PIPE).stdout)\n\
         print(subprocess.run(['printf', r'\\377'], encoding='ascii', errors='replace', stdout=subprocess.PIPE).stdout)",
        "b'zw\\xc3\\xb6lf\\n'\nö\n\u{fffd}\n",
    );
}

#[test]
fn a_program_starts_in_the_directory_and_environment_that_it_is_given() {
    prints(
        "import os, subprocess, sys\n\
         os.mkdir('/tmp/d'); os.symlink('d', '/tmp/l')\n\
         print(subprocess.check_output(['pwd'], cwd='/tmp/l', text=True), end='')\n\
         os.chdir('/tmp')\n\
         print(subprocess.check_output(['pwd'], text=True), end='')\n\
         print(subprocess.check_output([sys.executable, '-c', 'import os; print(os.getcwd())'], cwd='d', text=True), end='')\n\
         print(subprocess.check_output(['env'], env={'A': '1', 'PATH': '/bin'}, text=True).split())\n\
         os.environ['SEEN'] = 'yes'\n\
         print(subprocess.check_output('echo $SEEN', shell=True, text=True), end='')",
        "/tmp/d\n/tmp\n/tmp/d\n['A=1', 'PATH=/bin']\nyes\n",
    );
}

#[test]
fn a_shell_runs_pipelines() {
    prints(
        "import os, subprocess\n\
         print(subprocess.check_output('printf \"b\\\\na\\\\n\" | sort | tr a-z A-Z', shell=True))\n\
         print(subprocess.run('yes | head -n 2; exit 5', shell=True, stdout=subprocess.PIPE))\n\
         print(os.popen('echo popen').read(), end='')\n\
         with os.popen('cat > /tmp/written; exit 3', 'w') as file: file.write('x' * 10)\n\
         print(open('/tmp/written').read(), flush=True)\n\
         print(os.waitstatus_to_exitcode(os.system('echo system; exit 6')))",
        "b'A\\nB\\n'\nCompletedProcess(args='yes | head -n 2; exit 5', returncode=5, stdout=b'y\\ny\\n')\n\
         popen\nxxxxxxxxxx\nsystem\n6\n",
    );
}

#[test]
fn streams_go_where_they_are_sent() {
    prints(
        "import subprocess, sys\n\
         both = 'echo out; echo err >&2'\n\
         print(subprocess.check_output(both, shell=True, stderr=subprocess.STDOUT))\n\
         print(subprocess.run(both, shell=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))\n\
         print(subprocess.check_output(['cat'], stdin=subprocess.DEVNULL))\n\
         with open('/tmp/f', 'w') as file: subprocess.run(both, shell=True, stdout=file, stderr=file)\n\
         with open('/tmp/f') as file: print(subprocess.check_output(['cat'], stdin=file))\n\
         sys.stdout.flush()\n\
         subprocess.run(['echo', 'inherited'])",
        "b'out\\nerr\\n'\nCompletedProcess(args='echo out; echo err >&2', returncode=0, stdout=b'out\\n')\nb''\n\
         b'out\\nerr\\n'\ninherited\n",
    );
}

#[test]
fn programs_can_be_joined_by_a_pipe() {
    prints(
        "import subprocess\n\
         first = subprocess.Popen(['seq', '1000'], stdout=subprocess.PIPE)\n\
         second = subprocess.Popen(['tail', '-n', '1'], stdin=first.stdout, stdout=subprocess.PIPE)\n\
         first.stdout.close()\n\
         print(second.communicate()[0], first.wait(), second.returncode)",
        "b'1000\\n' 0 0\n",
    );
}

#[test]
fn a_program_has_only_the_descriptors_that_are_passed() {
    prints(
        "import os, subprocess, sys\n\
         r, w = os.pipe()\n\
         print(os.get_inheritable(w), os.get_inheritable(1), os.get_inheritable(os.dup2(w, 40)), os.get_inheritable(d := os.dup(40)))\n\
         os.close(40); os.close(d)\n\
         listing = 'import os\\nfor fd in range(3, 50):\\n try: os.fstat(fd)\\n except OSError: pass\\n else: os.write(fd, b\"%d\" % fd)'\n\
         subprocess.run([sys.executable, '-c', listing], check=True)\n\
         subprocess.run([sys.executable, '-c', listing], pass_fds=[w], check=True)\n\
         os.set_inheritable(w, True)\n\
         subprocess.run([sys.executable, '-c', listing], close_fds=False, check=True)\n\
         os.close(w)\n\
         print(os.read(r, 100), os.read(r, 100))",
        "False True True False\nb'44' b''\n",
    );
}

#[test]
fn a_signal_that_ended_a_program_is_its_return_code() {
    prints(
        "import os, signal, subprocess\n\
         for end in (lambda child: child.kill(), lambda child: child.terminate(), lambda child: child.send_signal(signal.SIGINT)):\n\
         \x20\x20\x20\x20child = subprocess.Popen(['sleep', '100'])\n\
         \x20\x20\x20\x20end(child)\n\
         \x20\x20\x20\x20print(child.wait())\n\
         pid, status = os.wait() if subprocess.Popen(['true']) else None\n\
         print(os.WIFEXITED(status), os.WEXITSTATUS(status), os.WIFSIGNALED(9), os.WTERMSIG(9))\n\
         try: os.wait()\n\
         except ChildProcessError as error: print(error)",
        "-9\n-15\n-2\nTrue 0 True 9\n[Errno 10] No child processes\n",
    );
}

#[test]
fn a_program_that_cannot_be_started_is_an_error_that_names_it() {
    prints(
        "import os, subprocess\n\
         os.mkdir('/tmp/d')\n\
         with open('/tmp/plain', 'w') as file: file.write('true')\n\
         with open('/tmp/text', 'w') as file: file.write('true')\n\
         os.chmod('/tmp/text', 0o755)\n\
         with open('/tmp/lost', 'w') as file: file.write('#!/no/such/interpreter\\n')\n\
         os.chmod('/tmp/lost', 0o755)\n\
         for args, more in ((['none'], {}), (['/tmp/none'], {}), (['/tmp/plain'], {}), (['/tmp/d'], {}), (['/tmp/text'], {}),\n\
         \x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20(['/tmp/plain/x'], {}), (['true'], {'cwd': '/none'}), (['true'], {'cwd': '/tmp/plain'}), (['/tmp/lost'], {})):\n\
         \x20\x20\x20\x20try: subprocess.run(args, **more)\n\
         \x20\x20\x20\x20except OSError as error: print(type(error).__name__, error)\n\
         print(subprocess.call('none', shell=True, stderr=subprocess.DEVNULL), os.system('exit 0'))",
        "FileNotFoundError [Errno 2] No such file or directory: 'none'\n\
         FileNotFoundError [Errno 2] No such file or directory: '/tmp/none'\n\
         PermissionError [Errno 13] Permission denied: '/tmp/plain'\n\
         PermissionError [Errno 13] Permission denied: '/tmp/d'\n\
         OSError [Errno 8] Exec format error: '/tmp/text'\n\
         NotADirectoryError [Errno 20] Not a directory: '/tmp/plain/x'\n\
         FileNotFoundError [Errno 2] No such file or directory: '/none'\n\
         NotADirectoryError [Errno 20] Not a directory: '/tmp/plain'\n\
         FileNotFoundError [Errno 2] No such file or directory: '/tmp/lost'\n127 0\n",
    );
}

#[test]
fn a_check_fails_with_the_output() {
    raises(&[
        (
            "subprocess.run('echo x; exit 3', shell=True, check=True, stdout=subprocess.PIPE)",
            "CalledProcessError Command 'echo x; exit 3' returned non-zero exit status 3.",
        ),
        (
            "subprocess.run('kill -9 $$', shell=True, check=True)",
            "CalledProcessError Command 'kill -9 $$' died with <Signals.SIGKILL: 9>.",
        ),
        ("subprocess.run(['a\\0b'])", "ValueError embedded null byte"),
        ("os.kill(123456789, 0)", "ProcessLookupError [Errno 3] No such process"),
        ("signal.signal(signal.SIGKILL, signal.SIG_IGN)", "OSError [Errno 22] Invalid argument"),
    ]);
}

#[test]
fn bash_runs_python_from_a_document_and_from_a_script() {
    let (folder, spec) = workspace();
    fs::write(
        folder.path().join("script"),
        "#!/usr/bin/env python3\nimport sys; print(sys.argv, sys.flags.optimize)\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("cold"),
        "#!/usr/bin/python3 -O\nimport sys; print(sys.argv, sys.flags.optimize)\n",
    )
    .unwrap();
    for name in ["script", "cold"] {
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = "cd /workspace\npython3 - a <<'EOF'\nimport os, sys\nprint(sys.argv, os.getcwd())\nEOF\n./script b\n./cold c\necho 1 | python3 -c 'print(int(input()) + 1)'";
    assert_prints(
        &run(spec, Exec::new(["bash", "-c", script])),
        "['-', 'a'] /workspace\n['./script', 'b'] 0\n['./cold', 'c'] 1\n2\n",
    );
}

#[test]
fn a_cold_python_starts_programs_too() {
    let program = "import os, subprocess, sys\nprint(sys.flags.optimize, subprocess.check_output('pwd; echo $A', shell=True, env={'A': 'b'}, cwd='/tmp'))\nos.kill(os.getpid(), 2)";
    let outcome = run(Spec::default(), Exec::new(["python3", "-O", "-c", program]));
    assert_exit(&outcome, &Exit::Signal { signal: 2 });
    assert_eq!(outcome.stdout(), "1 b'/tmp\\nb\\n'\n");
}

#[test]
fn a_handler_gets_the_signal_and_the_program_goes_on() {
    prints(
        "import os, signal, subprocess, sys, time\n\
         got = []\n\
         print(signal.signal(signal.SIGTERM, lambda number, frame: got.append(number)))\n\
         os.kill(os.getpid(), signal.SIGTERM)\n\
         signal.raise_signal(signal.SIGTERM)\n\
         subprocess.run(f'kill {os.getpid()}', shell=True)\n\
         while len(got) < 3: pass\n\
         print(got, signal.getsignal(signal.SIGINT))\n\
         signal.signal(signal.SIGCHLD, lambda number, frame: got.append(number))\n\
         child = subprocess.Popen(['sleep', '0.05'])\n\
         time.sleep(10)\n\
         while len(got) < 4: pass\n\
         print(got[3] == signal.SIGCHLD, child.wait())",
        "0\n[15, 15, 15] <built-in function default_int_handler>\nTrue 0\n",
    );
}

#[test]
fn a_child_handles_what_its_parent_sends() {
    prints(
        "import signal, subprocess, sys\n\
         for wait in ('time.sleep(100)', 'while True: pass', 'sys.stdin.read()'):\n\
         \x20\x20\x20\x20program = f'import signal, sys, time\\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\\nprint(1, flush=True)\\n{wait}'\n\
         \x20\x20\x20\x20child = subprocess.Popen([sys.executable, '-c', program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n\
         \x20\x20\x20\x20child.stdout.readline()\n\
         \x20\x20\x20\x20child.terminate()\n\
         \x20\x20\x20\x20print(child.wait())",
        "7\n7\n7\n",
    );
}

#[test]
fn an_interrupt_is_pythons_exception_and_unless_caught_its_end() {
    prints(
        "import os, signal\n\
         try: os.kill(os.getpid(), signal.SIGINT)\n\
         except KeyboardInterrupt: print('caught')",
        "caught\n",
    );
    let outcome = python(
        Spec::default(),
        "import atexit, os, signal\natexit.register(print, 'end')\nos.kill(os.getpid(), signal.SIGINT)\nprint('not reached')",
    );
    assert_exit(&outcome, &Exit::Signal { signal: 2 });
    assert_eq!(outcome.stdout(), "end\n");
    assert!(outcome.stderr().ends_with("\nKeyboardInterrupt\n"), "{}", outcome.stderr());
}

#[test]
fn a_write_that_nobody_reads_is_an_exception() {
    prints(
        "import os, subprocess\n\
         r, w = os.pipe()\n\
         os.close(r)\n\
         try: os.write(w, b'x')\n\
         except BrokenPipeError as error: print(error)\n\
         print(subprocess.run(['true'], input=b'x' * 1000000).returncode)\n\
         print(subprocess.run('yes | head -n 1', shell=True, stdout=subprocess.DEVNULL).returncode)",
        "[Errno 32] Broken pipe\n0\n0\n",
    );
}

#[test]
fn a_program_takes_the_place_of_python() {
    prints("import os\nos.chdir('/tmp')\nos.execvp('sh', ['sh', '-c', 'pwd; exit 0'])", "/tmp\n");
    let outcome = python(Spec::default(), "import os\nos.execlp('sh', 'sh', '-c', 'exit 9')");
    assert_exit(&outcome, &Exit::Code { code: 9 });
    let outcome = python(Spec::default(), "import os\nos.execle('/bin/sh', 'sh', '-c', 'kill $$', {})");
    assert_exit(&outcome, &Exit::Signal { signal: 15 });
    raises(&[("os.execv('/none', ['none'])", "FileNotFoundError [Errno 2] No such file or directory")]);
}

#[test]
fn os_starts_programs_by_itself() {
    prints(
        "import os\n\
         print(os.spawnlp(os.P_WAIT, 'sh', 'sh', '-c', 'exit 5'), os.spawnv(os.P_WAIT, '/none', ['none']))\n\
         print(os.spawnle(os.P_WAIT, '/bin/sh', 'sh', '-c', 'exit $A', {'A': '4'}))\n\
         pid = os.spawnvp(os.P_NOWAIT, 'sh', ['sh', '-c', 'kill $$'])\n\
         print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))",
        "5 127\n4\n-15\n",
    );
}

#[test]
fn processes_know_their_numbers() {
    prints(
        "import os, subprocess, sys\n\
         child = subprocess.Popen([sys.executable, '-c', 'import os; print(os.getpid(), os.getppid(), os.getpgid(0) == os.getpid())'], stdout=subprocess.PIPE, text=True, start_new_session=True)\n\
         print(child.communicate()[0].split() == [str(child.pid), str(os.getpid()), 'True'], os.getppid())\n\
         child = subprocess.Popen(['sleep', '100'], preexec_fn=os.setsid)\n\
         os.killpg(os.getpgid(child.pid), 15)\n\
         print(child.wait())",
        "True 1\n-15\n",
    );
}

#[test]
fn modes_are_set_and_kept() {
    prints(
        "import os, shutil, stat, subprocess, tempfile\n\
         os.chdir('/tmp')\n\
         mode = lambda path: oct(stat.S_IMODE(os.stat(path).st_mode))\n\
         open('f', 'w').close(); os.mkdir('d', 0o700)\n\
         print(mode('f'), mode('d'), mode(tempfile.mkstemp()[1]), mode(tempfile.mkdtemp()), mode('/usr/bin/env'))\n\
         os.chmod('f', 0o751); shutil.copy('f', 'g')\n\
         print(mode('f'), mode('g'), os.access('f', os.X_OK), os.access('/usr/bin/env', os.W_OK), shutil.which('env'))\n\
         print(oct(os.umask(0o077)), oct(os.umask(0o077)))\n\
         open('h', 'w').close(); os.makedirs('e/e')\n\
         os.close(os.open('i', os.O_CREAT | os.O_WRONLY))\n\
         print(mode('h'), mode('e'), mode('i'), subprocess.check_output('umask', shell=True), subprocess.check_output('umask', shell=True, umask=0o27))",
        "0o644 0o700 0o600 0o700 0o755\n0o751 0o751 True False /usr/bin/env\n0o22 0o77\n\
         0o600 0o700 0o700 b'0077\\n' b'0027\\n'\n",
    );
}

#[test]
fn what_forks_is_refused_and_says_what_to_use() {
    for (program, error) in [
        (
            "import os; os.fork()",
            "os.fork: not available in sandpiper's local WASM sandbox; start a program with subprocess, or ",
        ),
        ("import os; os.posix_spawn('/bin/true', ['true'], {})", "start a program with subprocess"),
        (
            "import subprocess; subprocess.run(['true'], preexec_fn=print)",
            "say what the child needs with cwd, env, umask",
        ),
        (
            "import multiprocessing; multiprocessing.Process(target=print).start()",
            "start another python3 with subprocess",
        ),
        ("import multiprocessing; multiprocessing.Pool()", "start another python3 with subprocess"),
        (
            "import concurrent.futures; concurrent.futures.ProcessPoolExecutor()",
            "start another python3 with subprocess",
        ),
    ] {
        let outcome = python(Spec::default(), program);
        assert_exit(&outcome, &Exit::Code { code: 1 });
        assert!(outcome.stderr().contains(error), "{program}: {}", outcome.stderr());
        let told = outcome
            .denials
            .iter()
            .any(|denial| denial.operation == "processes" && denial.reason == DenialReason::Unsupported);
        assert!(told, "{program}: {:?}", outcome.denials);
    }
}

/// What a command was refused for want of it, in the order in which that was told.
fn told(folder: &std::path::Path, argv: &[&str]) -> Vec<(String, String)> {
    let outcome = run(granting(folder, Access::ReadWrite), Exec::new(argv.iter().copied()));
    let unsupported = outcome.denials.into_iter().filter(|denial| denial.reason == DenialReason::Unsupported);
    unsupported.map(|denial| (denial.operation, denial.subject)).collect()
}

#[test]
fn a_program_that_is_nowhere_is_told_by_who_was_to_start_it() {
    let folder = tempfile::tempdir().unwrap();
    let node = [("command".to_owned(), "node".to_owned())];
    for script in [
        "node",
        "env A=1 node --version",
        "nohup node",
        "timeout 5 node",
        "echo x | xargs node",
        "find . -maxdepth 0 -exec node {} ';'",
        "find . -maxdepth 0 -exec node {} +",
        "printf '#!/usr/bin/node\\n' > s; chmod +x s; ./s",
        "printf '#!/opt/node/bin/node\\n' > s; chmod +x s; ./s",
        "printf '#!/usr/bin/env node\\n' > s; chmod +x s; ./s",
    ] {
        assert_eq!(told(folder.path(), &["bash", "-c", script]), node, "{script}");
    }
    for program in [
        "import subprocess; subprocess.run(['node', '--version'])",
        "import subprocess; subprocess.Popen(('node',), stdout=subprocess.PIPE)",
        "import asyncio; asyncio.run(asyncio.create_subprocess_exec('node'))",
        "import subprocess
try: subprocess.run(['node'])
except FileNotFoundError: raise RuntimeError('install node')",
        "import subprocess
try: subprocess.run(['node'])
except FileNotFoundError as err: raise SystemError('install node') from err",
    ] {
        assert_eq!(told(folder.path(), &["python3", "-c", program]), node, "{program}");
    }
}

#[test]
fn a_program_that_is_cared_for_or_no_command_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    for argv in [
        ["bash", "-c", "command -v node || type node || ./node; env ./node; xargs ./node < /dev/null"],
        ["python3", "-c", "open('node')"],
        ["python3", "-c", "import subprocess; subprocess.run(['./node'])"],
        ["python3", "-c", "import subprocess; subprocess.run(['true'], cwd='node')"],
        ["python3", "-c", "import shutil; print(shutil.which('node')); open('node')"],
        [
            "python3",
            "-c",
            "import subprocess
try: subprocess.run(['node'])
except FileNotFoundError: pass
raise ValueError('of something else')",
        ],
    ] {
        assert_eq!(told(folder.path(), &argv), [], "{argv:?}");
    }
}

#[test]
fn machine_code_is_told_when_it_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let script = "printf '\\177ELF\\2\\1\\1\\0\\0' > tool; chmod +x tool; ./tool; echo $?";
    let native = [("native-code".to_owned(), "./tool".to_owned())];
    assert_eq!(told(folder.path(), &["bash", "-c", script]), native);
    let program = "import subprocess; subprocess.run(['./tool'])";
    assert_eq!(told(folder.path(), &["python3", "-c", program]), native);
}

#[test]
fn asyncio_runs_programs_and_hears_signals() {
    prints(
        r"
import asyncio, os, signal

async def main():
    child = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
    data = bytes(range(256)) * 1000
    print((await child.communicate(data))[0] == data, child.returncode)
    child = await asyncio.create_subprocess_exec('sleep', '100')
    try:
        await asyncio.wait_for(child.wait(), 0.05)
    except TimeoutError:
        child.terminate()
    print(await child.wait())
    shells = [await asyncio.create_subprocess_shell(f'echo {n}; exit {n}', stdout=-1) for n in (1, 2)]
    print([await shell.communicate() for shell in shells], [shell.returncode for shell in shells])
    heard = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
    child = await asyncio.create_subprocess_shell(f'sleep 0.05; kill -USR1 {os.getpid()}')
    await heard.wait()
    print(await child.wait())

asyncio.run(main())",
        "True 0\n-15\n[(b'1\\n', None), (b'2\\n', None)] [1, 2]\n0\n",
    );
}

#[test]
fn select_sees_what_a_pipe_is_ready_for() {
    prints(
        "import os, select\n\
         r, w = os.pipe()\n\
         print(select.select([r], [w], [], 0) == ([], [w], []), os.write(w, b'x'), select.select([r], [], [], 5) == ([r], [], []))\n\
         os.close(r)\n\
         print(select.select([], [w], [], 5) == ([], [w], []))\n\
         r, w = os.pipe()\n\
         os.close(w)\n\
         print(select.select([r], [], [], 5) == ([r], [], []), os.read(r, 1))\n\
         r, w = os.pipe()\n\
         os.set_blocking(w, False)\n\
         print(os.write(w, bytes(100000)), select.select([], [w], [], 0))\n\
         try: os.write(w, b'x')\n\
         except BlockingIOError as error: print(error)",
        "True 1 True\nTrue\nTrue b''\n65536 ([], [], [])\n[Errno 11] Resource temporarily unavailable\n",
    );
}

#[test]
fn the_outcome_lists_the_processes_and_what_they_used() {
    let script = "seq 100000 | sort -n | tail -1; (exit 3); sleep 100 & sleep 0.2";
    let outcome = run(Spec::default(), Exec::new(["bash", "-c", script]));
    assert_prints(&outcome, "100000\n");
    assert_eq!(outcome.usage.processes, outcome.processes.len() as u64);
    let listed = |command: &str| {
        let found = outcome.processes.iter().find(|process| process.command == command);
        found.unwrap_or_else(|| panic!("no {command}: {:#?}", outcome.processes))
    };
    let first = &outcome.processes[0];
    assert_eq!((first.parent, first.command.as_str()), (1, format!("bash -c {script}").as_str()));
    assert_eq!(first.exit, Some(Exit::Code { code: 0 }));
    assert_eq!(listed("seq 100000").exit, Some(Exit::Code { code: 0 }));
    assert!(outcome.processes.iter().any(|process| process.exit == Some(Exit::Code { code: 3 })));
    // Ended with the first.
    assert_eq!(listed("sleep 100").exit, None);
    assert!(listed("sort -n").peak_memory_bytes > listed("tail -1").peak_memory_bytes);
    let fuel: u64 = outcome.processes.iter().filter_map(|process| process.fuel).sum();
    assert_eq!(Some(fuel), outcome.usage.fuel);
}
