//! Files.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sandpiper_core::{Edit, Error, FileErrorKind, FindQuery, SearchQuery, Spec};
use sandpiper_remote::E2b;
use serde_json::json;

use super::{made, sandbox};
use crate::fake::{Fake, Fault, Step};

#[tokio::test]
async fn files_are_read_written_and_edited() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    let files = held.files();
    fake.put("/w/old", b"before", 0o644);
    files.write("/w/old", Bytes::from("after")).await.unwrap();
    files.write("/w/new", Bytes::from("new")).await.unwrap();
    assert_eq!(fake.file("/w/old").as_deref(), Some(&b"after"[..]));
    assert_eq!(fake.paths(), ["/w/new", "/w/old"]);
    assert_eq!(files.read("/w/new", 3).await.unwrap(), "new");
    assert_eq!(
        files.read("/w/new", 2).await.unwrap_err().kind,
        FileErrorKind::TooLarge { size: 3, limit: 2 }
    );
    assert_eq!(files.read("/w/none", 2).await.unwrap_err().kind, FileErrorKind::NotFound);
    let missing = files.write("/none/x", Bytes::new()).await.unwrap_err();
    assert_eq!(missing.to_string(), "cannot write /none/x: there is no such file or directory");
    assert_eq!(files.write("/w", Bytes::new()).await.unwrap_err().kind, FileErrorKind::IsADirectory);
    let edit = Edit { old: "aft".to_owned(), new: "und".to_owned(), all: false };
    assert_eq!(files.edit("/w/old", vec![edit.clone()]).await, Ok(1));
    assert_eq!(fake.file("/w/old").as_deref(), Some(&b"under"[..]));
    let err = files.edit("/w/old", vec![edit]).await.unwrap_err();
    assert_eq!(err.kind, FileErrorKind::NoMatch("aft".to_owned()));
    files.rename("/w/old", "/w/x").await.unwrap();
    assert_eq!(files.rename("/w/old", "/w/x").await.unwrap_err().kind, FileErrorKind::NotFound);
    files.remove("/w/x", false).await.unwrap();
    assert_eq!(fake.paths(), ["/w/new"]);
    assert_eq!(files.read("w/new", 9).await.unwrap_err().kind, FileErrorKind::Other("EINVAL"));
}

#[tokio::test]
async fn a_write_that_fails_leaves_the_old_content_and_nothing_beside_it() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    fake.put("/w/old", b"before", 0o644);
    fake.fail(
        "POST /filesystem.Filesystem/Move",
        Fault::Say(500, json!({"code": "internal", "message": "rename: no space left on device"})),
    );
    let err = held.files().write("/w/old", Bytes::from("after")).await.unwrap_err();
    assert_eq!(err.kind, FileErrorKind::Quota);
    assert_eq!(fake.file("/w/old").as_deref(), Some(&b"before"[..]));
    assert_eq!(fake.paths(), ["/w/old"]);
}

#[tokio::test]
async fn content_that_comes_cut_is_none() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    fake.put("/w/f", b"whole", 0o644);
    fake.fail("GET /files", Fault::Cut("who"));
    let err = held.files().read("/w/f", 1 << 20).await.unwrap_err();
    assert!(matches!(err.kind, FileErrorKind::Unreachable(_)), "{err}");
    assert_eq!(held.files().read("/w/f", 1 << 20).await.unwrap(), "whole");
    fake.fail("GET /files", Fault::Cut("an archive's beginning"));
    let err = held.download("/w", 1 << 20).await.unwrap_err();
    assert!(matches!(&err, Error::File(err) if matches!(err.kind, FileErrorKind::Unreachable(_))), "{err:?}");
}

#[tokio::test]
async fn content_may_come_slowly_and_not_without_end() {
    let fake = Fake::start().await;
    let mut config = fake.config();
    config.times.whole = Duration::from_secs(2);
    let held = made(&E2b::new(config).unwrap(), Spec::default()).await.unwrap();
    // Some 400 KiB a second, for longer than that.
    let slow = vec![b'x'; 1_250_000];
    let begun = Instant::now();
    fake.fail("GET /files", Fault::Drip(slow.clone(), 8 << 10));
    assert!(held.files().read("/w/f", 4 << 20).await.unwrap() == slow);
    assert!(begun.elapsed() > Duration::from_secs(2));
    // Byte by byte, for a minute.
    let begun = Instant::now();
    fake.fail("GET /files", Fault::Drip(vec![b'x'; 3000], 1));
    let err = held.files().read("/w/f", u64::MAX).await.unwrap_err();
    let late = "the backend e2b did not answer within 2s when it was to work with files";
    assert_eq!(err.kind, FileErrorKind::Unreachable(late.to_owned()));
    fake.fail("GET /files", Fault::Drip(vec![b'x'; 3000], 1));
    let err = held.download("/w", u64::MAX).await.unwrap_err();
    assert!(matches!(&err, Error::File(err) if err.kind == FileErrorKind::Unreachable(late.to_owned())));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn modes_are_kept_by_a_command() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    fake.put("/w/run", b"before", 0o755);
    held.files().write("/w/run", Bytes::from("after")).await.unwrap();
    let line = fake.programs()[0]["process"]["args"][2].as_str().unwrap().to_owned();
    assert!(line.starts_with("LC_ALL=C exec chmod 0755 -- '/w/.sandpiper-"), "{line}");
    fake.script([
        Step::Stderr(b"rmdir: failed to remove '/w': Directory not empty\n".to_vec()),
        Step::Exit(1),
    ]);
    assert_eq!(held.files().remove("/w", false).await.unwrap_err().kind, FileErrorKind::NotEmpty);
    held.files().remove("/w", true).await.unwrap();
    assert_eq!(fake.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn files_are_listed_and_searched_in_the_order_of_names() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    let files = held.files();
    for (path, content) in [
        ("/w/b/two.rs", "fn two\nlet x"),
        ("/w/a.rs", "fn one"),
        ("/w/.git/c.rs", "fn hidden"),
        ("/w/b/n.txt", "fn"),
    ] {
        fake.put(path, content.as_bytes(), 0o644);
    }
    let names: Vec<_> = files.list("/w").await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, [".git", "a.rs", "b"]);
    assert_eq!(files.list("/w/a.rs").await.unwrap_err().kind, FileErrorKind::NotADirectory);
    let query = FindQuery { directory: "/w".into(), pattern: "*.rs".into(), hidden: false, limit: 9 };
    let found = files.find(query.clone()).await.unwrap();
    let paths: Vec<_> = found.found.iter().map(|found| found.path.as_str()).collect();
    assert_eq!((paths, found.complete), (vec!["/w/a.rs", "/w/b/two.rs"], true));
    assert!(!files.find(FindQuery { limit: 1, ..query }).await.unwrap().complete);
    let query = SearchQuery {
        directory: "/w".into(),
        pattern: "^fn".into(),
        literal: false,
        ignore_case: false,
        files: Some("*.rs".into()),
        hidden: true,
        limit: 9,
    };
    let found = files.search(query).await.unwrap();
    let lines: Vec<_> = found.found.iter().map(|line| (line.path.as_str(), line.text.as_str())).collect();
    assert_eq!(lines, [("/w/.git/c.rs", "fn hidden"), ("/w/a.rs", "fn one"), ("/w/b/two.rs", "fn two")]);
}
