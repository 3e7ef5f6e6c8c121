//! `git log`

use super::super::arguments::{Argument, Arguments};
use super::super::changes::{Delta, between_trees};
use super::super::command::Context;
use super::super::dates::{DateForm, approximate};
use super::super::diff_request::DiffRequest;
use super::super::failure::{Failure, Result};
use super::super::pathspec::Pathspec;
use super::super::pattern::{Dialect, pattern};
use super::super::pretty::{Pretty, Style};
use super::super::revision::split;
use super::super::walk::{Selection, Walk};
use git2::Commit;
use regex::bytes::Regex;

/// How commits are shown, with `log` and `show` alike.
#[derive(Default)]
pub(super) struct LogRequest {
    pub(super) diff: DiffRequest,
    pub(super) style: Style,
    pub(super) abbreviate: bool,
    pub(super) date: DateForm,
    pub(super) decorate: bool,
    shown_one: bool,
}

impl LogRequest {
    /// Takes an option if it is one of these.
    pub(super) fn accept(&mut self, argument: Argument<'_>, arguments: &mut Arguments<'_>) -> Result<bool> {
        match argument {
            Argument::Long("oneline") => (self.style, self.abbreviate) = (Style::Oneline, true),
            Argument::Long("pretty") => {
                self.style = match arguments.optional_value() {
                    None => Style::Medium,
                    Some(value) => Style::parse(value)?,
                };
            }
            Argument::Long("format") => self.style = Style::parse(arguments.value()?)?,
            Argument::Long("abbrev-commit") => self.abbreviate = true,
            Argument::Long("no-abbrev-commit") => self.abbreviate = false,
            Argument::Long("date") => self.date = DateForm::parse(arguments.text()?)?,
            Argument::Long("decorate") => {
                self.decorate = match arguments.optional_value() {
                    None | Some(b"short") => true,
                    Some(b"no" | b"auto") => false,
                    Some(_) => return Err(arguments.unsupported()),
                };
            }
            Argument::Long("no-decorate") => self.decorate = false,
            _ => return self.diff.accept(argument, arguments),
        }
        Ok(true)
    }

    /// The text of one commit with its differences.
    pub(super) fn text(
        &mut self,
        cx: &Context<'_>,
        commit: &Commit<'_>,
        deltas: &[Delta],
    ) -> Result<Vec<u8>> {
        let pretty = Pretty {
            session: &cx.session,
            style: &self.style,
            abbreviate: self.abbreviate,
            date: self.date,
            decorate: self.decorate,
            now: cx.invocation.committer.time,
        };
        let mut out = Vec::new();
        let end = if self.diff.zero { 0 } else { b'\n' };
        let terminated = self.style.is_terminated();
        if self.shown_one && !terminated {
            out.push(end);
        }
        self.shown_one = true;
        out.extend_from_slice(&pretty.commit(commit)?);
        if terminated && !self.style.is_empty() {
            out.push(end);
        }
        let diff = self.diff.print(&cx.session, deltas)?;
        if !diff.is_empty() {
            if self.style != Style::Oneline && !self.style.is_empty() {
                if self.diff.graph && self.diff.patch {
                    out.extend_from_slice(b"---");
                }
                out.push(b'\n');
            }
            out.extend_from_slice(&diff);
        }
        Ok(out)
    }
}

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut request = LogRequest::default();
    let mut selection = Selection::default();
    let mut search = Search::default();
    let (mut operands, mut paths) = (Vec::new(), Vec::new());
    let mut reverse = false;
    while let Some(argument) = arguments.next()? {
        let now = cx.invocation.committer.time;
        match argument {
            Argument::Short('n') | Argument::Long("max-count") => selection.count = Some(arguments.number()?),
            Argument::Short(digit @ '0'..='9') => {
                let mut digits = digit.to_string();
                digits += &String::from_utf8_lossy(arguments.optional_value().unwrap_or_default());
                selection.count = Some(digits.parse().map_err(|_| arguments.unsupported())?);
            }
            Argument::Long("skip") => selection.skip = arguments.number()?,
            Argument::Long("reverse") => reverse = true,
            Argument::Long("merges") => selection.merges = Some(true),
            Argument::Long("no-merges") => selection.merges = Some(false),
            Argument::Long("first-parent") => selection.first_parent = true,
            Argument::Long("since" | "after") => selection.since = Some(approximate(arguments.text()?, now)?),
            Argument::Long("until" | "before") => {
                selection.until = Some(approximate(arguments.text()?, now)?);
            }
            Argument::Long("author") => search.authors.push(arguments.text()?),
            Argument::Long("committer") => search.committers.push(arguments.text()?),
            Argument::Long("grep") => search.messages.push(arguments.text()?),
            Argument::Short('i') | Argument::Long("regexp-ignore-case") => search.ignore_case = true,
            Argument::Short('E') | Argument::Long("extended-regexp") => search.dialect = Dialect::Extended,
            Argument::Short('F') | Argument::Long("fixed-strings") => search.dialect = Dialect::Fixed,
            Argument::Long("all" | "branches" | "tags" | "remotes") => {
                return Err(arguments.unsupported().hint("name the branches: git branch --list tells them"));
            }
            Argument::Operand(operand) => operands.push(operand.to_vec()),
            Argument::Path(path) => paths.push(path.to_vec()),
            other => {
                if !request.accept(other, &mut arguments)? {
                    return Err(arguments.refuse(other));
                }
            }
        }
    }
    let compiled = search.compile()?;
    let (names, spec) = split(&cx.session, &operands, &paths, arguments.is_separated())?;
    if names.is_empty() && cx.session.head()?.is_none() {
        let name = cx.session.head_name()?;
        return Err(Failure::fatal(format!("your current branch '{name}' does not have any commits yet")));
    }
    let walk = Walk::new(&cx.session, &names, &spec, &selection)?;
    let mut ids = Vec::new();
    let mut left = selection.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let mut skip = selection.skip;
    for commit in walk {
        if left == 0 {
            break;
        }
        let commit = commit?;
        if !compiled.matches(&commit) {
            continue;
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        left -= 1;
        if reverse {
            ids.push(commit.id());
        } else {
            show(cx, &mut request, &spec, &selection, &commit)?;
        }
    }
    for id in ids.into_iter().rev() {
        show(cx, &mut request, &spec, &selection, &cx.session.repository.find_commit(id)?)?;
    }
    Ok(0)
}

