//! What one command works with: the repository, opened from the git directory that the host knows
//! (never through the `.git` file that the guest can write), the working tree and the settings.

use super::attributes::AttributeFiles;
use super::failure::{Failure, Result};
use super::ignore::Ignores;
use super::line_ends::AutoCrlf;
use super::path;
use super::quote::Unusual;
use super::staging::Staging;
use super::work_tree::{EXECUTABLE, FILE, GITLINK, Kind, LINK, Stat, WorkTree};
use super::{Allowance, Scope};
use crate::conversion;
use git2::{Commit, Config, IndexEntry, ObjectType, Odb, Oid, Repository, RepositoryOpenFlags, Tree};
use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::Path;
use std::rc::Rc;

/// The fewest digits of an abbreviated object id.
const MIN_ABBREVIATION: usize = 7;
/// The most bytes of the ignore and attributes files outside the working tree.
const MAX_SHARED_FILE_BYTES: u64 = 1024 * 1024;

/// What a file takes on a disk at least, on most file systems.
const BLOCK_BYTES: u64 = 4096;
/// The exit code of a command that was given up, as of one that Ctrl-C ended.
const CANCELLED: u8 = 130;
/// The largest file that is read for a guest: both sides of a diff are held in memory, several times over.
const GUEST_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// The same for the host's own commands: git takes larger ones for binary (`core.bigFileThreshold`).
const HOST_FILE_BYTES: u64 = 512 * 1024 * 1024;

/// Who a session works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// What it does to the host is bounded more tightly.
    Guest,
    /// Whatever the working tree holds has to be told and kept.
    Host,
}

/// What one command works with.
#[expect(clippy::struct_excessive_bools, reason = "settings that git has as such")]
pub(super) struct Session<'a> {
    pub(super) scope: &'a Scope,
    pub(super) repository: Repository,
    pub(super) tree: Rc<WorkTree>,
    pub(super) ignores: Ignores,
    pub(super) attributes: AttributeFiles,
    pub(super) config: Config,
    /// The directory of the command with a slash at its end, or nothing for the root.
    pub(super) prefix: Vec<u8>,
    pub(super) unusual: Unusual,
    pub(super) caller: Caller,
    trusts_modes: bool,
    has_links: bool,
    /// `core.sparseCheckout`: files that are there count, whatever the index says of their absence.
    is_sparse: bool,
    pub(super) auto_crlf: AutoCrlf,
    pub(super) core_eol_crlf: bool,
    abbreviation: OnceCell<usize>,
    first_staging: OnceCell<Staging>,
    allowance: Option<&'a Allowance>,
}

/// How a file of the working tree stands against its entry of the index.
#[derive(Debug)]
pub(super) enum Found {
    Missing,
    Same(Option<Stat>),
    Changed { mode: u32 },
}

impl<'a> Session<'a> {
    /// Opens the repository of a scope for a command of a guest.
    pub(super) fn open(scope: &'a Scope) -> Result<Self> {
        Self::open_for(scope, Caller::Guest)
    }

    /// Opens the repository of a scope.
    pub(super) fn open_for(scope: &'a Scope, caller: Caller) -> Result<Self> {
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        let repository = Repository::open_ext(&scope.git_directory, flags, &[] as &[&OsStr])?;
        repository.set_workdir(&scope.work_tree, false)?;
        let most_bytes = match caller {
            Caller::Guest => GUEST_FILE_BYTES,
            Caller::Host => HOST_FILE_BYTES,
        };
        let tree = Rc::new(WorkTree::open(&scope.work_tree, most_bytes)?);
        let config = repository.config()?.snapshot()?;
        let common = repository.commondir().join("info");
        let mut ignore_files = Vec::new();
        ignore_files.extend(conversion::ignore_files(Some(&config)).iter().map(|path| shared_file(path)));
        ignore_files.push(shared_file(&common.join("exclude")));
        let auto_crlf = match config.get_str("core.autocrlf") {
            Ok("input") => AutoCrlf::Input,
            Ok(_) if config.get_bool("core.autocrlf").unwrap_or(false) => AutoCrlf::On,
            _ => AutoCrlf::Off,
        };
        let unusual = if config.get_bool("core.quotepath").unwrap_or(true) {
            Unusual::WithHighBytes
        } else {
            Unusual::ControlOnly
        };
        let core_eol_crlf = match config.get_str("core.eol") {
            Ok("crlf") => true,
            Ok("lf") => false,
            _ => cfg!(windows),
        };
        let attribute_files: Vec<Vec<u8>> =
            conversion::attribute_files(Some(&config)).iter().map(|path| shared_file(path)).collect();
        let info = shared_file(&common.join("attributes"));
        let is_set = |name: &str, default| config.get_bool(name).unwrap_or(default);
        Ok(Self {
            scope,
            caller,
            ignores: Ignores::new(Rc::clone(&tree), &ignore_files),
            attributes: AttributeFiles::new(Rc::clone(&tree), &attribute_files, &info),
            trusts_modes: cfg!(unix) && is_set("core.filemode", true),
            has_links: cfg!(unix) && is_set("core.symlinks", true),
            is_sparse: is_set("core.sparsecheckout", false),
            tree,
            config,
            prefix: Vec::new(),
            unusual,
            auto_crlf,
            core_eol_crlf,
            abbreviation: OnceCell::new(),
            first_staging: OnceCell::new(),
            allowance: None,
            repository,
        })
    }

