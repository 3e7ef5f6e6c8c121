//! Archives that try to do harm, each beside one that is taken.

use bytes::Bytes;
use sandpiper_transfer::{Changes, Manifest, PackLimits};
use tar::{EntryType, Header};

use crate::tree::{PLENTY, Workspace, shown};

/// An entry whose header says exactly this.
struct Entry<'a> {
    kind: u8,
    name: &'a [u8],
    target: &'a str,
    content: &'a [u8],
    mode: u32,
    size: u64,
}

fn entry<'a>(kind: u8, name: &'a str, target: &'a str, content: &'a str) -> Entry<'a> {
    let (name, content) = (name.as_bytes(), content.as_bytes());
    Entry { kind, name, target, content, mode: 0o644, size: content.len() as u64 }
}

fn file<'a>(name: &'a str, content: &'a str) -> Entry<'a> {
    entry(b'0', name, "", content)
}

fn bytes_of(entry: &Entry) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..entry.name.len()].copy_from_slice(entry.name);
    header.as_old_mut().linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
    header.set_entry_type(EntryType::new(entry.kind));
    header.set_mode(entry.mode);
    header.set_size(entry.size);
    header.set_cksum();
    let mut bytes = [header.as_bytes().as_slice(), entry.content].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn archive(entries: &[Entry]) -> Bytes {
    let mut bytes = entries.iter().flat_map(bytes_of).collect::<Vec<u8>>();
    bytes.resize(bytes.len() + 1024, 0);
    bytes.into()
}

fn read(entries: &[Entry]) -> Result<Changes, sandpiper_transfer::TransferError> {
    Changes::between(&Manifest::default(), &archive(entries), PLENTY)
}

fn created(entries: &[Entry]) -> Vec<String> {
    let changes = read(entries).unwrap();
    changes.iter().map(|change| String::from_utf8_lossy(change.path.as_bytes()).into_owned()).collect()
}

