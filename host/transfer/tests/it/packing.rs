//! What is packed, what is held back, and what is refused.

use std::fs;

use sandpiper_transfer::{Digest, EntryKind, Keep, TransferError, pack};

use crate::tree::{PLENTY, Workspace, path};

fn names_in(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap();
    entries.map(|entry| String::from_utf8_lossy(&entry.unwrap().path_bytes()).into_owned()).collect()
}

#[test]
fn the_manifest_has_what_is_packed_and_what_is_held_back() {
    let here = Workspace::of(&[("a.txt", "a"), ("secret", "s"), ("target/x", "x"), ("src/b", "bb")]);
    let packed = here.pack_without(&["secret", "target"]);
    assert_eq!(names_in(&packed.archive), ["a.txt", "src/", "src/b"]);
    let seen: Vec<_> = packed
        .manifest
        .entries()
        .map(|(path, entry)| {
            (path.clone(), entry.state.kind, entry.state.size, entry.state.digest, entry.keep)
        })
        .collect();
    let file = |name: &str, content: &str, keep| {
        (path(name), EntryKind::File, content.len() as u64, Some(Digest::of(content.as_bytes())), keep)
    };
    let directory = |name: &str, keep| (path(name), EntryKind::Directory, 0, None, keep);
    assert_eq!(
        seen,
        [
            file("a.txt", "a", Keep::Pack),
            file("secret", "s", Keep::HoldBack),
            directory("src", Keep::Pack),
            file("src/b", "bb", Keep::Pack),
            directory("target", Keep::HoldBack),
        ]
    );
}

#[test]
fn a_directory_that_is_looked_into_goes_with_what_is_in_it_or_not_at_all() {
    let here = Workspace::of(&[
        ("a/b/x", "x"),
        ("a/c/y", "y"),
        ("a/d/x", "x"),
        ("acme/merger/y", "y"),
        ("empty/", ""),
    ]);
    let packed = here.pack_only(&["x"]);
    assert_eq!(names_in(&packed.archive), ["a/", "a/b/", "a/b/x", "a/d/", "a/d/x"]);
    let keep = |name: &str| packed.manifest.get(&path(name)).unwrap().keep;
    for (name, expected) in [
        ("a", Keep::Pack),
        ("a/c", Keep::LookInto),
        ("a/c/y", Keep::HoldBack),
        ("acme", Keep::LookInto),
        ("acme/merger", Keep::LookInto),
        ("empty", Keep::LookInto),
    ] {
        assert_eq!(keep(name), expected, "{name}");
    }
}

#[test]
fn what_means_git_is_never_packed_nor_asked_for() {
    let here = Workspace::of(&[(".git/config", "x"), ("sub/.GIT", "gitdir: y"), (".gitignore", "i")]);
    if cfg!(unix) {
        // Elsewhere it is another name of the first one.
        here.put("git~1/z", "z");
    }
    let mut asked = Vec::new();
    let mut filter = |path: &sandpiper_transfer::RelativePath, _, _| {
        asked.push(path.clone());
        Keep::Pack
    };
    let packed = pack(&here.path(), &mut filter, PLENTY).unwrap();
    assert_eq!(asked, [path(".gitignore"), path("sub")]);
    assert_eq!(names_in(&packed.archive), [".gitignore", "sub/"]);
    assert_eq!(packed.manifest.get(&path("sub/.GIT")).unwrap().keep, Keep::HoldBack);
    assert_eq!(packed.manifest.held_back_by(&path(".git/config")), Some(path(".git")));
}

/// Sets the time of a file or directory; Windows opens a directory only for who asks for one.
fn set_modified(path: &std::path::Path) {
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(77);
    let mut options = fs::File::options();
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;

        const FILE_WRITE_ATTRIBUTES: u32 = 0x100;
        const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
        options.access_mode(FILE_WRITE_ATTRIBUTES).custom_flags(FILE_FLAG_BACKUP_SEMANTICS);
    }
    options.read(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let entries = [("b", "1"), ("a/x", "2"), ("a-b", "3")];
    let (one, other) = (Workspace::of(&entries), Workspace::of(&[entries[2], entries[1], entries[0]]));
    for workspace in [&one, &other] {
        for name in ["b", "a/x", "a-b", "a"] {
            set_modified(&workspace.path().join(name));
        }
    }
    let packed = one.pack();
    assert_eq!(packed.archive, other.pack().archive);
    for entry in tar::Archive::new(&packed.archive[..]).entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (77, 0, 0));
    }
}