    /// The same, for work that goes no further than it may.
    pub(super) fn within(self, allowance: &'a Allowance) -> Self {
        Self { allowance: Some(allowance), ..self }
    }

    /// Counts what is about to be written: content, and the block that each file takes at least.
    pub(super) fn spend(&self, content_bytes: usize) -> Result<()> {
        let bytes = u64::try_from(content_bytes).unwrap_or(u64::MAX).saturating_add(BLOCK_BYTES);
        if self.allowance.is_none_or(|allowance| allowance.take(bytes)) {
            return Ok(());
        }
        Err(Failure::fatal("no space left: the run may write no more to its directories")
            .hint("the limit is the run's --disk"))
    }

    /// Writes the trees of all entries and returns the root.
    pub(super) fn write_tree(&self, staging: &mut Staging) -> Result<Oid> {
        // As if every tree were a new one: a commit of many files writes few of them, but it may.
        self.spend(staging.tree_bytes())?;
        staging.write_tree(&self.repository)
    }

    /// Writes an object.
    pub(super) fn write(&self, kind: ObjectType, content: &[u8]) -> Result<Oid> {
        self.spend(content.len())?;
        Ok(self.odb()?.write(kind, content)?)
    }

    /// Ends work that is not wanted any more; called for each object and file that is looked at.
    pub(super) fn check_wanted(&self) -> Result<()> {
        if self.allowance.is_some_and(Allowance::is_cancelled) {
            return Err(Failure::silent(CANCELLED));
        }
        Ok(())
    }

    /// Sets the directory of the command, a path from the root of the working tree.
    pub(super) fn enter(&mut self, directory: &[u8]) -> Result<()> {
        let mut prefix = path::resolve(directory, &self.prefix, &self.scope.guest_path)?;
        if !prefix.is_empty() {
            match self.tree.stat(&prefix)? {
                Some(stat) if stat.kind == Kind::Directory => prefix.push(b'/'),
                _ => {
                    let shown = String::from_utf8_lossy(directory);
                    return Err(Failure::fatal(format!(
                        "cannot change to '{shown}': No such file or directory"
                    )));
                }
            }
        }
        self.prefix = prefix;
        Ok(())
    }

