//! Servers that send what no server should: each beside the same thing in order.

use std::io::Write;
use std::process::{Command, Stdio};

use sandpiper_worktree::remote::{Clone, Fetch, Push, RemoteError, clone};
use sha1::{Digest, Sha1};

use super::harness::Pair;
use super::server::{Reply, Server, line};
use crate::harness::Repository;

const CAPABILITIES: &str = "ofs-delta side-band-64k symref=HEAD:refs/heads/main";

/// An object of a pack: its type's number and content.
type Object = (u8, Vec<u8>);

fn id_of(object: &Object) -> Vec<u8> {
    let kind = ["", "commit", "tree", "blob", "tag"][usize::from(object.0)];
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {}\0", object.1.len()));
    hash.update(&object.1);
    hash.finalize().to_vec()
}

fn hex(id: &[u8]) -> String {
    git2::Oid::from_bytes(id).unwrap().to_string()
}

fn pack(objects: &[Object], advertised: u32) -> Vec<u8> {
    let mut bytes = b"PACK\0\0\0\x02".to_vec();
    bytes.extend_from_slice(&advertised.to_be_bytes());
    for (kind, content) in objects {
        let mut size = content.len();
        let mut first = (kind << 4) | u8::try_from(size & 15).unwrap();
        size >>= 4;
        while size > 0 {
            bytes.push(first | 0x80);
            first = u8::try_from(size & 127).unwrap();
            size >>= 7;
        }
        bytes.push(first);
        let mut encoder = flate2::write::ZlibEncoder::new(&mut bytes, flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap();
    }
    let checksum = Sha1::digest(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// A blob, a tree with it by these entries, and a commit of the tree.
fn history(entries: &[(&str, &str)]) -> Vec<Object> {
    let blob: Object = (3, b"content\n".to_vec());
    let mut tree = Vec::new();
    for (mode, name) in entries {
        tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        tree.extend_from_slice(&id_of(&blob));
    }
    let tree: Object = (2, tree);
    let commit = commit_of(&hex(&id_of(&tree)), None);
    vec![blob, tree, commit]
}

fn commit_of(tree: &str, parent: Option<&str>) -> Object {
    let parent = parent.map_or(String::new(), |parent| format!("parent {parent}\n"));
    let who = "T <t@e> 1700000000 +0000";
    (1, format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\nx\n").into_bytes())
}

/// A server with these references, of the last object, that sends the pack.
fn hostile(names: &[&str], objects: &[Object], pack: Vec<u8>) -> Server {
    let tip = hex(&id_of(objects.last().unwrap()));
    let mut refs = [line("# service=git-upload-pack\n"), b"0000".to_vec()].concat();
    for (position, name) in names.iter().enumerate() {
        let capabilities = if position == 0 { format!("\0{CAPABILITIES}") } else { String::new() };
        refs.extend(line(format!("{tip} {name}{capabilities}\n")));
    }
    refs.extend_from_slice(b"0000");
    Server::start(&super::server::nowhere(), move |request| {
        let kind = |what: &str| vec![("Content-Type", format!("application/x-git-upload-pack-{what}"))];
        if request.is_discovery() {
            return Reply::Plain(200, kind("advertisement"), refs.clone());
        }
        let mut body = line("NAK\n");
        for piece in pack.chunks(60_000) {
            body.extend(line([b"\x01", piece].concat()));
        }
        body.extend_from_slice(b"0000");
        Reply::Plain(200, kind("result"), body)
    })
}

/// Fetches and clones; gives the error of both, which is the same.
fn outcome(server: &Server) -> Result<(), RemoteError> {
    let pair = Pair::new();
    pair.set_url(&server.url());
    let before = pair.user.state();
    let fetched = pair.fetch();
    let directory = pair.user.directory.path().join("cloned");
    let options = Clone { address: server.url(), directory: directory.clone(), branch: None };
    let cloned = clone(&options, &pair.access(), &mut |_| {});
    if let Err(err) = &fetched {
        assert_eq!(pair.user.state(), before);
        assert!(!directory.exists());
        let shown = |err: &dyn std::fmt::Display| err.to_string().split(':').next().map(str::to_owned);
        assert_eq!(shown(err), shown(&cloned.unwrap_err()));
    } else {
        cloned.unwrap();
        super::harness::check(&pair.user, &directory);
    }
    pair.check();
    fetched.map(drop)
}

fn sent(entries: &[(&str, &str)]) -> Result<(), RemoteError> {
    let objects = history(entries);
    let pack = pack(&objects, u32::try_from(objects.len()).unwrap());
    outcome(&hostile(&["HEAD", "refs/heads/main"], &objects, pack))
}

#[test]
fn trees_with_names_that_lead_elsewhere_are_not_kept() {
    for name in [".git", ".GIT", ".Git ", "git~1", ".g\u{200c}it", "..", ".", "a/b", "../../x", ".git\\hooks"]
    {
        let err = sent(&[("100644", name)]).unwrap_err();
        assert!(matches!(&err, RemoteError::Content { .. }), "{name:?}: {err:?}");
    }
    for (mode, name) in [("120000", ".gitmodules"), ("100000", "x"), ("777777", "x"), ("40000", "x")] {
        let err = sent(&[(mode, name)]).unwrap_err();
        assert!(matches!(&err, RemoteError::Content { .. }), "{mode} {name}: {err:?}");
    }
    let err = sent(&[("100644", "x"), ("120000", "x")]).unwrap_err();
    assert!(matches!(&err, RemoteError::Content { .. }), "{err:?}");
    for entries in [
        &[("100644", ".gitignore"), ("100644", "...")][..],
        &[("100644", "git~10"), ("100755", "x")],
        &[("120000", "link")],
    ] {
        let mut sorted = entries.to_vec();
        sorted.sort_by_key(|(_, name)| *name);
        sent(&sorted).unwrap();
    }
}

#[test]
fn names_that_no_reference_has_are_left_out_and_said() {
    let objects = history(&[("100644", "x")]);
    let pack = pack(&objects, 3);
    let names = [
        "HEAD",
        "refs/heads/main",
        "refs/heads/../../config",
        "refs/heads/a.lock",
        "refs/heads/.x",
        "refs/heads/main/",
        "refs/heads/FETCH_HEAD",
        "refs/tags/../../hooks/pre-push",
        "config",
        "refs/heads/main",
        "refs/heads/a\x1b[2Jb",
    ];
    let server = hostile(&names, &objects, pack);
    let pair = Pair::new();
    pair.set_url(&server.url());
    let config = std::fs::read(pair.user.path().join(".git/config")).unwrap();
    let fetched = pair.fetch().unwrap();
    let updated: Vec<&str> = fetched.updated.iter().map(|updated| &*updated.name).collect();
    assert_eq!(updated, ["refs/remotes/origin/main", "refs/remotes/origin/FETCH_HEAD"]);
    assert!(fetched.notes.iter().any(|note| note.contains("../../config") && !note.contains('\x1b')));
    assert_eq!(std::fs::read(pair.user.path().join(".git/config")).unwrap(), config);
    assert!(!pair.user.path().join(".git/hooks/pre-push").exists());
    pair.check();
}

#[test]
fn names_that_are_no_text_are_left_out_too() {
    let objects = history(&[("100644", "x")]);
    let tip = hex(&id_of(&objects[2]));
    let mut refs = [line("# service=git-upload-pack\n"), b"0000".to_vec()].concat();
    refs.extend(line(format!("{tip} HEAD\0{CAPABILITIES}\n")));
    refs.extend(line([format!("{tip} refs/heads/").as_bytes(), b"\xff\xfe\n"].concat()));
    refs.extend_from_slice(b"0000");
    let server = Server::start(&super::server::nowhere(), move |_| {
        let kind = "application/x-git-upload-pack-advertisement".to_owned();
        Reply::Plain(200, vec![("Content-Type", kind)], refs.clone())
    });
    let pair = Pair::new();
    pair.set_url(&server.url());
    let fetched = pair.fetch().unwrap();
    assert!(fetched.updated.is_empty());
    assert_eq!(fetched.notes.len(), 1, "{fetched:?}");
}

#[test]
fn packs_that_say_too_much_or_too_little_are_not_kept() {
    let objects = history(&[("100644", "x")]);
    for advertised in [0, 2, 4, 1000, u32::MAX] {
        let server = hostile(&["HEAD", "refs/heads/main"], &objects, pack(&objects, advertised));
        let err = outcome(&server).unwrap_err();
        let is_refused = matches!(
            err,
            RemoteError::Content { .. } | RemoteError::Unreachable { .. } | RemoteError::Local(_)
        );
        assert!(is_refused, "{advertised}: {err:?}");
    }
    outcome(&hostile(&["HEAD", "refs/heads/main"], &objects, pack(&objects, 3))).unwrap();
}

#[test]
fn an_object_that_says_to_be_huge_is_not_waited_for() {
    let objects = history(&[("100644", "x")]);
    let mut bytes = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
    // A blob of 2^60 bytes, of which a few come.
    bytes.extend_from_slice(&[0xb0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    let mut encoder = flate2::write::ZlibEncoder::new(&mut bytes, flate2::Compression::fast());
    encoder.write_all(b"small").unwrap();
    encoder.finish().unwrap();
    let checksum = Sha1::digest(&bytes);
    bytes.extend_from_slice(&checksum);
    outcome(&hostile(&["HEAD", "refs/heads/main"], &objects, bytes)).unwrap_err();
}

#[test]
fn a_history_with_holes_is_not_kept() {
    let whole = history(&[("100644", "x")]);
    for missing in [0, 1] {
        let mut objects = whole.clone();
        objects.remove(missing);
        let server = hostile(&["HEAD", "refs/heads/main"], &objects, pack(&objects, 2));
        let err = outcome(&server).unwrap_err();
        assert!(matches!(&err, RemoteError::Content { reason, .. } if reason.contains("missing")), "{err:?}");
    }
    let mut objects = whole.clone();
    objects[2] = commit_of(&hex(&id_of(&whole[1])), Some("1111111111111111111111111111111111111111"));
    let server = hostile(&["HEAD", "refs/heads/main"], &objects, pack(&objects, 3));
    let err = outcome(&server).unwrap_err();
    assert!(matches!(&err, RemoteError::Content { reason, .. } if reason.contains("missing")), "{err:?}");
    let mut objects = whole.clone();
    objects[2] = commit_of(&hex(&id_of(&whole[0])), None);
    let server = hostile(&["HEAD", "refs/heads/main"], &objects, pack(&objects, 3));
    let err = outcome(&server).unwrap_err();
    assert!(
        matches!(&err, RemoteError::Content { reason, .. } if reason.contains("takes the blob")),
        "{err:?}"
    );
    // What was promised does not come at all.
    let server = hostile(&["HEAD", "refs/heads/main"], &whole, pack(&whole[..2], 2));
    let err = outcome(&server).unwrap_err();
    assert!(matches!(&err, RemoteError::Content { reason, .. } if reason.contains("promised")), "{err:?}");
}

#[test]
fn more_bytes_than_allowed_are_not_taken() {
    let pair = Pair::new();
    let content: String = (0u32..40_000).map(|number| hex(&Sha1::digest(number.to_be_bytes()))).collect();
    pair.commit_there("main", "big.txt", &content);
    let server = Server::git(pair.bare.parent().unwrap());
    pair.set_url(&server.url());
    let mut access = pair.access();
    access.max_bytes = 100_000;
    let err = pair.worktrees().fetch(&Fetch::default(), &access, &mut |_| {}).unwrap_err();
    assert!(
        matches!(&err, RemoteError::Content { reason, .. } if reason.contains("100000 bytes")),
        "{err:?}"
    );
    pair.check();
    pair.fetch().unwrap();
    pair.check();
}

#[test]
fn an_answer_to_a_push_that_is_no_text_is_no_panic() {
    let pair = Pair::new();
    let server = Server::start(&super::server::nowhere(), |request| {
        let kind = |what: &str| vec![("Content-Type", format!("application/x-git-receive-pack-{what}"))];
        if request.is_discovery() {
            let zero = "0".repeat(40);
            let first = line(format!("{zero} capabilities^{{}}\0report-status side-band-64k\n"));
            let body =
                [line("# service=git-receive-pack\n"), b"0000".to_vec(), first, b"0000".to_vec()].concat();
            return Reply::Plain(200, kind("advertisement"), body);
        }
        let status =
            [line("unpack ok\n"), line(b"ng refs/heads/sandpiper/t/1 n\xff\xfeo\n"), b"0000".to_vec()]
                .concat();
        let body = [
            line([b"\x02hook \xff\n".as_slice()].concat()),
            line([b"\x01".as_slice(), &status].concat()),
            b"0000".to_vec(),
        ]
        .concat();
        Reply::Plain(200, kind("result"), body)
    });
    pair.set_url(&server.url());
    let err = pair.push(&Push::default()).unwrap_err();
    let RemoteError::Rejected { reason, said, .. } = &err else { panic!("{err:?}") };
    assert_eq!((reason.as_str(), said.as_slice()), ("n??o", &["hook ?".to_owned()][..]));
}

#[test]
fn an_answer_to_a_push_that_breaks_off_is_an_error() {
    let pair = Pair::new();
    for cut in [0, 100, 250] {
        let server = Server::start(pair.bare.parent().unwrap(), move |request| {
            if request.is_discovery() { Reply::Git } else { Reply::Cut(cut) }
        });
        pair.set_url(&server.url());
        let push = Push { target: Some(format!("to{cut}")), ..Default::default() };
        let err = pair.push(&push).unwrap_err();
        assert!(matches!(err, RemoteError::Unreachable { .. }), "{cut}: {err:?}");
        assert!(pair.here(&format!("refs/remotes/origin/to{cut}")).is_none());
    }
    pair.check();
}

#[test]
fn the_packs_of_these_tests_are_those_that_git_takes() {
    let repository = Repository::small();
    let objects = history(&[("100644", "x")]);
    let mut child = Command::new("git")
        .args(["index-pack", "--stdin", "--strict"])
        .current_dir(repository.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&pack(&objects, 3)).unwrap();
    assert!(child.wait().unwrap().success());
}