#[test]
fn long_names_are_read_by_others() {
    let long = ["d".repeat(120), "e".repeat(200), "f".repeat(99)].join("/");
    let here = Workspace::of(&[(&long, "deep")]);
    let archive = here.pack().archive;
    let there = Workspace::unpacked(&archive);
    assert_eq!(there.look(), here.look());
}

// The file system of macOS has no such names.
#[cfg(target_os = "linux")]
#[test]
fn names_without_unicode_travel_as_bytes() {
    use std::ffi::OsStr;
    use std::io::Read;
    use std::os::unix::ffi::OsStrExt;

    for name in [b"\xff\xfe".to_vec(), [b"\xff".as_slice(), &[b'x'; 150]].concat()] {
        let here = Workspace::of(&[]);
        fs::write(here.path().join(OsStr::from_bytes(&name)), "raw").unwrap();
        let packed = here.pack();
        let mut archive = tar::Archive::new(&packed.archive[..]);
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(&*entry.path_bytes(), name);
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        assert_eq!(content, "raw");
        let back = sandpiper_transfer::Changes::between(&packed.manifest, &packed.archive, PLENTY).unwrap();
        assert!(back.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn symlinks_are_packed_as_they_are() {
    use sandpiper_transfer::State;

    let here = Workspace::of(&[("up", "->../../etc"), ("loop", "->loop"), ("d/x", "x"), ("to-d", "->d")]);
    let packed = here.pack();
    assert_eq!(names_in(&packed.archive), ["d/", "d/x", "loop", "to-d", "up"]);
    let state = packed.manifest.get(&path("up")).unwrap().state;
    let digest = Some(Digest::of(b"../../etc"));
    assert_eq!(state, State { kind: EntryKind::Symlink, mode: None, size: 9, digest });
}

#[cfg(unix)]
#[test]
fn a_socket_is_refused_by_name_unless_it_is_held_back() {
    let here = Workspace::of(&[("a", "a")]);
    let _socket = std::os::unix::net::UnixListener::bind(here.path().join("s")).unwrap();
    let refused = pack(&here.path(), &mut |_, _, _| Keep::Pack, PLENTY);
    assert_eq!(
        refused.as_ref().unwrap_err().to_string(),
        "\"s\" is a socket, which no other machine can have; hold it back"
    );
    assert_eq!(crate::tree::shown(refused), "Special { path: \"s\", kind: Socket }");
    let packed = here.pack_without(&["s"]);
    assert_eq!(packed.manifest.get(&path("s")).unwrap().state.kind, EntryKind::Socket);
}

#[test]
fn a_file_that_changes_while_it_is_packed_is_noticed() {
    let here = Workspace::of(&[("a", "one")]);
    let file = here.path().join("a");
    for change in
        [&(|| fs::write(&file, "longer").unwrap()) as &dyn Fn(), &|| fs::remove_file(&file).unwrap(), &|| {
            fs::write(here.path().join("b"), "one").unwrap();
            fs::rename(here.path().join("b"), &file).unwrap();
        }]
    {
        fs::write(&file, "one").unwrap();
        let mut filter = |_: &sandpiper_transfer::RelativePath, _, _| {
            change();
            Keep::Pack
        };
        let packed = pack(&here.path(), &mut filter, PLENTY);
        assert!(
            matches!(&packed, Err(TransferError::Changed { path: found }) if *found == path("a")),
            "{packed:?}"
        );
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let here = Workspace::of(&[]);
    let packed = pack(&here.path().join("no"), &mut |_, _, _| Keep::Pack, PLENTY);
    assert!(matches!(packed, Err(TransferError::Directory { action: "open", .. })));
}
