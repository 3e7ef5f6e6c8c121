//! Applies that fail, or die, before each of their steps: all is as before or as there, and nothing between.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Changes, Keep, Manifest, PackLimits, Recovered, TransferError, pack, recover};

const PLENTY: PackLimits = PackLimits { max_bytes: 1 << 20, max_files: 1000 };

/// A directory, and one that has something of every change against it.
pub(super) struct Pair {
    pub(super) above: TempDir,
    manifest: Manifest,
    changes: Changes,
    pub(super) old: Look,
    pub(super) new: Look,
}

pub(super) type Look = BTreeMap<PathBuf, String>;

fn put(directory: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

pub(super) fn pair() -> Pair {
    let above = tempfile::tempdir().unwrap();
    let here = above.path().join("work");
    let there = tempfile::tempdir().unwrap();
    let same = ("same", "same");
    put(
        &here,
        &[same, ("text", "old"), ("gone/a", "1"), ("gone/b/c", "2"), ("turned", "3"), ("folder/x", "4")],
    );
    put(there.path(), &[same, ("text", "new"), ("turned/y", "5"), ("folder", "6"), ("fresh/deep/z", "7")]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let mode = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        put(&here, &[("run", "r"), ("d/in", "i"), ("l", "was a file")]);
        put(there.path(), &[("run", "r"), ("d/in", "i")]);
        mode(here.join("run"), 0o644);
        mode(there.path().join("run"), 0o755);
        mode(here.join("d"), 0o755);
        mode(there.path().join("d"), 0o711);
        symlink("a", here.join("link")).unwrap();
        symlink("b", there.path().join("link")).unwrap();
        symlink("/etc", there.path().join("l")).unwrap();
    }
    let manifest = pack(&here, &mut |_, _, _| Keep::Pack, PLENTY).unwrap().manifest;
    let archive = pack(there.path(), &mut |_, _, _| Keep::Pack, PLENTY).unwrap().archive;
    let changes = Changes::between(&manifest, &archive, PLENTY).unwrap();
    let (old, new) = (look(&here), look(there.path()));
    assert_ne!(old, new);
    Pair { above, manifest, changes, old, new }
}

pub(super) fn look(directory: &Path) -> Look {
    let mut found = Look::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let what = if metadata.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else if metadata.is_dir() {
                left.push(path.clone());
                format!("{:?}", metadata.permissions())
            } else {
                format!("{:?} {}", metadata.permissions(), fs::read_to_string(&path).unwrap())
            };
            found.insert(path.strip_prefix(directory).unwrap().to_owned(), what);
        }
    }
    found
}

impl Pair {
    pub(super) fn here(&self) -> PathBuf {
        self.above.path().join("work")
    }

    pub(super) fn left(&self) -> usize {
        fs::read_dir(self.above.path()).unwrap().count() - 1
    }

    pub(super) fn apply(&self, watch: super::Watch) -> Result<(), TransferError> {
        self.changes.apply_watched(&self.here(), &self.manifest, watch)
    }
}

/// Whether two files can be exchanged at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    AsHere,
    Unsupported,
}

impl Exchange {
    pub(super) const BOTH: [Self; 2] = [Self::AsHere, Self::Unsupported];

    pub(super) fn at(self, step: &str) -> io::Result<()> {
        match self {
            Self::Unsupported if step == "exchange" => Err(io::ErrorKind::Unsupported.into()),
            _ => Ok(()),
        }
    }
}

/// What is asked before each step, in an apply that succeeds.
pub(super) fn all_steps(exchange: Exchange) -> Vec<&'static str> {
    let pair = pair();
    let mut steps = Vec::new();
    pair.apply(&mut |step| {
        steps.push(step);
        exchange.at(step)
    })
    .unwrap();
    assert_eq!(look(&pair.here()), pair.new);
    assert_eq!(pair.left(), 0);
    steps
}

fn injected() -> io::Error {
    io::Error::other("injected")
}

#[test]
fn every_kind_of_step_is_among_those_that_fail() {
    let mut steps = all_steps(Exchange::Unsupported);
    for kind in ["stage", "plan", "aside", "replace", "exchange", "gap", "make-directory", "place", "commit"]
    {
        assert!(steps.contains(&kind), "{kind} is not in {steps:?}");
    }
    steps = all_steps(Exchange::AsHere);
    // Not each file system can; where these tests run on those two, it does.
    assert_eq!(steps.contains(&"exchanged"), cfg!(any(target_os = "linux", target_vendor = "apple")));
    assert_eq!(steps.contains(&"set-mode"), cfg!(unix));
}

#[test]
fn a_failure_before_any_step_leaves_all_as_it_was() {
    for exchange in Exchange::BOTH {
        let pair = pair();
        for (failing, step) in all_steps(exchange).into_iter().enumerate() {
            let mut count = 0;
            let failed = pair.apply(&mut |step| {
                count += 1;
                if count == failing + 1 && step != "undo" { Err(injected()) } else { exchange.at(step) }
            });
            match failed.unwrap_err() {
                TransferError::File { source, .. } if !["plan", "commit"].contains(&step) => {
                    assert_eq!(source.to_string(), "injected");
                }
                TransferError::Directory { source, .. } if ["plan", "commit"].contains(&step) => {
                    assert_eq!(source.to_string(), "injected");
                }
                other => panic!("{step}: {other:?}"),
            }
            assert_eq!(look(&pair.here()), pair.old, "{failing}: {step}");
            assert_eq!(pair.left(), 0, "{failing}: {step}");
        }
        // And then it is done as if nothing had been.
        pair.apply(&mut |step| exchange.at(step)).unwrap();
        assert_eq!(look(&pair.here()), pair.new);
    }
}

