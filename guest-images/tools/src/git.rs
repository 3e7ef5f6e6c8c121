//! `git`: hands its command line over to the host, which has the repository.

use std::io::{self, Read as _, Write as _};

use sandpiper_guest::GitEvent;

use crate::text::shown;

/// The exit code of git when it gives up.
const FATAL: i32 = 128;

const NO_REPOSITORY: &str = "fatal: not a git repository (or any of the parent directories): .git
hint: git works in a run of its own worktree: sandpiper run --worktree; outside of the sandbox it works as ever
";

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) => code,
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => FATAL,
        Err(err) => {
            eprintln!("fatal: {err}");
            FATAL
        }
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> io::Result<i32> {
    let mut input = Vec::new();
    if takes_input(arguments) {
        io::stdin().lock().read_to_end(&mut input)?;
    }
    match sandpiper_guest::git_start(&input) {
        Ok(()) => {}
        Err(err) if err.kind() == io::ErrorKind::Unsupported => {
            eprint!("{NO_REPOSITORY}");
            return Ok(FATAL);
        }
        Err(err) if err.kind() == io::ErrorKind::ArgumentListTooLong => {
            eprintln!("fatal: {tool}: standard input is larger than 1 MiB");
            return Ok(FATAL);
        }
        Err(err) => return Err(io::Error::new(err.kind(), format!("the host does not carry out {}: {err}", shown(tool.as_bytes())))),
    }
    loop {
        match sandpiper_guest::git_next()? {
            GitEvent::Stdout(bytes) => {
                let mut out = io::stdout().lock();
                out.write_all(&bytes)?;
                out.flush()?;
            }
            GitEvent::Stderr(bytes) => io::stderr().lock().write_all(&bytes)?,
            GitEvent::Ended(code) => return Ok(i32::from(code)),
        }
    }
}

/// Whether the message of a commit comes from standard input: `commit -F -`, which nothing else is read for.
fn takes_input(arguments: &[Vec<u8>]) -> bool {
    let is_commit = arguments.iter().any(|argument| argument == b"commit");
    let is_file = |option: &[u8]| {
        option == b"--file" || option.starts_with(b"-") && !option.starts_with(b"--") && option.ends_with(b"F")
    };
    is_commit
        && (arguments.iter().any(|argument| argument == b"--file=-" || argument == b"-F-")
            || arguments.windows(2).any(|pair| matches!(pair, [option, value] if value == b"-" && is_file(option))))
}

#[cfg(test)]
mod tests {
    use super::takes_input;

    #[test]
    fn standard_input_is_read_for_the_message_of_a_commit_alone() {
        let takes = |line: &str| takes_input(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
        for line in ["commit -F -", "commit -aF -", "-C dir commit --file -", "commit --file=-", "commit -F-"] {
            assert!(takes(line), "{line}");
        }
        for line in ["grep -F -", "checkout -", "commit -m -", "commit --amend", "log -F"] {
            assert!(!takes(line), "{line}");
        }
    }
}
