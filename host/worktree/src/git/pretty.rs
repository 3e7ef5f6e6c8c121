//! Commits as text: the named styles and the format strings of `git log` (git-log(1), "PRETTY FORMATS").

use super::Moment;
use super::dates::DateForm;
use super::failure::{Failure, Result};
use super::session::Session;
use git2::{Commit, Oid, Signature};

/// The columns of a tab in a message.
const TAB_COLUMNS: usize = 8;
/// The most bytes of a format string.
const MAX_FORMAT_BYTES: usize = 64 * 1024;

/// How a commit is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    Oneline,
    Short,
    #[default]
    Medium,
    Full,
    Fuller,
    Raw,
    /// A format string; one that is terminated ends in a newline each, others have one between.
    Format {
        text: Vec<u8>,
        terminated: bool,
    },
}

impl Style {
    pub(super) fn parse(value: &[u8]) -> Result<Self> {
        if value.len() > MAX_FORMAT_BYTES {
            return Err(Failure::fatal(format!("the format is larger than {} KiB", MAX_FORMAT_BYTES >> 10)));
        }
        Ok(match value {
            b"oneline" => Self::Oneline,
            b"short" => Self::Short,
            b"medium" => Self::Medium,
            b"full" => Self::Full,
            b"fuller" => Self::Fuller,
            b"raw" => Self::Raw,
            b"reference" => Self::Format { text: b"%h (%s, %as)".to_vec(), terminated: true },
            _ => {
                if let Some(text) = value.strip_prefix(b"format:") {
                    Self::Format { text: text.to_vec(), terminated: false }
                } else if let Some(text) = value.strip_prefix(b"tformat:") {
                    Self::Format { text: text.to_vec(), terminated: true }
                } else if value.contains(&b'%') || value.is_empty() {
                    Self::Format { text: value.to_vec(), terminated: true }
                } else {
                    let value = String::from_utf8_lossy(value);
                    return Err(Failure::fatal(format!("invalid --pretty format: {value}"))
                        .hint("oneline, short, medium, full, fuller, raw, reference and format:… are supported here"));
                }
            }
        })
    }

    /// Tells whether each commit ends in a newline of its own.
    pub(super) fn is_terminated(&self) -> bool {
        matches!(self, Self::Oneline | Self::Format { terminated: true, .. })
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Format { text, .. } if text.is_empty())
    }
}

/// What commits are shown with.
pub(super) struct Pretty<'p, 'a> {
    pub(super) session: &'p Session<'a>,
    pub(super) style: &'p Style,
    pub(super) abbreviate: bool,
    pub(super) date: DateForm,
    pub(super) decorate: bool,
    pub(super) now: Moment,
}

impl Pretty<'_, '_> {
    /// The text of a commit without what separates it from others.
    pub(super) fn commit(&self, commit: &Commit<'_>) -> Result<Vec<u8>> {
        if let Style::Format { text, .. } = self.style {
            return self.format(commit, text);
        }
        let mut id = self.id(commit.id())?;
        if self.decorate {
            let names = decorations(self.session, commit.id())?;
            if !names.is_empty() {
                id = format!("{id} ({})", names.join(", "));
            }
        }
        let message = commit.message_bytes();
        if *self.style == Style::Oneline {
            return Ok([id.as_bytes(), b" ", &subject(message)].concat());
        }
        let mut out = format!("commit {id}\n").into_bytes();
        if *self.style == Style::Raw {
            out.extend_from_slice(commit.raw_header_bytes());
            if !out.ends_with(b"\n") {
                out.push(b'\n');
            }
        } else {
            self.headers(commit, &mut out)?;
        }
        out.push(b'\n');
        indented(
            message,
            *self.style == Style::Short,
            *self.style != Style::Raw && *self.style != Style::Short,
            &mut out,
        );
        let end = out.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
        out.truncate(end);
        out.push(b'\n');
        Ok(out)
    }