#[test]
fn a_death_before_any_step_is_recovered_from() {
    for exchange in Exchange::BOTH {
        let steps = all_steps(exchange);
        for (dying, step) in steps.iter().enumerate() {
            let pair = pair();
            let mut count = 0;
            let died = catch_unwind(AssertUnwindSafe(|| {
                pair.apply(&mut |step| {
                    count += 1;
                    assert!(count != dying + 1, "dying on purpose");
                    exchange.at(step)
                })
            }));
            assert!(died.is_err());
            assert_eq!(pair.left(), 1, "{step}");
            let undone = u64::from(!["stage", "plan"].contains(step));
            assert_eq!(recover(&pair.here()).unwrap(), Recovered { undone, removed: 1 - undone });
            assert_eq!(look(&pair.here()), pair.old, "{dying}: {step}");
            assert_eq!(pair.left(), 0, "{step}");
        }
    }
}

#[test]
fn the_next_apply_recovers_from_a_death_by_itself() {
    let pair = pair();
    let died = catch_unwind(AssertUnwindSafe(|| {
        pair.apply(&mut |step| {
            assert!(step != "commit", "dying on purpose");
            Ok(())
        })
    }));
    assert!(died.is_err());
    assert_eq!(look(&pair.here()), pair.new);
    pair.apply(&mut |_| Ok(())).unwrap();
    assert_eq!((look(&pair.here()), pair.left()), (pair.new.clone(), 0));
}

#[test]
fn a_failure_that_cannot_be_undone_is_told_and_recovered_from() {
    let mut undos = 0;
    let _ = pair().apply(&mut |step| {
        undos += usize::from(step == "undo");
        if step == "commit" { Err(injected()) } else { Ok(()) }
    });
    assert_ne!(undos, 0);
    for failing in 1..=undos {
        let pair = pair();
        let mut count = 0;
        let failed = pair.apply(&mut |step| {
            count += usize::from(step == "undo");
            if step == "commit" || count == failing { Err(injected()) } else { Ok(()) }
        });
        match failed.unwrap_err() {
            TransferError::NotUndone { failed, kept, source, .. } => {
                assert!(matches!(*failed, TransferError::Directory { action: "write", .. }));
                assert_eq!(source.to_string(), "injected");
                assert!(kept.join("plan").exists());
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(recover(&pair.here()).unwrap(), Recovered { undone: 1, removed: 0 });
        assert_eq!((look(&pair.here()), pair.left()), (pair.old.clone(), 0));
    }
}

#[test]
fn a_file_that_changes_after_it_was_compared_is_kept() {
    for (at, name) in [("aside", "turned"), ("replace", "text"), ("place", "fresh/deep/z")] {
        let pair = pair();
        let path = pair.here().join(name);
        let mut is_done = false;
        let failed = pair.apply(&mut |step| {
            if step == at && !is_done && path.parent().unwrap().exists() {
                is_done = true;
                fs::write(&path, "edited meanwhile").unwrap();
            }
            Ok(())
        });
        let Err(TransferError::Conflicts { paths }) = failed else { panic!("{failed:?}") };
        assert_eq!(paths, [crate::RelativePath::parse(name.as_bytes()).unwrap()]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "edited meanwhile");
        let mut now = look(&pair.here());
        now.retain(|path, _| !Path::new(name).starts_with(path));
        let mut old = pair.old.clone();
        old.remove(Path::new(name));
        assert_eq!(now, old, "{at}");
    }
}

#[test]
fn two_applies_at_once_are_refused() {
    let pair = pair();
    let mut is_first = true;
    pair.apply(&mut |_| {
        if std::mem::replace(&mut is_first, false) {
            let second = pair.apply(&mut |_| Ok(()));
            assert!(matches!(second, Err(TransferError::InUse { .. })), "{second:?}");
            assert!(matches!(recover(&pair.here()), Err(TransferError::InUse { .. })));
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((look(&pair.here()), pair.left()), (pair.new.clone(), 0));
}

#[test]
fn an_apply_waits_for_another_to_be_done() {
    let pair = &pair();
    std::thread::scope(|scope| {
        let mut second = None;
        pair.apply(&mut |_| {
            if second.is_none() {
                let begun = scope.spawn(move || pair.changes.clone().apply(&pair.here(), &pair.manifest));
                while pair.left() < 2 && !begun.is_finished() {
                    std::thread::yield_now();
                }
                second = Some(begun);
            }
            Ok(())
        })
        .unwrap();
        let second = second.unwrap().join().unwrap();
        assert!(matches!(second, Err(TransferError::Conflicts { .. })), "{second:?}");
    });
}
