//! The forms of `git status`: long, short and the two porcelain versions.

use super::changes::Change;
use super::failure::Result;
use super::quote::{quoted, quoted_with_spaces, relative};
use super::session::Session;
use super::status::{Changed, State, StatusEntry, Untracked};
use super::work_tree::GITLINK;

/// Where HEAD stands.
pub(super) struct Branch {
    /// The name of the branch; nothing if HEAD is detached.
    name: Option<String>,
    commit: Option<git2::Oid>,
    /// The short name of the upstream, and how many commits each has that the other has not.
    upstream: Option<(String, Option<(usize, usize)>)>,
}

impl Branch {
    pub(super) fn of(session: &Session<'_>) -> Result<Self> {
        let name = session
            .head_branch()?
            .map(|name| name.strip_prefix("refs/heads/").map_or(name.clone(), str::to_owned));
        let commit = session.head()?.map(|commit| commit.id());
        let mut upstream = None;
        if let Some(name) = &name
            && let Ok(branch) = session.repository.find_branch(name, git2::BranchType::Local)
            && let Ok(found) = branch.upstream()
        {
            let shown = String::from_utf8_lossy(found.name_bytes()?).into_owned();
            let counts = match (commit, found.get().target()) {
                (Some(ours), Some(theirs)) => Some(session.repository.graph_ahead_behind(ours, theirs)?),
                _ => None,
            };
            upstream = Some((shown, counts));
        }
        Ok(Self { name, commit, upstream })
    }
}

/// `--short` and `--porcelain`; the latter tells paths from the root.
pub(super) fn short(
    session: &Session<'_>,
    entries: &[StatusEntry],
    branch: Option<&Branch>,
    form: &Form,
) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(branch) = branch {
        out.extend_from_slice(format!("## {}", short_branch(branch)).as_bytes());
        out.push(form.end());
    }
    for entry in entries {
        let letters = match &entry.state {
            State::Changed(changed) => {
                let letter = |change: Option<Change>| change.map_or(' ', Change::letter);
                format!("{}{}", letter(changed.staged), letter(changed.unstaged))
            }
            State::Conflict(conflict) => conflict.letters().to_owned(),
            State::Untracked => "??".to_owned(),
            State::Ignored => "!!".to_owned(),
        };
        out.extend_from_slice(letters.as_bytes());
        out.push(b' ');
        let before = path_before(&entry.state);
        if form.zero {
            out.extend_from_slice(&entry.path);
            if let Some(before) = before {
                out.push(0);
                out.extend_from_slice(before);
            }
        } else {
            let shown = |path: &[u8]| quoted_with_spaces(&relative(path, &form.prefix), session.unusual);
            if let Some(before) = before {
                out.extend_from_slice(&shown(before));
                out.extend_from_slice(b" -> ");
            }
            out.extend_from_slice(&shown(&entry.path));
        }
        out.push(form.end());
    }
    out
}

/// How paths are told.
pub(super) struct Form {
    /// Ended by a zero byte, unquoted and from the root.
    pub(super) zero: bool,
    /// The directory that they are told from.
    pub(super) prefix: Vec<u8>,
}

impl Form {
    fn end(&self) -> u8 {
        if self.zero { 0 } else { b'\n' }
    }
}

fn path_before(state: &State) -> Option<&[u8]> {
    match state {
        State::Changed(Changed { path_before, .. }) => path_before.as_deref(),
        _ => None,
    }
}

fn short_branch(branch: &Branch) -> String {
    let Some(name) = &branch.name else { return "HEAD (no branch)".to_owned() };
    let mut line = if branch.commit.is_some() { name.clone() } else { format!("No commits yet on {name}") };
    if let Some((upstream, counts)) = &branch.upstream {
        line = format!("{line}...{upstream}");
        match counts {
            Some((0, 0)) => {}
            Some((ahead, 0)) => line = format!("{line} [ahead {ahead}]"),
            Some((0, behind)) => line = format!("{line} [behind {behind}]"),
            Some((ahead, behind)) => line = format!("{line} [ahead {ahead}, behind {behind}]"),
            None => line += " [gone]",
        }
    }
    line
}