    fn headers(&self, commit: &Commit<'_>, out: &mut Vec<u8>) -> Result<()> {
        if commit.parent_count() > 1 {
            out.extend_from_slice(b"Merge:");
            for parent in commit.parent_ids() {
                out.extend_from_slice(format!(" {}", self.session.abbreviate(parent)?).as_bytes());
            }
            out.push(b'\n');
        }
        let (author, committer) = (commit.author(), commit.committer());
        let person = |label: &str, person: &Signature<'_>| {
            [label.as_bytes(), person.name_bytes(), b" <", person.email_bytes(), b">\n"].concat()
        };
        let date = |label: &str, person: &Signature<'_>| {
            format!("{label}{}\n", self.date.print(moment(person), self.now))
        };
        match self.style {
            Style::Full => {
                out.extend_from_slice(&person("Author: ", &author));
                out.extend_from_slice(&person("Commit: ", &committer));
            }
            Style::Fuller => {
                out.extend_from_slice(&person("Author:     ", &author));
                out.extend_from_slice(date("AuthorDate: ", &author).as_bytes());
                out.extend_from_slice(&person("Commit:     ", &committer));
                out.extend_from_slice(date("CommitDate: ", &committer).as_bytes());
            }
            Style::Short => out.extend_from_slice(&person("Author: ", &author)),
            _ => {
                out.extend_from_slice(&person("Author: ", &author));
                out.extend_from_slice(date("Date:   ", &author).as_bytes());
            }
        }
        Ok(())
    }

    fn id(&self, id: Oid) -> Result<String> {
        if self.abbreviate { self.session.abbreviate(id) } else { Ok(id.to_string()) }
    }

    fn format(&self, commit: &Commit<'_>, text: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            if *byte != b'%' {
                out.push(*byte);
                continue;
            }
            match self.placeholder(commit, rest, &mut out)? {
                Some(after) => rest = after,
                // Like git, what is no placeholder stands for itself.
                None => out.push(b'%'),
            }
        }
        Ok(out)
    }

    /// Prints what a placeholder stands for and returns what follows it.
    fn placeholder<'t>(
        &self,
        commit: &Commit<'_>,
        text: &'t [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<&'t [u8]>> {
        let (plain, rest): (Vec<u8>, &[u8]) = match text {
            [b'n', rest @ ..] => (b"\n".to_vec(), rest),
            [b'%', rest @ ..] => (b"%".to_vec(), rest),
            [b'x', high, low, rest @ ..] => {
                let digits = [*high, *low];
                let byte =
                    std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let Some(byte) = byte else { return Ok(None) };
                (vec![byte], rest)
            }
            [b'H', rest @ ..] => (commit.id().to_string().into_bytes(), rest),
            [b'h', rest @ ..] => (self.session.abbreviate(commit.id())?.into_bytes(), rest),
            [b'T', rest @ ..] => (commit.tree_id().to_string().into_bytes(), rest),
            [b't', rest @ ..] => (self.session.abbreviate(commit.tree_id())?.into_bytes(), rest),
            [b'P', rest @ ..] => {
                let parents: Vec<String> = commit.parent_ids().map(|id| id.to_string()).collect();
                (parents.join(" ").into_bytes(), rest)
            }
            [b'p', rest @ ..] => {
                let parents: Result<Vec<String>> =
                    commit.parent_ids().map(|id| self.session.abbreviate(id)).collect();
                (parents?.join(" ").into_bytes(), rest)
            }
            [b's', rest @ ..] => (subject(commit.message_bytes()), rest),
            [b'f', rest @ ..] => (file_name(&subject(commit.message_bytes())), rest),
            [b'b', rest @ ..] => (body(commit.message_bytes()), rest),
            [b'B', rest @ ..] => (commit.message_raw_bytes().to_vec(), rest),
            [b'e', rest @ ..] => (Vec::new(), rest),
            [b'd', rest @ ..] => {
                let names = decorations(self.session, commit.id())?;
                let shown = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
                (shown.into_bytes(), rest)
            }
            [b'D', rest @ ..] => (decorations(self.session, commit.id())?.join(", ").into_bytes(), rest),
            // Without a terminal there are no colours.
            [b'C', b'(', rest @ ..] => {
                let Some(end) = rest.iter().position(|byte| *byte == b')') else { return Ok(None) };
                (Vec::new(), rest.get(end + 1..).unwrap_or_default())
            }
            [b'C', rest @ ..] => {
                let colour = [&b"reset"[..], b"red", b"green", b"blue"]
                    .into_iter()
                    .find_map(|name| rest.strip_prefix(name));
                let Some(rest) = colour else { return Ok(None) };
                (Vec::new(), rest)
            }
            [who @ (b'a' | b'c'), what, rest @ ..] => {
                let person = if *who == b'a' { commit.author() } else { commit.committer() };
                let Some(text) = self.person(&person, *what) else { return Ok(None) };
                (text, rest)
            }
            [b'<' | b'>' | b'w' | b'G' | b'g' | b'N' | b'm' | b'+' | b'-' | b' ' | b'(' | b'S', ..] => {
                let shown = String::from_utf8_lossy(text.get(..1).unwrap_or_default()).into_owned();
                return Err(Failure::usage(format!("placeholder '%{shown}' is not supported here")));
            }
            _ => return Ok(None),
        };
        out.extend_from_slice(&plain);
        Ok(Some(rest))
    }

    fn person(&self, person: &Signature<'_>, what: u8) -> Option<Vec<u8>> {
        let date = |form: DateForm| form.print(moment(person), self.now).into_bytes();
        Some(match what {
            b'n' | b'N' => person.name_bytes().to_vec(),
            b'e' | b'E' => person.email_bytes().to_vec(),
            b'l' | b'L' => {
                person.email_bytes().split(|byte| *byte == b'@').next().unwrap_or_default().to_vec()
            }
            b'd' => date(self.date),
            b'D' => date(DateForm::Rfc),
            b'r' => date(DateForm::Relative),
            b't' => date(DateForm::Unix),
            b'i' => date(DateForm::Iso),
            b'I' => date(DateForm::IsoStrict),
            b's' => date(DateForm::Short),
            _ => return None,
        })
    }
}

