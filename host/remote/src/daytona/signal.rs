//! How a signal gets to a command: by the `kill` of a shell in its sandbox.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What finds the processes of a command that no process group has.
const TREE: &str = include_str!("signal.sh");

/// The first process of a command, by its number in the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct First {
    pub(super) pid: u32,
    /// Whether it leads a process group, in which is what it starts.
    pub(super) leads: bool,
    /// How many programs make way for the one that is meant. Where they cannot, but wait for it, it is as many below.
    pub(super) depth: u8,
}

/// Who gets a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// The first process.
    First,
    /// What it has started, too.
    All,
}

/// The command line that sends a signal, by its number in Linux. By a shell's own `kill`, and with `--`: of the
/// programs of that name, some take the first digit of a group for all of it.
pub(super) fn command_line(first: First, signal: u8, whom: Whom) -> String {
    let First { pid, leads, depth } = first;
    match (leads, whom) {
        (true, Whom::All) => {
            format!("/bin/sh -c 'kill -s {signal} -- -{pid} 2>/dev/null || kill -s {signal} {pid}'")
        }
        (true, Whom::First) => format!("/bin/sh -c 'kill -s {signal} {pid}'"),
        (false, whom) => {
            let whom = if whom == Whom::All { "all" } else { "first" };
            let script =
                STANDARD.encode(format!("first={pid} depth={depth} signal={signal} whom={whom}\n{TREE}"));
            // With no quotes inside of others: there are daemons that only look for the next one.
            format!("/bin/sh -c 'echo {script} | base64 -d | /bin/sh 2>/dev/null'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_sent_to_as_one() {
        let first = First { pid: 7, leads: true, depth: 2 };
        assert_eq!(command_line(first, 15, Whom::First), "/bin/sh -c 'kill -s 15 7'");
        assert_eq!(
            command_line(first, 2, Whom::All),
            "/bin/sh -c 'kill -s 2 -- -7 2>/dev/null || kill -s 2 7'"
        );
    }

    #[test]
    fn without_a_group_the_processes_are_looked_for() {
        let line = command_line(First { pid: 7, leads: false, depth: 2 }, 15, Whom::All);
        let script = line.split(' ').nth(3).unwrap();
        let script = String::from_utf8(STANDARD.decode(script).unwrap()).unwrap();
        assert!(script.starts_with("first=7 depth=2 signal=15 whom=all\n"), "{script}");
    }
}