    pub(super) fn odb(&self) -> Result<Odb<'_>> {
        Ok(self.repository.odb()?)
    }

    pub(super) fn staging(&self) -> Result<Staging> {
        Staging::load(self.repository.path())
    }

    /// The index as it was when it was first asked for: it tells how line ends were stored before.
    pub(super) fn first_staging(&self) -> Result<&Staging> {
        if let Some(staging) = self.first_staging.get() {
            return Ok(staging);
        }
        let staging = self.staging()?;
        Ok(self.first_staging.get_or_init(|| staging))
    }

    /// The commit that HEAD names; nothing on a branch without one.
    pub(super) fn head(&self) -> Result<Option<Commit<'_>>> {
        match self.repository.head() {
            Ok(head) => Ok(Some(head.peel_to_commit()?)),
            Err(error)
                if matches!(error.code(), git2::ErrorCode::UnbornBranch | git2::ErrorCode::NotFound) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn head_tree(&self) -> Result<Option<Tree<'_>>> {
        Ok(self.head()?.map(|commit| commit.tree()).transpose()?)
    }

    /// The full name of the branch that HEAD names; nothing if HEAD is detached.
    pub(super) fn head_branch(&self) -> Result<Option<String>> {
        let head = self.repository.find_reference("HEAD")?;
        Ok(head.symbolic_target()?.map(str::to_owned))
    }

    /// The branch as git shows it.
    pub(super) fn head_name(&self) -> Result<String> {
        let name = self.head_branch()?;
        Ok(name.map_or_else(
            || "HEAD".to_owned(),
            |name| name.strip_prefix("refs/heads/").map_or(name.clone(), str::to_owned),
        ))
    }

    /// The mode that a file has in the index, where `before` is its mode there.
    pub(super) fn mode_of(&self, kind: Kind, before: Option<u32>) -> u32 {
        match kind {
            Kind::Link => LINK,
            Kind::Directory => GITLINK,
            // Where there are no links, the file that stands for one holds its target.
            Kind::File { .. } if !self.has_links && before == Some(LINK) => LINK,
            Kind::File { executable } if self.trusts_modes => {
                if executable {
                    EXECUTABLE
                } else {
                    FILE
                }
            }
            Kind::File { .. } | Kind::Other => before.filter(|mode| *mode == EXECUTABLE).unwrap_or(FILE),
        }
    }

    /// Compares a file with its entry of the index.
    pub(super) fn found(&self, staging: &Staging, entry: &IndexEntry) -> Result<Found> {
        self.check_wanted()?;
        let skipped = Staging::is_skipped(entry);
        if skipped && !self.is_sparse {
            return Ok(Found::Same(None));
        }
        let Some(stat) = self.tree.stat(&entry.path)? else {
            return Ok(if skipped { Found::Same(None) } else { Found::Missing });
        };
        let mode = self.mode_of(stat.kind, Some(entry.mode));
        match stat.kind {
            // What a submodule holds is the guest's, and never opened as a repository.
            Kind::Directory if entry.mode == GITLINK => return Ok(Found::Same(None)),
            Kind::Directory | Kind::Other => return Ok(Found::Missing),
            Kind::File { .. } | Kind::Link => {}
        }
        if mode != entry.mode {
            return Ok(Found::Changed { mode });
        }
        if staging.is_fresh(entry, &stat) {
            return Ok(Found::Same(Some(stat)));
        }
        if self.id_of_file(&entry.path, &stat, Some(entry))? == entry.id {
            Ok(Found::Same(Some(stat)))
        } else {
            Ok(Found::Changed { mode })
        }
    }

    /// Writes the index; entries that `lstat` cannot vouch for are looked at once more before.
    pub(super) fn save(&self, staging: &mut Staging) -> Result<()> {
        if !staging.is_changed() {
            return Ok(());
        }
        let racy: Vec<IndexEntry> = staging
            .entries()
            .filter(|entry| entry.mode != GITLINK && !Staging::is_skipped(entry) && staging.is_racy(entry))
            .map(|entry| IndexEntry { path: entry.path.clone(), ..*entry })
            .collect();
        for entry in racy {
            if !matches!(self.found(staging, &entry)?, Found::Same(_)) {
                staging.distrust(&entry.path)?;
            }
        }
        staging.write()
    }

    /// The shortest unambiguous form of an id, as git chooses its length.
    pub(super) fn abbreviate(&self, id: Oid) -> Result<String> {
        let digits = *self.abbreviation.get_or_init(|| {
            let objects = packed_objects(self.repository.commondir());
            let bits = usize::try_from(u64::BITS - objects.leading_zeros()).unwrap_or(0);
            bits.div_ceil(2).max(MIN_ABBREVIATION)
        });
        self.abbreviate_to(id, digits)
    }

    /// The same with at least `digits` digits.
    pub(super) fn abbreviate_to(&self, id: Oid, digits: usize) -> Result<String> {
        let mut text = id.to_string();
        if id.is_zero() {
            text.truncate(digits);
            return Ok(text);
        }
        let odb = self.odb()?;
        let mut length = digits.min(text.len());
        while length < text.len() {
            let short = Oid::from_str(text.get(..length).unwrap_or_default())?;
            match odb.exists_prefix(short, length) {
                Err(error) if error.code() == git2::ErrorCode::Ambiguous => length += 1,
                Ok(found) if found != id => length += 1,
                _ => break,
            }
        }
        text.truncate(length);
        Ok(text)
    }
}

/// A file of the repository or of the user; one that is missing or too large counts as empty.
fn shared_file(path: &Path) -> Vec<u8> {
    let small = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() <= MAX_SHARED_FILE_BYTES);
    if small { std::fs::read(path).unwrap_or_default() } else { Vec::new() }
}

/// How many objects the packs hold: the last number of the fan-out table of each index.
fn packed_objects(common: &Path) -> u64 {
    use std::io::{Read, Seek, SeekFrom};
    const LAST_FANOUT: u64 = 8 + 255 * 4;
    let Ok(packs) = std::fs::read_dir(common.join("objects/pack")) else { return 0 };
    let indexes = packs.flatten().filter(|entry| entry.path().extension() == Some(OsStr::new("idx")));
    indexes
        .filter_map(|entry| {
            let mut file = std::fs::File::open(entry.path()).ok()?;
            file.seek(SeekFrom::Start(LAST_FANOUT)).ok()?;
            let mut count = [0; 4];
            file.read_exact(&mut count).ok()?;
            Some(u64::from(u32::from_be_bytes(count)))
        })
        .sum()
}