/// `--porcelain=v2`.
pub(super) fn porcelain_v2(
    session: &Session<'_>,
    entries: &[StatusEntry],
    branch: Option<&Branch>,
    form: &Form,
) -> Vec<u8> {
    let mut out = Vec::new();
    let end = form.end();
    if let Some(branch) = branch {
        let commit = branch.commit.map_or_else(|| "(initial)".to_owned(), |id| id.to_string());
        let mut lines =
            vec![format!("oid {commit}"), format!("head {}", branch.name.as_deref().unwrap_or("(detached)"))];
        if let Some((upstream, counts)) = &branch.upstream {
            lines.push(format!("upstream {upstream}"));
            lines.extend(counts.map(|(ahead, behind)| format!("ab +{ahead} -{behind}")));
        }
        for line in lines {
            out.extend_from_slice(format!("# branch.{line}").as_bytes());
            out.push(end);
        }
    }
    let shown = |path: &[u8]| {
        if form.zero { path.to_vec() } else { quoted(&relative(path, &form.prefix), session.unusual) }
    };
    let submodule = |modes: &[u32]| if modes.contains(&GITLINK) { "S..." } else { "N..." };
    for entry in entries {
        match &entry.state {
            State::Changed(changed) => {
                let letter = |change: Option<Change>| change.map_or('.', Change::letter);
                let [head, index, tree] = changed.modes;
                let [head_id, index_id] = &changed.ids;
                let kind = if changed.path_before.is_some() { '2' } else { '1' };
                let line = format!(
                    "{kind} {}{} {} {head:06o} {index:06o} {tree:06o} {head_id} {index_id} ",
                    letter(changed.staged),
                    letter(changed.unstaged),
                    submodule(&changed.modes),
                );
                out.extend_from_slice(line.as_bytes());
                if changed.path_before.is_some() {
                    out.extend_from_slice(format!("R{} ", changed.similarity).as_bytes());
                }
            }
            State::Conflict(conflict) => {
                let [base, ours, theirs, tree] = conflict.modes;
                let line = format!(
                    "u {} {} {base:06o} {ours:06o} {theirs:06o} {tree:06o} {} ",
                    conflict.letters(),
                    submodule(&conflict.modes),
                    conflict.ids.join(" ")
                );
                out.extend_from_slice(line.as_bytes());
            }
            State::Untracked => out.extend_from_slice(b"? "),
            State::Ignored => out.extend_from_slice(b"! "),
        }
        out.extend_from_slice(&shown(&entry.path));
        if let Some(before) = path_before(&entry.state) {
            out.push(if form.zero { 0 } else { b'\t' });
            out.extend_from_slice(&shown(before));
        }
        out.push(end);
    }
    out
}

/// The long form, with the sentence at its end.
pub(super) fn long(
    session: &Session<'_>,
    entries: &[StatusEntry],
    branch: &Branch,
    untracked: Untracked,
) -> Vec<u8> {
    let initial = branch.commit.is_none();
    let mut out = Vec::new();
    match (&branch.name, branch.commit) {
        (Some(name), _) => out.extend_from_slice(format!("On branch {name}\n").as_bytes()),
        (None, Some(commit)) => {
            let short = session.abbreviate(commit).unwrap_or_default();
            out.extend_from_slice(format!("HEAD detached at {short}\n").as_bytes());
        }
        (None, None) => out.extend_from_slice(b"Not currently on any branch.\n"),
    }
    out.extend_from_slice(tracking(branch).as_bytes());
    if initial {
        out.extend_from_slice(b"\nNo commits yet\n\n");
    }
    let unstage = if initial { "git rm --cached <file>..." } else { "git restore --staged <file>..." };
    let sections = Sections { session, entries };
    let staged = sections.changes(|changed| changed.staged, true);
    let unstaged = sections.changes(|changed| changed.unstaged, false);
    let conflicts = sections.conflicts();
    let deleted = entries.iter().any(
        |entry| matches!(&entry.state, State::Changed(changed) if changed.unstaged == Some(Change::Deleted)),
    );
    section(&mut out, "Changes to be committed:", &[&format!("use \"{unstage}\" to unstage")], &staged);
    let resolve = "use \"git add <file>...\" to mark resolution";
    section(&mut out, "Unmerged paths:", &[&format!("use \"{unstage}\" to unstage"), resolve], &conflicts);
    let add = if deleted { "git add/rm <file>..." } else { "git add <file>..." };
    let hints = [
        format!("use \"{add}\" to update what will be committed"),
        "use \"git restore <file>...\" to discard changes in working directory".to_owned(),
    ];
    section(&mut out, "Changes not staged for commit:", &[&hints[0], &hints[1]], &unstaged);
    let new = sections.paths(&State::Untracked);
    let include = "use \"git add <file>...\" to include in what will be committed";
    section(&mut out, "Untracked files:", &[include], &new);
    let ignored = sections.paths(&State::Ignored);
    let force = "use \"git add -f <file>...\" to include in what will be committed";
    section(&mut out, "Ignored files:", &[force], &ignored);
    if untracked == Untracked::No && !staged.is_empty() {
        out.extend_from_slice(b"Untracked files not listed (use -u option to show untracked files)\n");
    }
    if staged.is_empty() {
        let line: &[u8] = if !unstaged.is_empty() || !conflicts.is_empty() {
            b"no changes added to commit (use \"git add\" and/or \"git commit -a\")\n"
        } else if !new.is_empty() {
            b"nothing added to commit but untracked files present (use \"git add\" to track)\n"
        } else if initial {
            b"nothing to commit (create/copy files and use \"git add\" to track)\n"
        } else if untracked == Untracked::No {
            b"nothing to commit (use -u to show untracked files)\n"
        } else {
            b"nothing to commit, working tree clean\n"
        };
        out.extend_from_slice(line);
    }
    out
}

