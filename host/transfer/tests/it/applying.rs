//! What apply does, reports, and refuses to do.

use std::fs;

use sandpiper_transfer::{ChangeKind, Changes, Digest, EntryKind, Recovered, recover};

use crate::tree::{PLENTY, Workspace, path, shown};

/// What was packed here, changed there by `change`.
fn changed(
    here: &Workspace,
    change: impl Fn(&Workspace),
) -> (sandpiper_transfer::Manifest, Changes, Workspace) {
    let packed = here.pack();
    let there = Workspace::unpacked(&packed.archive);
    change(&there);
    let changes = Changes::between(&packed.manifest, &there.archive(), PLENTY).unwrap();
    (packed.manifest, changes, there)
}

#[test]
fn what_changed_there_is_done_here_and_told() {
    let here =
        Workspace::of(&[("same", "1"), ("text", "2"), ("gone/a", "3"), ("turned", "4"), ("folder/b", "5")]);
    let (manifest, changes, there) = changed(&here, |there| {
        there.put("text", "two");
        there.remove("gone");
        there.remove("turned");
        there.put("turned/inside", "6");
        there.remove("folder");
        there.put("folder", "7");
        there.put("new/deep/file", "8");
    });
    let applied = changes.apply(&here.path(), &manifest).unwrap();
    assert_eq!(here.look(), there.look());
    assert_eq!(here.beside(), 0);
    let (file, directory) = (EntryKind::File, EntryKind::Directory);
    let digest = |text: &str| Some(Digest::of(text.as_bytes()));
    let told: Vec<_> = applied
        .changes
        .iter()
        .map(|change| (change.path.clone(), change.kind(), change.digest_before(), change.digest_after()))
        .collect();
    assert_eq!(
        told,
        [
            (path("folder"), ChangeKind::KindChanged { from: directory, to: file }, None, digest("7")),
            (path("folder/b"), ChangeKind::Deleted(file), digest("5"), None),
            (path("gone"), ChangeKind::Deleted(directory), None, None),
            (path("gone/a"), ChangeKind::Deleted(file), digest("3"), None),
            (path("new"), ChangeKind::Created(directory), None, None),
            (path("new/deep"), ChangeKind::Created(directory), None, None),
            (path("new/deep/file"), ChangeKind::Created(file), None, digest("8")),
            (path("text"), ChangeKind::Modified(file), digest("2"), digest("two")),
            (path("turned"), ChangeKind::KindChanged { from: file, to: directory }, digest("4"), None),
            (path("turned/inside"), ChangeKind::Created(file), None, digest("6")),
        ]
    );
    assert!(applied.kept.is_empty());
}

#[test]
fn nothing_changed_is_nothing_done() {
    let here = Workspace::of(&[("a", "1"), ("d/", "")]);
    let (manifest, changes, _) = changed(&here, |_| {});
    assert!(changes.is_empty());
    assert!(changes.apply(&here.path(), &manifest).unwrap().changes.is_empty());
}

#[cfg(unix)]
#[test]
fn modes_and_symlinks_come_back() {
    let here = Workspace::of(&[("run.sh", "x"), ("d/a", "a"), ("link", "->run.sh"), ("file", "f")]);
    here.set_mode("run.sh", 0o644);
    let (manifest, changes, there) = changed(&here, |there| {
        there.set_mode("run.sh", 0o755);
        there.set_mode("d", 0o500);
        there.remove("link");
        there.put("link", "->/etc/passwd");
        there.remove("file");
        there.put("file", "->../elsewhere");
    });
    let kinds: Vec<_> = changes.iter().map(|change| (change.path.clone(), change.kind())).collect();
    let (from, to) = (EntryKind::File, EntryKind::Symlink);
    assert_eq!(
        kinds,
        [
            (path("d"), ChangeKind::ModeChanged(EntryKind::Directory)),
            (path("file"), ChangeKind::KindChanged { from, to }),
            (path("link"), ChangeKind::Modified(EntryKind::Symlink)),
            (path("run.sh"), ChangeKind::ModeChanged(EntryKind::File)),
        ]
    );
    changes.apply(&here.path(), &manifest).unwrap();
    assert_eq!(here.look(), there.look());
    here.set_mode("d", 0o700);
    there.set_mode("d", 0o700);
}

