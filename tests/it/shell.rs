//! `sandpiper shell`: a session at a terminal, which the tests make, and one without.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::harness::{Printed, command};

fn piped(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = command(folder)
        .arg("shell")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn without_a_terminal_it_runs_what_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        piped(folder.path(), &[], "echo $0 $PWD > f; cat f; read -r x\nrest\necho \"<$x>\"; exit 3\n");
    assert_eq!(output.stdout(), "bash /workspace\n<rest>\n", "{}", output.stderr());
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stderr(), "");
    let output = piped(folder.path(), &["--", "-c", "echo $1; cat", "-", "one"], "input\n");
    assert_eq!(output.stdout(), "one\ninput\n", "{}", output.stderr());
}

#[test]
fn mv_moves_from_mount_to_mount() {
    let script = r#"
set -e
mkdir -p /tmp/d/e ~/there/d
echo one >/tmp/one; touch -d '2020-01-01 00:00' /tmp/one; chmod 741 /tmp/one
echo two >/tmp/d/e/two; ln -s two /tmp/d/e/link; ln -s nowhere /tmp/d/dangling
echo mine >kept
mv /tmp/one /tmp/d .
stat -c '%n %a %s %y' one | cut -c 1-20; cat d/e/link; readlink d/dangling
mv -n d/e/two kept && cat kept
mv -T d ~/there/d; ls ~/there/d ~/there/d/e
mv ~/there/d/e/link /tmp/link; readlink /tmp/link
ls -A /tmp; ls -A
mv /tmp/none . || echo "$?"
"#;
    let folder = tempfile::tempdir().unwrap();
    let output = piped(folder.path(), &[], script);
    let expected = "one 741 4 2020-01-01\ntwo\nnowhere\nmine\n/home/user/there/d:\ndangling\ne\n\n/home/user/there/d/e:\n\
                    link\ntwo\ntwo\nlink\nkept\none\n1\n";
    assert_eq!(output.stdout(), expected, "{}", output.stderr());
}

#[cfg(unix)]
mod terminal {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::path::Path;
    use std::process::{Child, ExitStatus};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::{Duration, Instant};

    use rustix::fs::{Mode, OFlags};
    use rustix::process::{Pid, Signal, kill_process};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use crate::harness::command;

    /// How long anything may take on a machine that does other things too.
    const LIMIT: Duration = Duration::from_secs(30);

    /// A session at a terminal of its own.
    struct Session {
        child: Child,
        keys: File,
        shown: Receiver<Vec<u8>>,
        /// What was shown since the last wait.
        text: String,
    }