fn tracking(branch: &Branch) -> String {
    let Some((name, counts)) = &branch.upstream else { return String::new() };
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    match *counts {
        None => format!(
            "Your branch is based on '{name}', but the upstream is gone.\n  (use \"git branch --unset-upstream\" to fixup)\n\n"
        ),
        Some((0, 0)) => format!("Your branch is up to date with '{name}'.\n\n"),
        Some((ahead, 0)) => format!(
            "Your branch is ahead of '{name}' by {ahead} commit{}.\n  (use \"git push\" to publish your local commits)\n\n",
            plural(ahead)
        ),
        Some((0, behind)) => format!(
            "Your branch is behind '{name}' by {behind} commit{}, and can be fast-forwarded.\n  (use \"git pull\" to update your local branch)\n\n",
            plural(behind)
        ),
        Some((ahead, behind)) => format!(
            "Your branch and '{name}' have diverged,\nand have {ahead} and {behind} different commits each, respectively.\n  (use \"git pull\" if you want to integrate the remote branch with yours)\n\n"
        ),
    }
}

fn section(out: &mut Vec<u8>, title: &str, hints: &[&str], lines: &[Vec<u8>]) {
    if lines.is_empty() {
        return;
    }
    out.extend_from_slice(title.as_bytes());
    out.push(b'\n');
    for hint in hints {
        out.extend_from_slice(format!("  ({hint})\n").as_bytes());
    }
    for line in lines {
        out.push(b'\t');
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

struct Sections<'s, 'a> {
    session: &'s Session<'a>,
    entries: &'s [StatusEntry],
}

impl Sections<'_, '_> {
    fn shown(&self, path: &[u8]) -> Vec<u8> {
        quoted(&relative(path, &self.session.prefix), self.session.unusual)
    }

    fn changes(&self, change: impl Fn(&Changed) -> Option<Change>, renames: bool) -> Vec<Vec<u8>> {
        let line = |entry: &StatusEntry| {
            let State::Changed(changed) = &entry.state else { return None };
            let label = match change(changed)? {
                Change::Added => "new file:",
                Change::Deleted => "deleted:",
                Change::Modified => "modified:",
                Change::Renamed => "renamed:",
                Change::TypeChanged => "typechange:",
                Change::Unmerged => return None,
            };
            let mut line = format!("{label:<12}").into_bytes();
            if let Some(before) = changed.path_before.as_ref().filter(|_| renames) {
                line.extend_from_slice(&self.shown(before));
                line.extend_from_slice(b" -> ");
            }
            line.extend_from_slice(&self.shown(&entry.path));
            Some(line)
        };
        self.entries.iter().filter_map(line).collect()
    }

    fn conflicts(&self) -> Vec<Vec<u8>> {
        let line = |entry: &StatusEntry| {
            let State::Conflict(conflict) = &entry.state else { return None };
            let label = match conflict.letters() {
                "DD" => "both deleted:",
                "AU" => "added by us:",
                "UD" => "deleted by them:",
                "UA" => "added by them:",
                "DU" => "deleted by us:",
                "AA" => "both added:",
                _ => "both modified:",
            };
            let mut line = format!("{label:<17}").into_bytes();
            line.extend_from_slice(&self.shown(&entry.path));
            Some(line)
        };
        self.entries.iter().filter_map(line).collect()
    }

    fn paths(&self, state: &State) -> Vec<Vec<u8>> {
        self.entries
            .iter()
            .filter(|entry| entry.state == *state)
            .map(|entry| self.shown(&entry.path))
            .collect()
    }
}
