//! What is done with files by programs of the sandbox, because the toolbox's own calls cannot tell symlinks, modes
//! and kinds, follow links, make directories that nobody asked for, and replace nothing.
//!
//! A script prints `ok`, and on the lines that follow what it was asked for, or `no` and why not. Scripts take and give
//! any bytes, since both are base64 on their way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandpiper_core::{DirectoryEntry, FileErrorKind, FileStat, FileType};

use crate::quote::quoted;

/// What all scripts have.
const PRELUDE: &str = include_str!("files.sh");

/// Most files that a directory is listed or searched with.
pub(super) const MOST_FILES: usize = 100_000;

/// What is done.
#[derive(Clone, Debug)]
pub(super) enum Script<'a> {
    /// The size of a file that is to be read.
    Size(&'a str),
    /// Moves a file that was uploaded to where it belongs.
    Place {
        uploaded: &'a str,
        path: &'a str,
        beside: &'a str,
    },
    Stat(&'a str),
    ReadLink(&'a str),
    SetMode(&'a str, u16),
    MakeDirectory(&'a str),
    Remove {
        path: &'a str,
        all: bool,
    },
    Rename {
        from: &'a str,
        to: &'a str,
    },
    /// The entries of a directory.
    List {
        path: &'a str,
        kept: &'a str,
    },
    /// All that is in a directory, or the one file.
    Walk {
        path: &'a str,
        hidden: bool,
        kept: &'a str,
    },
}

impl Script<'_> {
    /// The command line that executes it, with no quotes inside of others: there are daemons that only look for the
    /// next one.
    pub(super) fn command_line(&self) -> String {
        let script = STANDARD.encode(format!("{PRELUDE}{}\n", self.text()));
        format!("/bin/sh -c 'echo {script} | base64 -d | /bin/sh 2>/dev/null | base64 -w0'")
    }

    fn text(&self) -> String {
        match self {
            Self::Size(path) => format!(
                "p={}\nthere \"$p\"\n[ -e \"$p\" ] || no missing\n[ -d \"$p\" ] && no directory\n[ -f \"$p\" ] || no not-file\n\
                 [ -r \"$p\" ] || no denied\necho ok\nstat -L -c %s -- \"$p\"",
                quoted(path)
            ),
            Self::Place { uploaded, path, beside } => format!(
                "u={} p={} b={}\ntrap 'rm -f -- \"$u\"' EXIT\n\
                 case $p in */) no directory ;; esac\n\
                 if [ -L \"$p\" ]; then p=$(readlink -f -- \"$p\") || no missing; fi\n\
                 [ -d \"$p\" ] && no directory\nif [ -e \"$p\" ] && [ ! -f \"$p\" ]; then no not-file; fi\n\
                 parent \"$p\"\nnew=${{above%/}}/$b\ntrap 'rm -f -- \"$u\" \"$new\"' EXIT\n\
                 try cp -- \"$u\" \"$new\"\n\
                 if [ -e \"$p\" ]; then chown \"$(stat -c %u:%g -- \"$p\")\" \"$new\"; try chmod \"$(stat -c %a -- \"$p\")\" \"$new\"\n\
                 else try chmod \"$(printf %o $((0666 & ~0$(umask))))\" \"$new\"; fi\n\
                 try mv -f -T -- \"$new\" \"$p\"\necho ok",
                quoted(uploaded),
                quoted(path),
                quoted(beside)
            ),
            Self::Stat(path) => {
                format!("p={}\nthere \"$p\"\necho ok\nstat -c '%f %s %Y %y' -- \"$p\"", quoted(path))
            }
            Self::ReadLink(path) => format!(
                "p={}\nthere \"$p\"\n[ -L \"$p\" ] || no not-symlink\necho ok\nreadlink -- \"$p\"",
                quoted(path)
            ),
            Self::SetMode(path, mode) => format!(
                "p={}\nthere \"$p\"\n[ -e \"$p\" ] || no missing\ntry chmod 0{mode:04o} \"$p\"\necho ok",
                quoted(path)
            ),
            Self::MakeDirectory(path) => format!(
                "p={}\nif [ ! -d \"$p\" ]; then\n[ -e \"$p\" ] && no not-directory\n[ -L \"$p\" ] && no exists\n\
                 leads \"$p\"\nmay_write \"${{up:-/}}\"\ntry mkdir -p -- \"$p\"\nfi\necho ok",
                quoted(path)
            ),
            Self::Remove { path, all } => {
                let directory = if *all {
                    "try rm -rf -- \"$p\""
                } else {
                    "empty \"$p\" || no not-empty\ntry rmdir -- \"$p\""
                };
                format!(
                    "p={}\nthere \"$p\"\nparent \"$p\"\n\
                     if [ -d \"$p\" ] && [ ! -L \"$p\" ]; then\n{directory}\nelse try rm -f -- \"$p\"; fi\necho ok",
                    quoted(path)
                )
            }
            Self::Rename { from, to } => format!(
                "f={} t={}\nthere \"$f\"\nparent \"$f\"\nhere=$above\nparent \"$t\"\n\
                 case $t/ in \"$f\"/?*) no invalid ;; esac\n\
                 [ \"$f\" -ef \"$t\" ] && {{ echo ok; exit; }}\n\
                 [ \"$(stat -c %d -- \"$f\")\" = \"$(stat -c %d -- \"$above\")\" ] || no other-mount\n\
                 if [ -d \"$f\" ] && [ ! -L \"$f\" ]; then\n\
                 if [ -e \"$t\" ] || [ -L \"$t\" ]; then\n\
                 if [ ! -d \"$t\" ] || [ -L \"$t\" ]; then no not-directory; fi\nempty \"$t\" || no not-empty\nfi\n\
                 elif [ -d \"$t\" ] && [ ! -L \"$t\" ]; then no directory\nfi\n\
                 try mv -f -T -- \"$f\" \"$t\"\necho ok",
                quoted(from),
                quoted(to)
            ),
            Self::List { path, kept } => format!(
                "p={} kept={} most={MOST_FILES}\nthere \"$p\"\n[ -d \"$p\" ] || no not-directory\n\
                 [ -r \"$p\" ] || no denied\ncd -- \"$p\" || no denied\n\
                 find . ! -name . -prune -print0 >\"$kept\"\nprint $?",
                quoted(path),
                quoted(kept)
            ),
            Self::Walk { path, hidden, kept } => {
                let hidden = if *hidden { "" } else { "-name '.*' -prune -o ! -name ." };
                format!(
                    "p={} kept={} most={MOST_FILES}\nthere \"$p\"\n\
                     if [ ! -d \"$p\" ]; then printf '%s\\0' \"$p\" >\"$kept\"; print file; exit; fi\n\
                     [ -r \"$p\" ] || no denied\ncd -- \"$p\" || no denied\n\
                     find . ! -name . {hidden} -print0 >\"$kept\"\nprint $?",
                    quoted(path),
                    quoted(kept)
                )
            }
        }
    }
}

/// What a script printed, without `ok`.
///
/// # Errors
/// Why it could not be done.
pub(super) fn answer(printed: &str) -> Result<Vec<u8>, FileErrorKind> {
    let wrong = |what: &str| FileErrorKind::Backend(format!("a script for files answers {what}"));
    let bytes = STANDARD.decode(printed.trim()).map_err(|_| {
        let start: String = printed.trim().chars().take(200).collect();
        wrong(&format!("`{}`", start.escape_debug()))
    })?;
    if let Some(rest) = bytes.strip_prefix(b"ok") {
        return Ok(rest.strip_prefix(b"\n").or_else(|| rest.strip_prefix(b" ")).unwrap_or(rest).to_vec());
    }
    let no = bytes.strip_prefix(b"no ").ok_or_else(|| {
        wrong(if bytes.is_empty() {
            "nothing; the image lacks a shell or `base64`"
        } else {
            "neither ok nor no"
        })
    })?;
    Err(match no {
        b"missing" => FileErrorKind::NotFound,
        b"exists" => FileErrorKind::AlreadyExists,
        b"not-directory" => FileErrorKind::NotADirectory,
        b"directory" => FileErrorKind::IsADirectory,
        b"not-empty" => FileErrorKind::NotEmpty,
        b"read-only" => FileErrorKind::ReadOnly,
        b"not-file" => FileErrorKind::NotAFile,
        b"not-symlink" => FileErrorKind::NotASymlink,
        b"many" => FileErrorKind::TooMany { limit: MOST_FILES },
        b"other-mount" => FileErrorKind::OtherMount,
        b"denied" => FileErrorKind::Other("ACCES"),
        b"invalid" => FileErrorKind::Other("INVAL"),
        other => {
            let words = String::from_utf8_lossy(other.strip_prefix(b"tool ").unwrap_or(other)).into_owned();
            FileErrorKind::Backend(words.chars().take(500).collect())
        }
    })
}

/// What [`Script::List`] and [`Script::Walk`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The paths below the directory, by their order; those that are not UTF-8 are left out.
    pub(super) entries: Vec<DirectoryEntry>,
    /// It is the one file that was asked for, with its whole path.
    pub(super) is_file: bool,
    /// Everything could be looked at.
    pub(super) complete: bool,
}

/// Reads the answer of a script that lists; `None` when files came or went meanwhile.
///
/// # Errors
/// What is wrong with it.
pub(super) fn found(answer: &[u8]) -> Result<Option<Found>, String> {
    let (head, rest) = line(answer).ok_or("it has no first line")?;
    let is_file = head == b"file";
    let (mut stats, mut rest) = (Vec::new(), rest);
    let paths = loop {
        let (next, after) = line(rest).ok_or("it ends early")?;
        rest = after;
        if next.is_empty() {
            break rest;
        }
        stats.push(stat(next)?);
    };
    let paths: Vec<&[u8]> = paths.split_inclusive(|byte| *byte == 0).collect();
    if paths.len() != stats.len() {
        return Ok(None);
    }
    let mut entries = Vec::with_capacity(paths.len());
    for (path, stat) in paths.into_iter().zip(stats) {
        let path = path.strip_suffix(b"\0").ok_or("a path has no end")?;
        let path = path.strip_prefix(b"./").unwrap_or(path);
        if let Ok(name) = std::str::from_utf8(path) {
            entries.push(DirectoryEntry { name: name.to_owned(), stat });
        }
    }
    entries.sort_by(|one, other| one.name.split('/').cmp(other.name.split('/')));
    Ok(Some(Found { entries, is_file, complete: is_file || head == b"0" }))
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// Reads a line of `stat -c '%f %s %Y %y'`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn stat(line: &[u8]) -> Result<FileStat, String> {
    let text = std::str::from_utf8(line).unwrap_or_default().trim_end();
    let wrong = || format!("`{}` is no line of stat", text.escape_debug());
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or_else(wrong);
    let mode = u32::from_str_radix(word()?, 16).map_err(|_| wrong())?;
    let size = word()?.parse().map_err(|_| wrong())?;
    let seconds: i64 = word()?.parse().map_err(|_| wrong())?;
    let _date = word()?;
    let time = word()?;
    let nanoseconds: u64 = match time.split_once('.') {
        Some((_, digits)) => {
            format!("{digits:0<9}").get(..9).and_then(|nine| nine.parse().ok()).ok_or_else(wrong)?
        }
        None => 0,
    };
    // Times before 1970 have no number here.
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let kind = match mode >> 12 {
        0o10 => FileType::File,
        0o04 => FileType::Directory,
        0o12 => FileType::Symlink,
        _ => FileType::Other,
    };
    Ok(FileStat {
        kind,
        size,
        mode: u16::try_from(mode & 0o7777).unwrap_or(0),
        modified_ns: seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read() {
        let expected =
            FileStat { kind: FileType::File, size: 7, mode: 0o644, modified_ns: 1_700_000_000_123_000_000 };
        assert_eq!(stat(b"81a4 7 1700000000 2023-11-14 22:13:20.123 +0000\n"), Ok(expected));
        let whole = FileStat { modified_ns: 1_700_000_000_000_000_000, ..expected };
        assert_eq!(stat(b"81a4 7 1700000000 2023-11-14 22:13:20 +0000"), Ok(whole));
        assert_eq!(stat(b"a1ff 7 0 1970-01-01 00:00:00 +0000").map(|stat| stat.kind), Ok(FileType::Symlink));
        for wrong in [&b""[..], b"81a4", b"81a4 x 0 1970-01-01 00:00:00 +0000", b"\xff"] {
            assert!(stat(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn entries_come_by_the_order_of_their_parts() {
        let line = "41ed 1 0 1970-01-01 00:00:00 +0000\n";
        let answer = [b"0\n", line.repeat(4).as_bytes(), b"\n./a.b\0./a\0./a/c\nd\0./\xff\0"].concat();
        let found = found(&answer).unwrap().unwrap();
        let names: Vec<_> = found.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a", "a/c\nd", "a.b"]);
        assert!(found.complete && !found.is_file);
    }

    #[test]
    fn files_that_came_or_went_are_noticed() {
        assert_eq!(found(b"0\n41ed 1 0 1970-01-01 00:00:00 +0000\n\n./a\0./b\0"), Ok(None));
        assert_eq!(found(b"0\n41ed 1 0 1970-01-01"), Err("it ends early".to_owned()));
    }

    #[test]
    fn an_answer_says_why_not() {
        let of = |text: &str| answer(&STANDARD.encode(text));
        assert_eq!(of("ok\nx"), Ok(b"x".to_vec()));
        assert_eq!(of("no missing"), Err(FileErrorKind::NotFound));
        assert_eq!(of("no tool mv: no"), Err(FileErrorKind::Backend("mv: no".to_owned())));
        for (printed, error) in [
            ("sh: not found", "a script for files answers `sh: not found`"),
            ("", "a script for files answers nothing; the image lacks a shell or `base64`"),
            ("eHg=", "a script for files answers neither ok nor no"),
        ] {
            assert_eq!(answer(printed), Err(FileErrorKind::Backend(error.to_owned())));
        }
    }
}