#[cfg(unix)]
#[test]
fn a_mode_that_a_umask_cut_is_no_change_and_stays() {
    use std::os::unix::fs::PermissionsExt;

    let here = Workspace::of(&[("a", "1"), ("b", "2")]);
    here.set_mode("a", 0o664);
    here.set_mode("b", 0o664);
    let (manifest, changes, _) = changed(&here, |there| {
        there.set_mode("a", 0o644);
        there.set_mode("b", 0o644);
        there.put("b", "3");
    });
    assert_eq!(changes.apply(&here.path(), &manifest).unwrap().changes.len(), 1);
    for name in ["a", "b"] {
        assert_eq!(fs::metadata(here.path().join(name)).unwrap().permissions().mode() & 0o777, 0o664);
    }
}

#[test]
fn what_was_held_back_stays_and_so_does_its_directory() {
    let here = Workspace::of(&[("d/secret", "s"), ("d/a", "a"), ("e/x", "x")]);
    let packed = here.pack_without(&["secret"]);
    let there = Workspace::of(&[]);
    let changes = Changes::between(&packed.manifest, &there.archive(), PLENTY).unwrap();
    assert_eq!(changes.kept(), [path("d")]);
    let applied = changes.apply(&here.path(), &packed.manifest).unwrap();
    assert_eq!(applied.kept, [path("d")]);
    assert_eq!(here.look().into_keys().collect::<Vec<_>>(), ["d/", "d/secret"]);
}

#[test]
fn a_directory_that_did_not_go_takes_what_is_made_in_it_there_and_is_not_removed() {
    let here = Workspace::of(&[("x", "x"), ("out/y", "y"), ("a/x", "x"), ("a/empty/", "")]);
    let packed = here.pack_only(&["x"]);
    let there = Workspace::unpacked(&packed.archive);
    there.put("out/new", "n");
    there.remove("a");
    let changes = Changes::between(&packed.manifest, &there.archive(), PLENTY).unwrap();
    assert_eq!(changes.kept(), [path("a")]);
    changes.apply(&here.path(), &packed.manifest).unwrap();
    let left: Vec<_> = here.look().into_keys().collect();
    assert_eq!(left, ["a/", "a/empty/", "out/", "out/new", "out/y", "x"]);
}

#[test]
fn a_directory_that_was_emptied_stays_and_one_that_was_removed_goes() {
    let here = Workspace::of(&[("emptied/a", "a"), ("removed/a", "a")]);
    let (manifest, changes, _) = changed(&here, |there| {
        there.remove("emptied/a");
        there.remove("removed");
    });
    changes.apply(&here.path(), &manifest).unwrap();
    assert_eq!(here.look().into_keys().collect::<Vec<_>>(), ["emptied/"]);
}

#[test]
fn all_that_changed_here_too_is_a_conflict_and_nothing_is_written() {
    let here = Workspace::of(&[("m", "1"), ("gone", "2"), ("d/a", "3"), ("free", "4"), ("turned", "5")]);
    let (manifest, changes, _) = changed(&here, |there| {
        for name in ["m", "free", "new", "turned"] {
            there.put(name, "there");
        }
        there.remove("gone");
        there.remove("d");
    });
    here.put("m", "here");
    here.put("gone", "here");
    here.put("d/b", "here");
    here.put("new", "here");
    here.remove("turned");
    let before = here.look();
    let conflicts = "Conflicts { paths: [\"d/b\", \"gone\", \"m\", \"new\", \"turned\"] }";
    assert_eq!(shown(changes.apply(&here.path(), &manifest)), conflicts);
    assert_eq!((here.look(), here.beside()), (before, 0));
}

#[test]
fn what_changed_here_and_not_there_stays() {
    let here = Workspace::of(&[("mine", "1"), ("theirs", "2")]);
    let (manifest, changes, _) = changed(&here, |there| there.put("theirs", "there"));
    here.put("mine", "here");
    here.put("mine-too", "here");
    changes.apply(&here.path(), &manifest).unwrap();
    for (name, content) in [("mine", "here"), ("theirs", "there"), ("mine-too", "here")] {
        assert_eq!(fs::read_to_string(here.path().join(name)).unwrap(), content);
    }
}

#[test]
fn another_manifest_is_refused() {
    let here = Workspace::of(&[("a", "1")]);
    let (_, changes, _) = changed(&here, |there| there.put("a", "there"));
    here.put("a", "2");
    let other = here.pack().manifest;
    assert_eq!(shown(changes.apply(&here.path(), &other)), "OtherManifest { path: \"a\" }");
}

#[test]
fn nothing_to_recover_is_nothing_done() {
    let here = Workspace::of(&[("a", "1")]);
    assert_eq!(recover(&here.path()).unwrap(), Recovered { undone: 0, removed: 0 });
    assert_eq!(here.beside(), 0);
}