/// The fault that refuses an entry, and the entry.
fn refused(entries: &[Entry]) -> (String, String) {
    match read(entries) {
        Err(sandpiper_transfer::TransferError::Archive { entry, fault }) => (entry, format!("{fault:?}")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for (name, fault) in [
        ("/etc/passwd", "Path(Absolute)"),
        ("//x", "Path(Absolute)"),
        ("../x", "Path(ParentDirectory)"),
        ("a/../../x", "Path(ParentDirectory)"),
        ("./a/..", "Path(ParentDirectory)"),
        ("..", "Path(ParentDirectory)"),
        ("a//x", "Path(EmptyName)"),
        ("a/", "Path(EmptyName)"),
        ("", "Path(Empty)"),
    ] {
        assert_eq!(refused(&[file(name, "")]), (name.to_owned(), fault.to_owned()));
    }
    for name in ["etc/passwd", "./x", "a/x", "././a/./x", "...", "..x", "a/..b/x"] {
        // Windows drops dots at the end of a name.
        if cfg!(windows) && name == "..." {
            assert_eq!(refused(&[file(name, "")]).1, "Path(ReservedOnWindows)");
            continue;
        }
        assert_eq!(created(&[file(name, "")]).len(), name.split('/').filter(|name| *name != ".").count());
    }
}

/// What is left out, beside what comes back.
fn left_out(manifest: &Manifest, entries: &[Entry]) -> (Vec<String>, Vec<String>) {
    let changes = Changes::between(manifest, &archive(entries), PLENTY).unwrap();
    let created = changes.iter().map(|change| String::from_utf8_lossy(change.path.as_bytes()).into_owned());
    (changes.left_out().iter().map(ToString::to_string).collect(), created.collect())
}

#[test]
fn what_means_git_is_left_out() {
    for (name, left) in [
        (".git/config", ".git"),
        ("./.GIT", ".GIT"),
        ("a/.git/hooks/x", "a/.git"),
        ("git~1/hooks/x", "git~1"),
        (".git. /x", ".git. "),
        ("../.git::$DATA", "../.git::$DATA"),
    ] {
        let found = left_out(&Manifest::default(), &[file(name, "content"), file("x", "")]);
        assert_eq!(found, (vec![format!("{left} (git's own)")], vec!["x".to_owned()]));
    }
    assert_eq!(created(&[file(".gitignore", ""), file("git", "")]), [".gitignore", "git"]);
}

#[test]
fn names_that_mean_something_else_on_windows_are_refused_there() {
    for name in ["C:/x", "nul", "a\\..\\x", "COM1.txt", "a:b", "x."] {
        if cfg!(windows) {
            assert_eq!(refused(&[file(name, "")]).1, "Path(ReservedOnWindows)", "{name}");
        } else {
            assert_eq!(created(&[file(name, "")]).last().unwrap(), name);
        }
    }
}

#[test]
fn hard_links_are_files_of_the_archive_or_refused() {
    for target in ["/etc/passwd", "../x", "later", "d", "missing", ""] {
        let entries = [entry(b'5', "d/", "", ""), entry(b'1', "link", target, ""), file("later", "x")];
        let fault = format!("HardLink {{ target: {target:?} }}");
        assert_eq!(refused(&entries), ("link".to_owned(), fault));
    }
    let changes = read(&[file("a", "content"), entry(b'1', "link", "./a", "")]).unwrap();
    let here = Workspace::of(&[]);
    changes.apply(&here.path(), &Manifest::default()).unwrap();
    std::fs::write(here.path().join("a"), "other").unwrap();
    assert_eq!(std::fs::read(here.path().join("link")).unwrap(), b"content");
}

#[test]
fn many_links_to_one_large_file_count_as_many_files() {
    let entries = [file("a", "12345"), entry(b'1', "b", "a", ""), entry(b'1', "c", "b", "")];
    let between = |max_bytes| {
        Changes::between(&Manifest::default(), &archive(&entries), PackLimits { max_bytes, max_files: 3 })
    };
    assert!(between(15).is_ok());
    assert_eq!(shown(between(14)), "TooLarge { path: \"c\", size: 5, limit: 14 }");
}

#[test]
fn devices_and_named_pipes_are_left_out_and_what_was_there_stays() {
    let here = Workspace::of(&[("x", "x"), ("d/y", "y"), ("z", "z")]);
    let manifest = here.pack().manifest;
    let entries = [
        entry(b'3', "x", "", ""),
        entry(b'4', "d", "", ""),
        entry(b'6', "pipe", "", ""),
        entry(b'1', "same", "pipe", ""),
        file("n", ""),
    ];
    let expected = ["d (a device)", "pipe (a named pipe)", "same (a named pipe)", "x (a device)"];
    let (left, changed) = left_out(&manifest, &entries);
    assert_eq!((left, changed), (expected.map(str::to_owned).to_vec(), vec!["n".to_owned(), "z".to_owned()]));
    let below = [entry(b'6', "x", "", ""), file("x/y", "")];
    assert_eq!(refused(&below).1, "BelowNoDirectory { parent: \"x\", kind: Fifo }");
    let full = [Entry { size: 1, content: b"x", ..entry(b'6', "x", "", "") }];
    assert_eq!(refused(&full).1, "Header(\"it has content but is no file\")");
}

#[test]
fn unknown_types_are_refused() {
    for (kind, fault) in [(b'S', "Sparse"), (b'M', "Type('M')"), (b'D', "Type('D')")] {
        assert_eq!(refused(&[entry(kind, "x", "", "")]), ("x".to_owned(), fault.to_owned()));
    }
    assert_eq!(created(&[entry(b'7', "x", "", "x"), entry(b'\0', "y", "", "y")]), ["x", "y"]);
}

#[test]
fn sparse_files_of_pax_are_refused() {
    for record in ["22 GNU.sparse.major=1\n", "26 GNU.sparse.realsize=99\n"] {
        assert_eq!(refused(&[entry(b'x', "p", "", record), file("x", "0")]).1, "Sparse", "{record}");
    }
    assert_eq!(created(&[entry(b'x', "p", "", "20 comment=harmless\n"), file("x", "0")]), ["x"]);
}

#[test]
fn sizes_that_are_not_there_are_refused() {
    let limit = PLENTY.max_bytes;
    for (size, expected) in [
        (513, "Truncated { length: 2048 }".to_owned()),
        (limit + 1, format!("TooLarge {{ path: \"x\", size: {}, limit: {limit} }}", limit + 1)),
        (u64::MAX, format!("TooLarge {{ path: \"x\", size: {}, limit: {limit} }}", u64::MAX)),
    ] {
        let entries = [Entry { size, ..file("x", "0") }];
        let bytes = if size == 513 { archive(&entries).slice(..1024) } else { archive(&entries) };
        let expected = if size == 513 { "Truncated { length: 1024 }".to_owned() } else { expected };
        assert_eq!(shown(Changes::between(&Manifest::default(), &bytes, PLENTY)), expected);
    }
    assert_eq!(created(&[file("x", &"0".repeat(513))]), ["x"]);
}

#[test]
fn a_size_in_an_extended_header_counts() {
    let huge = entry(b'x', "p", "", "21 size=999999999999\n");
    let expected = format!("TooLarge {{ path: \"x\", size: 999999999999, limit: {} }}", PLENTY.max_bytes);
    assert_eq!(shown(read(&[huge, file("x", "0")])), expected);
    assert_eq!(created(&[entry(b'x', "p", "", "10 size=1\n"), file("x", "0")]), ["x"]);
}

#[test]
fn a_name_that_is_there_twice_is_refused() {
    for again in ["a", "./a"] {
        assert_eq!(refused(&[file("a", "1"), file(again, "2")]), (again.to_owned(), "Duplicate".to_owned()));
    }
    assert_eq!(refused(&[entry(b'5', "a/", "", ""), file("a", "")]).1, "Duplicate");
    assert_eq!(refused(&[entry(b'5', "./", "", ""), entry(b'5', ".", "", "")]).1, "Duplicate");
    assert_eq!(created(&[file("a", "1"), file("A", "2")]).len(), 2);
}

#[test]
fn nothing_is_below_a_file_or_a_symlink() {
    for (kind, target, shown) in [(b'0', "", "File"), (b'2', "/etc", "Symlink")] {
        let fault = format!("BelowNoDirectory {{ parent: \"a\", kind: {shown} }}");
        for entries in [
            [entry(kind, "a", target, ""), file("a/b/passwd", "x")],
            [file("a/b/passwd", "x"), entry(kind, "a", target, "")],
        ] {
            assert!(
                [("a/b".to_owned(), fault.clone()), ("a/b/passwd".to_owned(), fault.clone())]
                    .contains(&refused(&entries))
            );
        }
    }
    assert_eq!(created(&[entry(b'5', "a", "", ""), file("a/b/passwd", "x")]), ["a", "a/b", "a/b/passwd"]);
    assert_eq!(refused(&[file(".", "x")]).1, "Header(\"it replaces the directory itself\")");
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_symlink() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().display().to_string();
    let here = Workspace::of(&[("d/x", "x")]);
    let packed = here.pack();
    let changes = Changes::between(&packed.manifest, &archive(&[file("d/x", "new")]), PLENTY).unwrap();
    here.remove("d");
    here.put("d", &format!("->{target}"));
    std::fs::write(outside.path().join("x"), "x").unwrap();
    assert_eq!(shown(changes.apply(&here.path(), &packed.manifest)), "Conflicts { paths: [\"d\"] }");
    assert_eq!(std::fs::read(outside.path().join("x")).unwrap(), b"x");
}

#[test]
fn an_archive_that_is_cut_off_anywhere_is_refused_whole() {
    let whole = archive(&[file("a", "content"), entry(b'5', "d/", "", ""), file("d/b", &"x".repeat(700))]);
    for length in 0..whole.len() {
        let cut = Changes::between(&Manifest::default(), &whole.slice(..length), PLENTY);
        assert_eq!(shown(cut), format!("Truncated {{ length: {length} }}"));
    }
    assert_eq!(Changes::between(&Manifest::default(), &whole, PLENTY).unwrap().len(), 3);
}

#[test]
fn what_is_behind_the_end_is_refused() {
    let one = archive(&[file("a", "")]);
    let two = Bytes::from([&one[..], &archive(&[file("b", "")])].concat());
    assert_eq!(shown(Changes::between(&Manifest::default(), &two, PLENTY)), "Trailing { offset: 512 }");
    let padded = Bytes::from([&one[..], &[0; 10 * 1024]].concat());
    assert_eq!(Changes::between(&Manifest::default(), &padded, PLENTY).unwrap().len(), 1);
}

#[test]
fn an_archive_of_nothing_does_not_empty_a_directory() {
    let here = Workspace::of(&[("a", "a")]);
    let manifest = here.pack().manifest;
    assert_eq!(shown(Changes::between(&manifest, &archive(&[]), PLENTY)), "Empty");
    let emptied = archive(&[entry(b'5', "./", "", "")]);
    assert_eq!(Changes::between(&manifest, &emptied, PLENTY).unwrap().len(), 1);
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let mut broken = archive(&[file("a", "")]).to_vec();
    broken[0] = b'b';
    let read_broken = Changes::between(&Manifest::default(), &broken.into(), PLENTY);
    assert!(shown(read_broken).contains("its header's checksum is wrong"));
    for (entries, fault) in [
        ([entry(b'x', "p", "", "99 path=a\n"), file("x", "")], "its extended header is garbled"),
        ([entry(b'x', "p", "", "8 path=a\n"), file("x", "")], "its extended header is garbled"),
        (
            [entry(b'x', "p", "", "10 path=a\n10 path=b\n"), file("x", "")],
            "its extended headers give it something twice",
        ),
        ([entry(b'g', "p", "", "10 path=a\n"), file("x", "")], "it gives one name to all entries"),
        ([entry(b'g', "p", "", "10 size=0\n"), file("x", "")], "it gives one size to all entries"),
        ([entry(b'5', "d", "", "x"), file("x", "")], "it has content but is no file"),
        ([entry(b'2', "l", "", ""), file("x", "")], "it is a symlink to no path"),
    ] {
        assert_eq!(refused(&entries).1, format!("Header({fault:?})"));
    }
    assert_eq!(created(&[entry(b'x', "p", "", "10 path=a\n"), file("x", "")]), ["a"]);
    assert_eq!(created(&[entry(b'g', "p", "", "20 comment=harmless\n"), file("x", "")]), ["x"]);
    assert_eq!(created(&[entry(b'L', "p", "", "long\0"), file("x", "")]), ["long"]);
    let dangling = [file("x", ""), entry(b'L', "p", "", "long\0")];
    assert!(shown(read(&dangling)).starts_with("Truncated"));
}

#[test]
fn names_in_extended_headers_are_judged_too() {
    assert_eq!(refused(&[entry(b'x', "p", "", "13 path=../x\n"), file("x", "")]).1, "Path(ParentDirectory)");
    let found = left_out(&Manifest::default(), &[entry(b'L', "p", "", ".git/x\0"), file("x", "")]);
    assert_eq!(found, (vec![".git (git's own)".to_owned()], vec![]));
}

#[cfg(unix)]
#[test]
fn set_user_bits_are_left_out() {
    use std::os::unix::fs::PermissionsExt;

    let entries =
        [Entry { mode: 0o6755, ..file("s", "x") }, Entry { mode: 0o1777, ..entry(b'5', "d", "", "") }];
    let here = Workspace::of(&[]);
    read(&entries).unwrap().apply(&here.path(), &Manifest::default()).unwrap();
    let mode = |name| std::fs::metadata(here.path().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("s"), mode("d")), (0o755, 0o777));
}

#[test]
fn nothing_comes_back_where_something_was_held_back() {
    let here = Workspace::of(&[("secret", "s"), ("target/x", "x"), ("d/secret", "t"), ("d/y", "y")]);
    let manifest = here.pack_without(&["secret", "target"]).manifest;
    for (mut entries, held) in [
        (vec![file("secret", "s"), file("d/y", "y")], vec!["secret"]),
        (vec![file("target/new", ""), file("d/y", "y")], vec!["target"]),
        (
            vec![file("secret/below", ""), entry(b'5', "target", "", ""), file("d/y", "y")],
            vec!["secret", "target"],
        ),
        (vec![file("d", "a file now")], vec!["d"]),
    ] {
        entries.push(file("n", ""));
        let held: Vec<_> = held.into_iter().map(|held| format!("{held} (held back here)")).collect();
        assert_eq!(left_out(&manifest, &entries), (held, vec!["n".to_owned()]));
    }
    let manifest_of_some = Workspace::of(&[("x", "x"), ("empty/", "")]).pack_only(&["x"]).manifest;
    let entries = [file("x", "x"), file("empty", "")];
    assert_eq!(left_out(&manifest_of_some, &entries), (vec!["empty (held back here)".to_owned()], vec![]));
    let entries = [file("d/y", "y"), file("secrets", "")];
    assert_eq!(left_out(&manifest, &entries), (vec![], vec!["secrets".to_owned()]));
}
