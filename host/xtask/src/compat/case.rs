//! The cases as they are written, and the place where one runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::command_line;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// With the name of its file before it, once it is read.
    pub(super) name: String,
    /// Run as `bash -c SCRIPT bash ARGS...`.
    pub(super) script: String,
    /// Files that are there before, by path; one whose content begins with `#!` can be executed.
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) stdin: String,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    /// Why the two differ. One that does not is an error too.
    pub(super) differs: Option<String>,
}

impl Case {
    /// A script alone.
    pub(super) fn plain(name: String, script: String) -> Self {
        let (files, environment) = (BTreeMap::new(), BTreeMap::new());
        Self { name, script, files, stdin: String::new(), args: Vec::new(), environment, differs: None }
    }

    /// The arguments, the first of which is the name of the shell.
    pub(super) fn argv(&self) -> Vec<String> {
        let fixed = ["bash", "-c", &self.script, "bash"].map(str::to_owned);
        fixed.into_iter().chain(self.args.iter().cloned()).collect()
    }
}

/// All cases.
pub(super) fn all() -> Result<Vec<Case>> {
    let folder = command_line::root().join("tests/compat");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files {
        let list: Vec<Case> = serde_yaml_ng::from_str(&fs::read_to_string(&file)?)
            .with_context(|| format!("{} is no list of cases", file.display()))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        cases.extend(list.into_iter().map(|case| Case { name: format!("{stem}: {}", case.name), ..case }));
    }
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    if let Some([twice, _]) = names.array_windows().find(|[left, right]| left == right) {
        bail!("two cases are called {twice}");
    }
    Ok(cases)
}

/// Where a case runs: always the same path for both sides, made anew for each.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) work: PathBuf,
    pub(super) home: PathBuf,
}

impl Place {
    pub(super) fn new(root: &Path) -> Self {
        Self { work: root.join("work"), home: root.join("home") }
    }

    pub(super) fn prepare(&self, case: &Case) -> Result<()> {
        for folder in [&self.work, &self.home] {
            make_writable(folder);
            match fs::remove_dir_all(folder) {
                Err(err) if err.kind() != std::io::ErrorKind::NotFound => {
                    return Err(err).with_context(|| format!("cannot remove {}", folder.display()));
                }
                _ => fs::create_dir_all(folder)?,
            }
        }
        for (path, content) in &case.files {
            let path = self.work.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&self.work))?;
            fs::write(&path, content)?;
            if content.starts_with("#!") {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            }
        }
        Ok(())
    }

    /// What is there now, by path: modes, contents, targets.
    pub(super) fn tree(&self) -> Result<BTreeMap<PathBuf, String>> {
        let mut tree = BTreeMap::new();
        walk(&self.work, &self.work, &mut tree)?;
        Ok(tree)
    }
}

/// A case may leave folders that even their owner cannot empty.
fn make_writable(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755));
        make_writable(&entry.path());
    }
}

fn walk(root: &Path, folder: &Path, tree: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()) {
        let metadata = fs::symlink_metadata(&path)?;
        let mut shown = format!("{:o}", metadata.mode());
        if metadata.is_symlink() {
            write!(shown, " -> {}", fs::read_link(&path)?.display())?;
        } else if metadata.is_file() {
            write!(shown, " {:?}", String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()))?;
        }
        tree.insert(path.strip_prefix(root)?.to_owned(), shown);
        if metadata.is_dir() {
            walk(root, &path, tree)?;
        }
    }
    Ok(())
}