fn show(
    cx: &Context<'_>,
    request: &mut LogRequest,
    spec: &Pathspec,
    selection: &Selection,
    commit: &Commit<'_>,
) -> Result<()> {
    // As with git, a merge shows no differences, unless only first parents are followed.
    let wanted = request.diff.has_form() && (commit.parent_count() < 2 || selection.first_parent);
    let deltas = if wanted {
        let parent = commit.parents().next().map(|parent| parent.tree()).transpose()?;
        let deltas = between_trees(&cx.session, parent.as_ref(), Some(&commit.tree()?), spec)?;
        request.diff.refine(&cx.session, deltas)?
    } else {
        Vec::new()
    };
    let text = request.text(cx, commit, &deltas)?;
    cx.print(text);
    cx.hand_over()
}

#[derive(Default)]
struct Search<'a> {
    authors: Vec<&'a str>,
    committers: Vec<&'a str>,
    messages: Vec<&'a str>,
    ignore_case: bool,
    dialect: Dialect,
}

struct Compiled {
    authors: Vec<Regex>,
    committers: Vec<Regex>,
    messages: Vec<Regex>,
}

impl Search<'_> {
    fn compile(&self) -> Result<Compiled> {
        let all = |texts: &[&str]| -> Result<Vec<Regex>> {
            texts.iter().map(|text| pattern(text, self.dialect, self.ignore_case)).collect()
        };
        Ok(Compiled {
            authors: all(&self.authors)?,
            committers: all(&self.committers)?,
            messages: all(&self.messages)?,
        })
    }
}

impl Compiled {
    fn matches(&self, commit: &Commit<'_>) -> bool {
        let who = |patterns: &[Regex], person: git2::Signature<'_>| {
            let line = [person.name_bytes(), b" <", person.email_bytes(), b">"].concat();
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.is_match(&line))
        };
        let message = || {
            let lines = || commit.message_bytes().split(|byte| *byte == b'\n');
            self.messages.is_empty()
                || self.messages.iter().any(|pattern| lines().any(|line| pattern.is_match(line)))
        };
        who(&self.authors, commit.author()) && who(&self.committers, commit.committer()) && message()
    }
}