pub(super) fn moment(person: &Signature<'_>) -> Moment {
    let time = person.when();
    Moment { seconds: time.seconds(), offset_minutes: time.offset_minutes() }
}

/// The first paragraph of a message on one line.
pub(super) fn subject(message: &[u8]) -> Vec<u8> {
    let lines = message.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let lines: Vec<&[u8]> =
        lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect();
    lines.join(&b' ')
}

/// What follows the first paragraph.
pub(super) fn body(message: &[u8]) -> Vec<u8> {
    let is_empty = |line: &[u8]| line.trim_ascii_end().is_empty();
    let lines = message.split_inclusive(|byte| *byte == b'\n');
    let rest = lines.skip_while(|line| is_empty(line)).skip_while(|line| !is_empty(line));
    rest.skip_while(|line| is_empty(line)).flatten().copied().collect()
}

fn file_name(subject: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let mut gap = false;
    for byte in subject {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') {
            if *byte == b'.' && out.last() == Some(&b'.') && !gap {
                continue;
            }
            if gap && !out.is_empty() {
                out.push(b'-');
            }
            gap = false;
            out.push(*byte);
        } else {
            gap = true;
        }
    }
    let end = out.iter().rposition(|byte| !matches!(byte, b'.' | b'-')).map_or(0, |at| at + 1);
    out.truncate(end);
    out
}

/// A message four columns in, its tabs made into spaces.
fn indented(message: &[u8], first_paragraph: bool, expand: bool, out: &mut Vec<u8>) {
    let lines = message.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    for line in lines.skip_while(|line| line.is_empty()) {
        if line.is_empty() && first_paragraph {
            break;
        }
        out.extend_from_slice(b"    ");
        if expand {
            expand_tabs(line, out);
        } else {
            out.extend_from_slice(line);
        }
        out.push(b'\n');
    }
}

fn expand_tabs(line: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    let mut parts = line.split(|byte| *byte == b'\t').peekable();
    while let Some(part) = parts.next() {
        out.extend_from_slice(part);
        column += std::str::from_utf8(part).map_or(part.len(), |text| text.chars().count());
        if parts.peek().is_some() {
            let fill = TAB_COLUMNS - column % TAB_COLUMNS;
            out.extend(std::iter::repeat_n(b' ', fill));
            column += fill;
        }
    }
}

/// The names of a commit: HEAD with its branch, tags, branches of remotes and branches.
pub(super) fn decorations(session: &Session<'_>, id: Oid) -> Result<Vec<String>> {
    let head_branch = session.head_branch()?;
    let head = session.head()?.map(|commit| commit.id());
    let mut names = Vec::new();
    for reference in session.repository.references()? {
        let Ok(reference) = reference else { continue };
        let Ok(name) = reference.name() else { continue };
        if reference.peel_to_commit().map(|commit| commit.id()).ok() != Some(id) {
            continue;
        }
        let shown = if let Some(tag) = name.strip_prefix("refs/tags/") {
            format!("tag: {tag}")
        } else if let Some(branch) = name.strip_prefix("refs/heads/") {
            branch.to_owned()
        } else if let Some(remote) = name.strip_prefix("refs/remotes/") {
            remote.to_owned()
        } else {
            continue;
        };
        if head != Some(id) || head_branch.as_deref() != Some(name) {
            names.push((name.to_owned(), shown));
        }
    }
    names.sort_by(|left, right| right.0.cmp(&left.0));
    let mut names: Vec<String> = names.into_iter().map(|(_, shown)| shown).collect();
    if head == Some(id) {
        let branch = head_branch.as_deref().map(|name| name.strip_prefix("refs/heads/").unwrap_or(name));
        names.insert(0, branch.map_or_else(|| "HEAD".to_owned(), |branch| format!("HEAD -> {branch}")));
    }
    Ok(names)
}
