//! What has changed in a repository.

use axum::Json;
use serde::{Deserialize, Serialize};

use super::run::Git;
use crate::daytona::extract::Asked;
use crate::daytona::fault::Fault;
use crate::daytona::toolbox::Toolbox;

#[derive(Debug, Deserialize)]
pub(super) struct OnePath {
    pub(super) path: String,
}

/// A file that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct FileStatus {
    name: String,
    staging: &'static str,
    worktree: &'static str,
    /// The name before, of a file that was renamed or copied.
    extra: String,
}

/// The state of a repository.
#[expect(clippy::struct_field_names, reason = "as the API names them")]
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    current_branch: String,
    detached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    branch_published: bool,
    ahead: u64,
    behind: u64,
    file_status: Vec<FileStatus>,
}

pub(super) async fn status(toolbox: Toolbox, Asked(asked): Asked<OnePath>) -> Result<Json<Status>, Fault> {
    let arguments = ["status", "--porcelain=v2", "--branch", "--untracked-files=all", "-z"];
    let text = Git::new(&toolbox, &asked.path)?.arguments(arguments).run().await?;
    parse(&text).map(Json)
}

/// Parses version 2 of the porcelain format with `-z` (git-status(1)).
fn parse(text: &str) -> Result<Status, Fault> {
    let mut status = Status::default();
    let mut lines = text.split_terminator('\0');
    while let Some(line) = lines.next() {
        let broken = || Fault::bad_request(format!("git status says what is not understood: {line:?}"));
        match line.split_at_checked(2).ok_or_else(broken)? {
            ("# ", header) => status.take_header(header).ok_or_else(broken)?,
            ("1 ", rest) => {
                let (staging, worktree, name) = changed(rest, 6).ok_or_else(broken)?;
                status.file_status.push(FileStatus { name, staging, worktree, extra: String::new() });
            }
            ("2 ", rest) => {
                let (staging, worktree, name) = changed(rest, 7).ok_or_else(broken)?;
                let extra = lines.next().ok_or_else(broken)?.to_owned();
                status.file_status.push(FileStatus { name, staging, worktree, extra });
            }
            ("u ", rest) => {
                let (_, _, name) = changed(rest, 8).ok_or_else(broken)?;
                let unmerged = "Updated but unmerged";
                let extra = String::new();
                status.file_status.push(FileStatus { name, staging: unmerged, worktree: unmerged, extra });
            }
            ("? ", name) => status.file_status.push(FileStatus {
                name: name.to_owned(),
                staging: "Untracked",
                worktree: "Untracked",
                extra: String::new(),
            }),
            _ => return Err(broken()),
        }
    }
    Ok(status)
}

impl Status {
    fn take_header(&mut self, header: &str) -> Option<()> {
        let (name, value) = header.split_once(' ')?;
        match name {
            "branch.head" if value == "(detached)" => self.detached = true,
            "branch.head" => value.clone_into(&mut self.current_branch),
            "branch.oid" if self.detached => {}
            "branch.upstream" => self.upstream = Some(value.to_owned()),
            // Only where the upstream's branch is there.
            "branch.ab" => {
                let (ahead, behind) = value.split_once(' ')?;
                self.ahead = ahead.strip_prefix('+')?.parse().ok()?;
                self.behind = behind.strip_prefix('-')?.parse().ok()?;
                self.branch_published = true;
            }
            _ => {}
        }
        Some(())
    }
}

/// The two letters at the front, and the name after so many more fields.
fn changed(rest: &str, fields: usize) -> Option<(&'static str, &'static str, String)> {
    let mut parts = rest.splitn(fields + 2, ' ');
    let mut letters = parts.next()?.chars();
    let (staging, worktree) = (word(letters.next()?)?, word(letters.next()?)?);
    Some((staging, worktree, parts.last()?.to_owned()))
}

fn word(letter: char) -> Option<&'static str> {
    Some(match letter {
        '.' => "Unmodified",
        // A change of type is a change.
        'M' | 'T' => "Modified",
        'A' => "Added",
        'D' => "Deleted",
        'R' => "Renamed",
        'C' => "Copied",
        'U' => "Updated but unmerged",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_porcelain_format_is_parsed() {
        let zeros = "0000000000000000000000000000000000000000";
        let text = [
            "# branch.oid 1234".to_owned(),
            "# branch.head main".to_owned(),
            "# branch.upstream origin/main".to_owned(),
            "# branch.ab +2 -1".to_owned(),
            format!("1 A. N... 000000 100644 100644 {zeros} {zeros} a b.txt"),
            format!("1 .M N... 100644 100644 100644 {zeros} {zeros} c.txt"),
            format!("2 R. N... 100644 100644 100644 {zeros} {zeros} R100 new.txt"),
            "old.txt".to_owned(),
            format!("u UU N... 100644 100644 100644 100644 {zeros} {zeros} {zeros} both.txt"),
            "? new one.txt".to_owned(),
        ];
        let file = |name: &str, staging, worktree, extra: &str| FileStatus {
            name: name.to_owned(),
            staging,
            worktree,
            extra: extra.to_owned(),
        };
        let unmerged = "Updated but unmerged";
        let expected = Status {
            current_branch: "main".to_owned(),
            detached: false,
            upstream: Some("origin/main".to_owned()),
            branch_published: true,
            ahead: 2,
            behind: 1,
            file_status: vec![
                file("a b.txt", "Added", "Unmodified", ""),
                file("c.txt", "Unmodified", "Modified", ""),
                file("new.txt", "Renamed", "Unmodified", "old.txt"),
                file("both.txt", unmerged, unmerged, ""),
                file("new one.txt", "Untracked", "Untracked", ""),
            ],
        };
        assert_eq!(parse(&(text.join("\0") + "\0")), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert_eq!(
            parse("nonsense\0"),
            Err(Fault::bad_request("git status says what is not understood: \"nonsense\""))
        );
    }
}
