//! Making a worktree.
//!
//! The order is what makes it safe to be killed: the record comes first and says that the worktree is
//! being created, so whatever follows is found and removed by the next who looks; the record says
//! `ready` last.

use std::fs;
use std::path::Path;

use git2::build::CheckoutBuilder;
use git2::{ErrorCode, ObjectType, Oid, Repository};
use serde::{Deserialize, Serialize};

use crate::checkout::{Kind, Listing, Stat, write_files, write_index};
use crate::conversion::Conversion;
use crate::error::{At, Trying};
use crate::place::index_entry;
use crate::record::{Held, now_seconds};
use crate::sparse::{self, Cone, SKIP_WORKTREE};
use crate::{
    Id, Plain, PlainOrigin, Progress, Record, State, Worktree, WorktreeError, Worktrees, administration,
    snapshot,
};

/// What a new worktree begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Create {
    /// A commit, by any name that git has for it; `HEAD` of the user's checkout if none.
    pub base: Option<String>,
    /// Whether changes of the user's checkout that are not committed come along.
    pub include_uncommitted: bool,
    /// Whether files of the user's checkout that git does not know, and is not told to ignore, come along.
    pub include_untracked: bool,
    /// The only directories that the worktree has, as `git sparse-checkout set` takes them; all, if none. Files
    /// directly in the directories above them are there too. All other files stay as they are in commits.
    #[serde(default)]
    pub sparse: Vec<String>,
    /// What it begins with where there is no repository; if nothing is said, none is made there. It counts for
    /// nothing in a repository.
    #[serde(default)]
    pub plain: Option<Plain>,
}

impl Worktrees {
    /// Makes a branch and a worktree for a run, and takes it for this process.
    ///
    /// `progress` is told of files that are written.
    ///
    /// # Errors
    /// [`WorktreeError::Taken`], [`WorktreeError::BranchTaken`], [`WorktreeError::NoCommit`],
    /// [`WorktreeError::Unsupported`], and others of files and objects. Nothing of the worktree is left
    /// then.
    pub fn create(
        &self,
        id: &Id,
        options: &Create,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Worktree<'_>, WorktreeError> {
        self.records.check_free(id)?;
        let plain = self.plain_origin(options)?;
        let base = match &plain {
            Some(origin) => Some(self.plain_base(origin)?),
            None => self.base(options)?,
        };
        Cone::of(&options.sparse)?;
        if options.base.is_some()
            && (options.include_uncommitted || options.include_untracked)
            && base != self.head()?
        {
            return Err(WorktreeError::Unsupported {
                what: "changes of the checkout on another base".to_owned(),
                reason: "they are changes of HEAD; leave the base out, or the changes".to_owned(),
            });
        }
        let path = self.root.join(id.task()).join(id.run());
        self.check_branch(id)?;
        let record = Record {
            id: id.clone(),
            state: State::Creating,
            path,
            base: base.map(|oid| oid.to_string()),
            base_name: match &plain {
                Some(origin) => origin.directory.display().to_string(),
                None => options.base.clone().unwrap_or_else(|| "HEAD".to_owned()),
            },
            start: None,
            created_seconds: now_seconds(),
            sparse: options.sparse.clone(),
            notes: plain.iter().map(PlainOrigin::note).collect(),
            plain,
        };
        let mut worktree = Worktree { worktrees: self, held: self.records.begin(record)? };
        match worktree.fill(base, options, progress) {
            Ok(()) => Ok(worktree),
            Err(err) => {
                // The first failure is what is to be told; what cannot be undone is found by `collect`.
                let _ = self.undo_creation(worktree.held);
                Err(err)
            }
        }
    }

    fn base(&self, options: &Create) -> Result<Option<Oid>, WorktreeError> {
        match &options.base {
            Some(name) => self.resolve(name).map(Some),
            None => self.head(),
        }
    }

    /// The commit of the user's checkout; none before the first.
    fn head(&self) -> Result<Option<Oid>, WorktreeError> {
        match self.repository.head() {
            Ok(_) => self.resolve("HEAD").map(Some),
            Err(err) if err.code() == ErrorCode::UnbornBranch => Ok(None),
            Err(source) => Err(WorktreeError::Git { action: "read HEAD", source }),
        }
    }

    /// A branch `sandpiper` or `sandpiper/task` leaves no room for one below it.
    fn check_branch(&self, id: &Id) -> Result<(), WorktreeError> {
        let wanted = id.branch();
        for branch in ["sandpiper".to_owned(), format!("sandpiper/{}", id.task()), wanted.clone()] {
            if self.repository.find_reference(&format!("refs/heads/{branch}")).is_ok() {
                return Err(WorktreeError::BranchTaken { branch, wanted });
            }
        }
        Ok(())
    }

    /// Removes whatever there is of a worktree in which nobody has worked.
    pub(crate) fn undo_creation(&self, held: Held) -> Result<(), WorktreeError> {
        let record = &held.record;
        let administration = administration::directory(self.repository.commondir(), &record.id);
        if administration::is_linked(&administration, &record.path) {
            remove_directory(&record.path)?;
        } else {
            // Not made by this, unless it is empty.
            let _ = fs::remove_dir(&record.path);
        }
        let _ = record.path.parent().map(fs::remove_dir);
        administration::remove(&administration, held.directory())?;
        for name in [record.id.branch_ref(), record.id.start_ref()] {
            self.delete_reference(&name)?;
        }
        held.forget()
    }

