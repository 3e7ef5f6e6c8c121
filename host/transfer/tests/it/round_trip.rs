//! Random trees go, are changed at random, and come back the same.

use std::fs;

use proptest::prelude::*;
use sandpiper_transfer::Changes;

use crate::tree::{PLENTY, Workspace};

#[derive(Clone, Debug)]
enum Act {
    Write(String, String),
    Directory(String),
    #[cfg(unix)]
    Symlink(String, String),
    Remove(String),
    #[cfg(unix)]
    Mode(String, u32),
}

fn a_path() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["[abc]", "[ab]-[ab]", "é", "[a]{101,120}"], 1..4)
        .prop_map(|names| names.join("/"))
}

fn an_act() -> impl Strategy<Value = Act> {
    let act = prop_oneof![
        4 => (a_path(), "[xy]{0,3}").prop_map(|(path, content)| Act::Write(path, content)),
        1 => a_path().prop_map(Act::Directory),
        2 => a_path().prop_map(Act::Remove),
    ];
    #[cfg(unix)]
    let act = prop_oneof![
        7 => act,
        1 => (a_path(), "(\\.\\./)?[abc]{1,2}|/etc|[a]{101}").prop_map(|(path, target)| Act::Symlink(path, target)),
        1 => (a_path(), prop_oneof![Just(0o755), Just(0o700), Just(0o644), Just(0o600)])
            .prop_map(|(path, mode)| Act::Mode(path, mode)),
    ];
    act
}

fn do_all(workspace: &Workspace, acts: &[Act]) {
    for one in acts {
        act(workspace, one);
    }
}

/// Does what can be done, and nothing through symlinks.
fn act(workspace: &Workspace, act: &Act) {
    let name = match act {
        Act::Write(name, _) | Act::Directory(name) | Act::Remove(name) => name,
        #[cfg(unix)]
        Act::Symlink(..) | Act::Mode(..) => return act_on_unix(workspace, act),
    };
    let mut above = workspace.path();
    for part in name.split('/') {
        if fs::symlink_metadata(&above).is_ok_and(|metadata| !metadata.is_dir()) {
            return;
        }
        above.push(part);
    }
    let found = fs::symlink_metadata(&above);
    match act {
        Act::Remove(_) if found.is_ok() => workspace.remove(name),
        Act::Write(_, content) if found.as_ref().map_or(true, fs::Metadata::is_file) => {
            workspace.put(name, content);
        }
        Act::Directory(_) if found.is_err() => workspace.put(&format!("{name}/"), ""),
        _ => {}
    }
}

#[cfg(unix)]
fn act_on_unix(workspace: &Workspace, act: &Act) {
    let (Act::Symlink(name, _) | Act::Mode(name, _)) = act else { return };
    let above: Vec<&str> = name.split('/').collect();
    let is_through_directories = (1..above.len()).all(|depth| {
        let above = workspace.path().join(above[..depth].join("/"));
        fs::symlink_metadata(above).map_or(true, |metadata| metadata.is_dir())
    });
    if !is_through_directories {
        return;
    }
    let found = fs::symlink_metadata(workspace.path().join(name));
    match (act, found) {
        (Act::Symlink(_, target), Err(_)) => workspace.put(name, &format!("->{target}")),
        (Act::Mode(_, mode), Ok(found)) if !found.is_symlink() => {
            workspace.set_mode(name, if found.is_dir() { mode | 0o700 } else { *mode });
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_back_is_what_is_there(
        made in proptest::collection::vec(an_act(), 0..24),
        changed in proptest::collection::vec(an_act(), 0..16),
    ) {
        let here = Workspace::of(&[]);
        do_all(&here, &made);
        let packed = here.pack();
        let there = Workspace::unpacked(&packed.archive);
        prop_assert_eq!(here.look(), there.look());
        do_all(&there, &changed);
        let changes = Changes::between(&packed.manifest, &there.archive(), PLENTY).unwrap();
        prop_assert_eq!(changes.is_empty(), here.look() == there.look());
        changes.apply(&here.path(), &packed.manifest).unwrap();
        prop_assert_eq!(here.look(), there.look());
        prop_assert_eq!(here.beside(), 0);
        // What is there now is what is known of it.
        let again = Changes::between(&here.pack().manifest, &there.archive(), PLENTY).unwrap();
        prop_assert!(again.is_empty());
    }

    #[test]
    fn what_is_held_back_is_never_touched(
        made in proptest::collection::vec(an_act(), 0..24),
        changed in proptest::collection::vec(an_act(), 0..16),
    ) {
        let here = Workspace::of(&[]);
        do_all(&here, &made);
        let before = here.look();
        let packed = here.pack_without(&["b"]);
        let there = Workspace::unpacked(&packed.archive);
        do_all(&there, &changed);
        let is_held = |name: &String| name.split('/').any(|name| name == "b");
        match Changes::between(&packed.manifest, &there.archive(), PLENTY) {
            Ok(changes) => {
                let kept: Vec<_> = changes.kept().to_vec();
                let is_all = changes.left_out().is_empty();
                changes.apply(&here.path(), &packed.manifest).unwrap();
                let after = here.look();
                for (name, what) in before.iter().filter(|(name, _)| is_held(name)) {
                    prop_assert_eq!(after.get(name), Some(what), "{}", name);
                }
                if !is_all {
                    return Ok(());
                }
                let mut expected = there.look();
                expected.extend(before.into_iter().filter(|(name, _)| {
                    let bare = name.trim_end_matches('/').as_bytes();
                    is_held(name) || kept.iter().any(|kept| kept.as_bytes() == bare)
                }));
                prop_assert_eq!(after, expected);
            }
            Err(err) => panic!("{err:?}"),
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes: Vec<u8>, at in 0_usize..4096, whole: bool) {
        let here = Workspace::of(&[("a", "content"), ("d/b", "more")]);
        let packed = here.pack();
        let mut archive = if whole { packed.archive.to_vec() } else { Vec::new() };
        let at = at.min(archive.len());
        for (offset, byte) in bytes.iter().enumerate() {
            match archive.get_mut(at + offset) {
                Some(old) => *old = *byte,
                None => archive.push(*byte),
            }
        }
        let before = here.look();
        let _ = Changes::between(&packed.manifest, &archive.into(), PLENTY);
        prop_assert_eq!(here.look(), before);
    }
}
