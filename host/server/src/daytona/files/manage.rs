//! Looks at files, and moves, removes and marks them.

use axum::Json;
use axum::http::StatusCode;
use sandpiper_core::{FileErrorKind, FileType, Files};
use serde::Deserialize;

use super::info::{FileInfo, OWNER, follow};
use crate::daytona::extract::Asked;
use crate::daytona::fault::{Code, Fault};
use crate::daytona::toolbox::Toolbox;
use crate::guest_path;

/// The user's number, which Daytona takes for the name.
const OWNER_NUMBER: &str = "1000";

/// Most entries of a list.
const ENTRIES: usize = 100_000;

#[derive(Debug, Deserialize)]
pub(super) struct OnePath {
    path: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct List {
    #[serde(default)]
    path: String,
    depth: Option<u32>,
}

pub(super) async fn list(toolbox: Toolbox, Asked(asked): Asked<List>) -> Result<Json<Vec<FileInfo>>, Fault> {
    let depth = asked.depth.unwrap_or(1);
    if depth == 0 {
        return Err(Fault::bad_request("the depth is 0, expected at least 1"));
    }
    let files = toolbox.files();
    let mut found = Vec::new();
    // A stack of directories, so that what is in one comes right after it.
    let mut open = vec![(toolbox.path(&asked.path)?, depth)];
    let mut first = true;
    while let Some((directory, depth)) = open.pop() {
        if !std::mem::take(&mut first) {
            let stat = files.stat(&directory).await?;
            found.push(FileInfo::new(&directory, stat));
            if depth == 0 || stat.kind != FileType::Directory {
                continue;
            }
        }
        let entries = files.list(&directory).await?;
        if found.len() + open.len() + entries.len() > ENTRIES {
            return Err(Fault::bad_request(format!(
                "there are more than {ENTRIES} entries in {}; ask for a smaller depth, or a directory in it",
                asked.path,
            )));
        }
        let inner = entries.into_iter().rev();
        open.extend(inner.map(|entry| (inside(&directory, &entry.name), depth - 1)));
    }
    Ok(Json(found))
}

pub(super) async fn info(toolbox: Toolbox, Asked(asked): Asked<OnePath>) -> Result<Json<FileInfo>, Fault> {
    let path = toolbox.path(&asked.path)?;
    let stat = follow(&*toolbox.files(), &path).await?;
    Ok(Json(FileInfo::new(&path, stat)))
}

#[derive(Debug, Deserialize)]
pub(super) struct Delete {
    path: String,
    #[serde(default)]
    recursive: bool,
}

pub(super) async fn delete(toolbox: Toolbox, Asked(asked): Asked<Delete>) -> Result<StatusCode, Fault> {
    let path = toolbox.path(&asked.path)?;
    let files = toolbox.files();
    if !asked.recursive && files.stat(&path).await?.kind == FileType::Directory {
        return Err(Fault::bad_request(format!("{path} is a directory; set `recursive` to delete it")));
    }
    files.remove(&path, asked.recursive).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
pub(super) struct Folder {
    path: String,
    mode: Option<String>,
}

pub(super) async fn make_folder(toolbox: Toolbox, Asked(asked): Asked<Folder>) -> Result<StatusCode, Fault> {
    let path = toolbox.path(&asked.path)?;
    let mode = asked.mode.as_deref().map(permissions).transpose()?;
    let files = toolbox.files();
    let is_new = matches!(files.stat(&path).await, Err(err) if err.kind == FileErrorKind::NotFound);
    files.make_directory(&path).await?;
    if let Some(mode) = mode.filter(|_| is_new) {
        files.set_mode(&path, mode).await?;
    }
    Ok(StatusCode::CREATED)
}

#[derive(Debug, Deserialize)]
pub(super) struct Rename {
    source: String,
    destination: String,
}

pub(super) async fn rename(toolbox: Toolbox, Asked(asked): Asked<Rename>) -> Result<StatusCode, Fault> {
    let (source, destination) = (toolbox.path(&asked.source)?, toolbox.path(&asked.destination)?);
    let files = toolbox.files();
    // As `mv`: a directory that is there takes it in.
    let into = is_directory(&*files, &destination).await && !is_directory(&*files, &source).await;
    let destination = if into { inside(&destination, guest_path::name(&source)) } else { destination };
    files.rename(&source, &destination).await?;
    Ok(StatusCode::OK)
}

/// The path of a name in a directory.
fn inside(directory: &str, name: &str) -> String {
    format!("{}/{name}", directory.trim_end_matches('/'))
}

async fn is_directory(files: &dyn Files, path: &str) -> bool {
    follow(files, path).await.is_ok_and(|stat| stat.kind == FileType::Directory)
}

#[derive(Debug, Deserialize)]
pub(super) struct Permissions {
    path: String,
    mode: Option<String>,
    owner: Option<String>,
    group: Option<String>,
}

pub(super) async fn set_permissions(
    toolbox: Toolbox,
    Asked(asked): Asked<Permissions>,
) -> Result<StatusCode, Fault> {
    let path = toolbox.path(&asked.path)?;
    for (what, name) in [("owner", &asked.owner), ("group", &asked.group)] {
        let Some(name) = name.as_deref().filter(|name| !name.is_empty()) else { continue };
        if name != OWNER && name != OWNER_NUMBER {
            let message =
                format!("the {what} of {path} cannot become {name}: a sandbox has one user, {OWNER}");
            return Err(Fault::new(StatusCode::FORBIDDEN, Code::FileAccessDenied, message));
        }
    }
    let files = toolbox.files();
    match asked.mode.as_deref().filter(|mode| !mode.is_empty()) {
        Some(mode) => files.set_mode(&path, permissions(mode)?).await?,
        None => {
            files.stat(&path).await?;
        }
    }
    Ok(StatusCode::OK)
}

fn permissions(text: &str) -> Result<u16, Fault> {
    u16::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| Fault::bad_request(format!("`{text}` is no mode, expected octal such as 755")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_octal() {
        assert_eq!(permissions("755"), Ok(0o755));
        assert_eq!(permissions("0644"), Ok(0o644));
        for text in ["", "rwx", "888", "77777"] {
            let message = format!("`{text}` is no mode, expected octal such as 755");
            assert_eq!(permissions(text), Err(Fault::bad_request(message)));
        }
    }
}