    /// Deletes a reference of a worktree that this process holds, or of the trash.
    pub(crate) fn delete_reference(&self, name: &str) -> Result<(), WorktreeError> {
        // Nobody else locks these, so that a lock is of a process that was killed.
        let lock = self.repository.commondir().join(format!("{name}.lock"));
        let _ = fs::remove_file(lock);
        match self.repository.find_reference(name) {
            Ok(mut reference) => reference.delete().trying("delete a reference"),
            Err(err) if err.code() == ErrorCode::NotFound => Ok(()),
            Err(source) => Err(WorktreeError::Git { action: "read a reference", source }),
        }
    }
}

impl Worktree<'_> {
    fn fill(
        &mut self,
        base: Option<Oid>,
        options: &Create,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), WorktreeError> {
        let repository = &self.worktrees.repository;
        let common = repository.commondir();
        let id = self.held.record.id.clone();
        let path = self.held.record.path.clone();
        let parent = path.parent().unwrap_or(&path);
        fs::create_dir_all(parent).at("create", parent)?;
        fs::create_dir(&path).at("create", &path)?;
        let administration = administration::create(common, &id, &path, self.held.directory())?;
        administration::link(&administration, &path)?;
        if let Some(base) = base {
            let message = format!("branch: Created from {}", self.held.record.base_name);
            repository.reference(&id.branch_ref(), base, false, &message).trying("create the branch")?;
            administration::begin_log(&administration, base, &self.worktrees.own_signature()?)?;
            let commit = repository.find_commit(base).trying("read the base")?;
            self.check_out(&administration, commit.tree_id(), progress)?;
        }
        if options.include_uncommitted || options.include_untracked {
            self.take_changes(options)?;
        }
        if let Some(origin) = &self.held.record.plain {
            self.finish_plain(origin)?;
        }
        administration::unlock(&administration)?;
        self.held.record.state = State::Ready;
        self.held.save()
    }

    fn check_out(
        &mut self,
        administration: &Path,
        tree: Oid,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), WorktreeError> {
        let repository = &self.worktrees.repository;
        let path = self.held.record.path.clone();
        let mut listing = Listing::of(repository, tree)?;
        if let Some(cone) = Cone::of(&self.held.record.sparse)? {
            let names = listing.directories.iter().map(|directory| crate::platform::name(directory));
            cone.check(&names.collect())?;
            sparse::allow(repository, self.held.directory())?;
            cone.write(administration)?;
            listing.leave_out(&cone);
        }
        let conversion = match &self.held.record.plain {
            Some(_) => Conversion::none(),
            None => Conversion::of(repository, &listing)?,
        };
        if conversion.needed {
            write_converted(administration, tree, &listing, progress)?;
        } else {
            let stats = write_files(repository.path(), &listing, &path, progress)?;
            write_index(&listing, &stats, &administration.join("index"))?;
        }
        let submodules = listing.present().filter(|entry| entry.kind == Kind::Submodule).count();
        if submodules > 0 {
            self.held.record.notes.push(format!("the directories of its submodules are empty: {submodules}"));
        }
        if conversion.has_filters {
            self.held.record.notes.push(
                "files with a filter are as they are in the repository (those of LFS are pointers): filters are \
                 commands, and none is run"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Brings the user's changes along. They stay uncommitted; a commit beside the branch holds them, so
    /// that it can be told later what is new.
    fn take_changes(&mut self, options: &Create) -> Result<(), WorktreeError> {
        let repository = &self.worktrees.repository;
        let Some(checkout) = repository.workdir() else { return Ok(()) };
        snapshot::copy_changes(repository, checkout, &self.held.record.path, options)?;
        let tree = self.snapshot()?;
        let tree = repository.find_tree(tree).trying("read a tree")?;
        let parent =
            self.tip()?.map(|oid| repository.find_commit(oid)).transpose().trying("read the base")?;
        let who = self.worktrees.own_signature()?;
        let start = repository
            .commit(
                Some(&self.held.record.id.start_ref()),
                &who,
                &who,
                "The checkout's changes that the worktree began with\n",
                &tree,
                &parent.iter().collect::<Vec<_>>(),
            )
            .trying("note the changes")?;
        self.held.record.start = Some(start.to_string());
        Ok(())
    }
}

/// Has libgit2 write the files, which knows how their attributes have them written.
fn write_converted(
    administration: &Path,
    tree: Oid,
    listing: &Listing,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), WorktreeError> {
    let worktree = Repository::open(administration).trying("open the worktree")?;
    let mut builder = CheckoutBuilder::new();
    builder.force().progress(|_, done, total| progress(Progress { done, total }));
    if listing.is_partial() {
        builder.disable_pathspec_match(true);
        for entry in listing.present() {
            builder.path(entry.path());
        }
    }
    if !listing.is_partial() || listing.present().next().is_some() {
        let object = worktree.find_object(tree, Some(ObjectType::Tree)).trying("read the base")?;
        worktree.checkout_tree(&object, Some(&mut builder)).trying("write the files")?;
    }
    if listing.is_partial() {
        let mut index = worktree.index().trying("read the index")?;
        for entry in listing.entries.iter().filter(|entry| entry.is_left_out) {
            let mut left_out = index_entry(&entry.path(), entry.kind.mode(), entry.oid, Stat::default());
            left_out.flags_extended |= SKIP_WORKTREE;
            index.add(&left_out).trying("write the index")?;
        }
        index.write().trying("write the index")?;
    }
    Ok(())
}

/// Removes a directory with all in it, also where a guest has taken permissions away.
pub(crate) fn remove_directory(path: &Path) -> Result<(), WorktreeError> {
    match fs::remove_dir_all(path) {
        Err(err) if err.kind() == std::io::ErrorKind::PermissionDenied => {
            crate::platform::make_removable(path);
            fs::remove_dir_all(path).at("remove", path)
        }
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(err).at("remove", path),
        _ => Ok(()),
    }
}