    impl Session {
        fn new(folder: &Path) -> Self {
            let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&terminal).unwrap();
            unlockpt(&terminal).unwrap();
            let name = ptsname(&terminal, Vec::new()).unwrap();
            let side = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
            let side = File::from(side);
            let child = command(folder)
                .args(["shell", "--wall", "auto"])
                .env("TERM", "xterm")
                .stdin(side.try_clone().unwrap())
                .stdout(side.try_clone().unwrap())
                .stderr(side)
                .spawn()
                .unwrap();
            let keys = File::from(terminal);
            let mut screen = keys.try_clone().unwrap();
            let (send, shown) = channel();
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = screen.read(&mut bytes) {
                    if send.send(bytes[..count].to_vec()).is_err() {
                        return;
                    }
                }
            });
            Self { child, keys, shown, text: String::new() }
        }

        /// Waits until a text is shown, and forgets what was before it.
        #[track_caller]
        fn wait_for(&mut self, text: &str) {
            let start = Instant::now();
            loop {
                if let Some(at) = self.text.find(text) {
                    self.text.drain(..at + text.len());
                    return;
                }
                let left = LIMIT.saturating_sub(start.elapsed());
                let Ok(bytes) = self.shown.recv_timeout(left) else {
                    panic!("no {text:?} in {:?}", self.text);
                };
                self.text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }

        /// Waits until a line is edited behind a prompt.
        #[track_caller]
        fn wait_for_prompt(&mut self, prompt: &str) {
            self.wait_for(prompt);
            self.wait_for(EDITS);
        }

        fn enter(&mut self, keys: &str) {
            self.keys.write_all(keys.as_bytes()).unwrap();
        }

        fn interrupt(&self) {
            let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
            kill_process(pid, Signal::INT).unwrap();
        }

        fn end(mut self) -> ExitStatus {
            let start = Instant::now();
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                assert!(start.elapsed() < LIMIT, "it does not end: {:?}", self.text);
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    impl Drop for Session {
        fn drop(&mut self) {
            let _ = self.child.kill();
        }
    }

    const PROMPT: &str = "sandpiper:/workspace$ ";

    /// What the editor shows at last, when it has shown a line and waits for keys. Before that the terminal
    /// itself would take some of them.
    const EDITS: &str = "\x1b[?2026l";

    #[test]
    fn lines_are_edited_and_run_until_the_exit() {
        let folder = tempfile::tempdir().unwrap();
        let mut session = Session::new(folder.path());
        session.wait_for_prompt(PROMPT);
        // Two steps to the left, one sign removed, one put in.
        session.enter("echo $((6 * 8))\x1b[D\x1b[D\x7f7\r");
        session.wait_for("\n42");
        session.wait_for_prompt(PROMPT);
        session.enter("cd /tmp; x=1\r");
        session.wait_for_prompt("sandpiper:/tmp$ ");
        // The line before, again.
        session.enter("\x1b[A; cd /workspace; echo $x$x\r");
        session.wait_for("\n11");
        session.wait_for_prompt(PROMPT);
        session.enter("for i in a b\r");
        session.wait_for_prompt("> ");
        session.enter("do echo \"<$i>\"; done\r");
        session.wait_for("\n<a>");
        session.wait_for("<b>");
        session.wait_for_prompt(PROMPT);
        session.enter("exit 3\r");
        assert_eq!(session.end().code(), Some(3));
    }

    #[test]
    fn ctrl_c_gives_up_a_command_or_a_line_and_ctrl_d_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut session = Session::new(folder.path());
        session.wait_for_prompt(PROMPT);
        session.enter("echo begun; sleep 100; echo not here\r");
        session.wait_for("\nbegun");
        session.interrupt();
        session.wait_for_prompt(PROMPT);
        session.enter("echo code $?\r");
        session.wait_for("\ncode 130");
        session.wait_for_prompt(PROMPT);
        session.enter("echo begun; while :; do :; done\r");
        session.wait_for("\nbegun");
        session.interrupt();
        session.wait_for_prompt(PROMPT);
        session.enter("half a line\x03");
        session.wait_for_prompt(PROMPT);
        session.enter("echo whole\r");
        session.wait_for("\nwhole");
        session.wait_for_prompt(PROMPT);
        session.enter("cat\r");
        // The end of the edited line, and the begin of the next.
        session.wait_for("\n");
        session.wait_for(EDITS);
        session.enter("to cat\r");
        session.wait_for("\nto cat");
        session.wait_for(EDITS);
        session.enter("\x04");
        session.wait_for_prompt(PROMPT);
        session.enter("\x04");
        assert_eq!(session.end().code(), Some(0));
    }

    #[test]
    fn a_program_in_it_reads_edited_lines_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut session = Session::new(folder.path());
        session.wait_for_prompt(PROMPT);
        session.enter("python3\r");
        session.wait_for_prompt(">>> ");
        session.enter("print(6 * 7, __import__('sys').stdin.isatty())\r");
        session.wait_for("\n42 True");
        session.wait_for_prompt(">>> ");
        session.enter("x = input('name: ')\r");
        session.wait_for_prompt("name: ");
        session.enter("me\x7fy\r");
        session.wait_for_prompt(">>> ");
        session.enter("exit(len(x) + 2)\r");
        session.wait_for_prompt(PROMPT);
        session.enter("exit\r");
        assert_eq!(session.end().code(), Some(4));
    }
}
