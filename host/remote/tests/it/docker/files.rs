//! Files of a container of a real daemon.

use sandpiper_core::{
    Edit, Error, FileErrorKind, FileStat, FileType, FindQuery, Limits, SearchQuery, Spec, Stdin,
};

use super::daemon::{daemon, files, printed, run, sandbox, sh};

fn query(directory: &str, pattern: &str) -> FindQuery {
    FindQuery { directory: directory.to_owned(), pattern: pattern.to_owned(), hidden: false, limit: 100 }
}

fn text_query(directory: &str, pattern: &str) -> SearchQuery {
    SearchQuery {
        directory: directory.to_owned(),
        pattern: pattern.to_owned(),
        literal: false,
        ignore_case: false,
        files: None,
        hidden: false,
        limit: 100,
    }
}

#[tokio::test]
async fn files_are_written_and_read_as_they_are() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let files = files(&*sandbox);
    let content: Vec<u8> = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
    for path in ["/workspace/a", "/home/user/-a b'\"$x\n*", "/tmp/ä"] {
        files.write(path, content.clone().into()).await.unwrap();
        assert!(files.read(path, 2_000_000).await.unwrap() == content, "{path}");
        let stat = files.stat(path).await.unwrap();
        assert_eq!((stat.kind, stat.size, stat.mode), (FileType::File, 2_000_000, 0o644), "{path}");
        let large = files.read(path, 1_999_999).await.unwrap_err().kind;
        assert_eq!(large, FileErrorKind::TooLarge { size: 2_000_000, limit: 1_999_999 });
        files.write(path, "".into()).await.unwrap();
        assert_eq!(files.read(path, 0).await.unwrap(), "");
    }
    // Written anew, it keeps its mode, and a symlink stays one.
    files.set_mode("/workspace/a", 0o640).await.unwrap();
    printed(&*sandbox, "ln -s a /workspace/link; ln -s new /workspace/dangling").await;
    files.write("/workspace/link", "b".into()).await.unwrap();
    files.write("/workspace/dangling", "c".into()).await.unwrap();
    assert_eq!(files.stat("/workspace/a").await.unwrap().mode, 0o640);
    assert_eq!(files.stat("/workspace/link").await.unwrap().kind, FileType::Symlink);
    assert_eq!(files.read_link("/workspace/link").await.unwrap(), "a");
    assert_eq!(
        printed(&*sandbox, "cat /workspace/a /workspace/new; ls -A /workspace").await,
        "bca\ndangling\nlink\nnew\n"
    );
    // What the kernel makes as it is read.
    assert!(!files.read("/proc/self/status", 10_000).await.unwrap().is_empty());
    let limited = files.read("/proc/self/status", 5).await.unwrap_err().kind;
    assert_eq!(limited, FileErrorKind::TooLarge { size: 6, limit: 5 });
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_done_with_files_is_told_by_its_kind() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let spec = Spec { limits: Limits { tmp_bytes: 1 << 20, ..Limits::default() }, ..Spec::default() };
    let sandbox = sandbox(&docker, spec).await;
    let files = files(&*sandbox);
    printed(&*sandbox, "cd /workspace; echo x > file; mkdir -p full/a empty; mkfifo fifo; ln -s loop loop")
        .await;
    macro_rules! fails {
        ($call:expr, $kind:expr) => {
            assert_eq!($call.await.map(drop).unwrap_err().kind, $kind, stringify!($call))
        };
    }
    fails!(files.read("/workspace/none", 1), FileErrorKind::NotFound);
    fails!(files.read("workspace/file", 1), FileErrorKind::NotFound);
    fails!(files.read("/workspace/file/x", 1), FileErrorKind::NotADirectory);
    fails!(files.read("/workspace", 1), FileErrorKind::IsADirectory);
    fails!(files.read("/workspace/fifo", 1), FileErrorKind::NotAFile);
    fails!(files.read("/workspace/loop", 1), FileErrorKind::Other("LOOP"));
    fails!(files.read("/workspace/a\0b", 1), FileErrorKind::Other("INVAL"));
    fails!(files.write("/workspace/none/x", "y".into()), FileErrorKind::NotFound);
    fails!(files.write("/workspace/file/x", "y".into()), FileErrorKind::NotADirectory);
    fails!(files.write("/workspace/full", "y".into()), FileErrorKind::IsADirectory);
    fails!(files.write("/etc/x", "y".into()), FileErrorKind::ReadOnly);
    fails!(files.write("/tmp/x", vec![0; 2 << 20].into()), FileErrorKind::Quota);
    fails!(files.stat("/workspace/none"), FileErrorKind::NotFound);
    fails!(files.list("/workspace/none"), FileErrorKind::NotFound);
    fails!(files.list("/workspace/file"), FileErrorKind::NotADirectory);
    fails!(files.read_link("/workspace/file"), FileErrorKind::NotASymlink);
    fails!(files.read_link("/workspace/none"), FileErrorKind::NotFound);
    fails!(files.make_directory("/workspace/file"), FileErrorKind::NotADirectory);
    fails!(files.make_directory("/workspace/file/x"), FileErrorKind::NotADirectory);
    fails!(files.make_directory("/etc/x/y"), FileErrorKind::ReadOnly);
    fails!(files.remove("/workspace/none", true), FileErrorKind::NotFound);
    fails!(files.remove("/workspace/full", false), FileErrorKind::NotEmpty);
    fails!(files.rename("/workspace/none", "/workspace/x"), FileErrorKind::NotFound);
    fails!(files.rename("/workspace/file", "/workspace/none/x"), FileErrorKind::NotFound);
    fails!(files.rename("/workspace/file", "/workspace/empty"), FileErrorKind::IsADirectory);
    fails!(files.rename("/workspace/empty", "/workspace/file"), FileErrorKind::NotADirectory);
    fails!(files.rename("/workspace/empty", "/workspace/full"), FileErrorKind::NotEmpty);
    // Volumes on one disk are different mounts too.
    fails!(files.rename("/workspace/file", "/home/user/file"), FileErrorKind::OtherMount);
    fails!(files.rename("/workspace/file", "/tmp/file"), FileErrorKind::OtherMount);
    fails!(files.set_mode("/workspace/none", 0o600), FileErrorKind::NotFound);
    // Nothing of what failed is left.
    assert_eq!(
        printed(&*sandbox, "ls -A /workspace /tmp").await,
        "/tmp:\n\n/workspace:\nempty\nfifo\nfile\nfull\nloop\n"
    );
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn directories_are_made_listed_renamed_and_removed() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let files = files(&*sandbox);
    files.make_directory("/workspace/a/b c/d").await.unwrap();
    files.make_directory("/workspace/a/b c").await.unwrap();
    printed(&*sandbox, "cd /workspace/a; echo 12 > z; ln -s z link; mkfifo fifo; echo > '.hidden\nx'; chmod 4750 z; touch \"$(printf '\\377')\"; touch -d '2001-02-03 04:05:06.789 UTC' z 2>/dev/null || touch -d '2001-02-03 04:05:06' z").await;
    let entries = files.list("/workspace/a").await.unwrap();
    let names: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.stat.kind)).collect();
    assert_eq!(
        names,
        [
            (".hidden\nx", FileType::File),
            ("b c", FileType::Directory),
            ("fifo", FileType::Other),
            ("link", FileType::Symlink),
            ("z", FileType::File),
        ]
    );
    let FileStat { size, mode, modified_ns, .. } = entries[4].stat;
    assert_eq!((size, mode, modified_ns / 1_000_000_000), (3, 0o4750, 981_173_106));
    assert_eq!(entries[4].stat, files.stat("/workspace/a/z").await.unwrap());
    files.rename("/workspace/a/z", "/workspace/a/y").await.unwrap();
    files.rename("/workspace/a/b c", "/workspace/b").await.unwrap();
    files.remove("/workspace/b/d", false).await.unwrap();
    files.remove("/workspace/a/link", false).await.unwrap();
    files.remove("/workspace/a", true).await.unwrap();
    assert_eq!(printed(&*sandbox, "cd /workspace; find . | sort").await, ".\n./b\n");
    assert_eq!(files.list("/workspace/b").await.unwrap(), []);
    assert!(files.list("/").await.unwrap().iter().any(|entry| entry.name == "workspace"));
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn texts_are_edited_and_searched() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let files = files(&*sandbox);
    printed(
        &*sandbox,
        "cd /workspace; mkdir -p src/deep .git empty; printf 'one\\nTwo two\\n' > src/a.rs; printf 'two\\n' > src/deep/b.rs; \
         printf 'two\\n' > .git/c; printf 'x\\0two\\n' > binary; printf 'no' > 'name\nwith line'; : > void; echo two > locked; chmod 0 locked",
    )
    .await;
    let edit = |old: &str, new: &str, all| Edit { old: old.to_owned(), new: new.to_owned(), all };
    let edits = vec![edit("one", "ONE", false), edit("O", "0", true)];
    assert_eq!(files.edit("/workspace/src/a.rs", edits).await.unwrap(), 2);
    assert_eq!(files.read("/workspace/src/a.rs", 100).await.unwrap(), "0NE\nTwo two\n");
    let missing =
        files.edit("/workspace/src/a.rs", vec![edit("Two", "", false), edit("none", "", false)]).await;
    assert_eq!(missing.unwrap_err().kind, FileErrorKind::NoMatch("none".to_owned()));
    assert_eq!(files.read("/workspace/src/a.rs", 100).await.unwrap(), "0NE\nTwo two\n");

    let found = files.find(query("/workspace", "**")).await.unwrap();
    let paths: Vec<_> = found.found.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/workspace/binary",
            "/workspace/empty",
            "/workspace/locked",
            "/workspace/name\nwith line",
            "/workspace/src",
            "/workspace/src/a.rs",
            "/workspace/src/deep",
            "/workspace/src/deep/b.rs",
            "/workspace/void",
        ]
    );
    assert!(found.complete);
    let found = files.find(FindQuery { limit: 1, ..query("/workspace/", "*.rs") }).await.unwrap();
    assert_eq!((found.found.len(), found.complete), (1, false));
    assert_eq!(files.find(query("/workspace/.git", "c")).await.unwrap().found.len(), 1);
    assert_eq!(files.find(query("/workspace/src/a.rs", "*.rs")).await.unwrap().found.len(), 1);
    assert_eq!(files.find(query("/none", "*")).await.unwrap_err().kind, FileErrorKind::NotFound);
    assert!(matches!(files.find(query("/", "[")).await.unwrap_err().kind, FileErrorKind::Pattern(_)));

    let found = files.search(text_query("/workspace", "[Tt]wo$")).await.unwrap();
    let lines: Vec<_> = found.found.iter().map(|line| (line.path.as_str(), line.line, line.column)).collect();
    assert_eq!(lines, [("/workspace/src/a.rs", 2, 5), ("/workspace/src/deep/b.rs", 1, 1)]);
    // One file could not be read.
    assert!(!found.complete);
    let narrow =
        SearchQuery { files: Some("*.rs".to_owned()), hidden: true, ..text_query("/workspace", "two") };
    let found = files.search(narrow).await.unwrap();
    assert_eq!((found.found.len(), found.complete), (2, true));
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn a_search_goes_through_more_than_one_batch() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    printed(&*sandbox, "cd /workspace; i=0; while [ $i -lt 1100 ]; do echo needle > f$i; i=$((i+1)); done; head -c 20000000 /dev/zero | tr '\\0' '\\n' > large; echo needle >> large").await;
    let found = files(&*sandbox)
        .search(SearchQuery { limit: 5000, ..text_query("/workspace", "needle") })
        .await
        .unwrap();
    assert_eq!((found.found.len(), found.complete), (1101, true));
    assert_eq!(
        found.found.last().map(|line| (line.path.as_str(), line.line)),
        Some(("/workspace/large", 20_000_001))
    );
    sandbox.close().await.unwrap();
}

fn archive(entries: &[(&str, tar::EntryType, u32, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, kind, mode, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_mtime(1_000_000_000);
        if *kind == tar::EntryType::Symlink {
            header.set_size(0);
            archive.append_link(&mut header, path, std::str::from_utf8(content).unwrap()).unwrap();
        } else {
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, *content).unwrap();
        }
    }
    archive.into_inner().unwrap()
}

#[tokio::test]
async fn trees_go_in_and_out() {
    use tar::EntryType::{Directory, Regular, Symlink};

    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let large = vec![7; 3_000_000];
    let tree = archive(&[
        ("bin", Directory, 0o775, b""),
        ("bin/run", Regular, 0o755, b"#!/bin/sh\necho ran\n"),
        ("link", Symlink, 0o777, b"bin/run"),
        (&long, Regular, 0o600, &large),
    ]);
    for directory in ["/workspace/new/tree", "/tmp/tree"] {
        sandbox.upload(directory, tree.clone().into()).await.unwrap();
        let text = format!(
            "cd {directory}; ./link; stat -c '%a %u' bin; stat -c '%a %u %Y' bin/run; wc -c < {long}"
        );
        let printed = printed(&*sandbox, &text).await;
        assert_eq!(printed, "ran\n775 1000\n755 1000 1000000000\n3000000\n");
        let packed = sandbox.download(directory, 10_000_000).await.unwrap();
        let mut packed = tar::Archive::new(packed.as_ref());
        let mut names: Vec<_> = packed
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().trim_end_matches('/').to_owned())
            .collect();
        names.sort();
        let long_directory = format!("./{}", "d".repeat(90));
        assert_eq!(names, [".", "./bin", "./bin/run", &long_directory, &format!("./{long}"), "./link"]);
    }
    let limited = sandbox.download("/workspace", 100_000).await.unwrap_err();
    let reason = "the archive has more than the 100000 bytes asked for";
    assert!(
        matches!(&limited, Error::Archive { action: "pack", reason: told, .. } if told == reason),
        "{limited:?}"
    );
    let missing = sandbox.download("/none", 1000).await.unwrap_err();
    assert!(
        matches!(&missing, Error::Archive { action: "pack", .. })
            && missing.to_string().contains("No such file")
    );
    let broken = sandbox.upload("/workspace", "no archive".into()).await.unwrap_err();
    assert!(matches!(&broken, Error::Archive { action: "unpack into", .. }), "{broken:?}");
    let refused = sandbox.upload("/etc", tree.into()).await.unwrap_err();
    assert!(refused.to_string().contains("Read-only file system"), "{refused}");
    sandbox.close().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn mounts_of_this_machine_are_as_writable_as_they_say() {
    use sandpiper_core::{Access, Mount};

    let change = |config: &mut sandpiper_remote::docker::DockerConfig| {
        config.writable_mounts = sandpiper_remote::docker::WritableMounts::Uncounted;
    };
    let Some(docker) = daemon(change).await else { return };
    let (read_only, writable) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for directory in [&read_only, &writable] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        std::fs::write(directory.path().join("file"), "here\n").unwrap();
    }
    let mounts = vec![
        Mount::new(read_only.path(), "/data", Access::ReadOnly).unwrap(),
        Mount::new(writable.path(), "/workspace", Access::ReadWrite).unwrap(),
    ];
    let sandbox = sandbox(&docker, Spec { mounts: mounts.clone(), ..Spec::default() }).await;
    assert_eq!(
        printed(&*sandbox, "pwd; cat /data/file file; echo out > made").await,
        "/workspace\nhere\nhere\n"
    );
    assert_eq!(std::fs::read(writable.path().join("made")).unwrap(), b"out\n");
    for text in [
        "echo x > /data/x",
        "rm /data/file",
        "touch /data/file",
        "mv /data/file /data/g",
        "chmod 0 /data/file",
    ] {
        assert!(!run(&*sandbox, sh(text)).await.unwrap().exit.success(), "{text}");
    }
    assert_eq!(
        files(&*sandbox).write("/data/x", "y".into()).await.unwrap_err().kind,
        FileErrorKind::ReadOnly
    );
    sandbox.close().await.unwrap();
    assert_eq!(std::fs::read_dir(read_only.path()).unwrap().count(), 1);
    // A limit that was asked for is not ignored.
    let limits = Limits { disk_bytes: 1, ..Limits::default() };
    let spec = super::daemon::admitted(&docker, Spec { mounts, limits, ..Spec::default() });
    let refused = sandpiper_core::Backend::create(&docker, spec).await.map(drop).unwrap_err();
    assert_eq!(refused.to_string(), "the backend docker cannot enforce `disk_bytes` for this image");
}

#[tokio::test]
async fn the_memory_of_the_sandbox_is_bounded_by_its_limits() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let spec =
        Spec { limits: Limits { tmp_bytes: 1 << 20, files: 50, ..Limits::default() }, ..Spec::default() };
    let sandbox = sandbox(&docker, spec).await;
    let full = run(&*sandbox, sh("cat > /tmp/x").stdin(Stdin::bytes(vec![1; 2 << 20]))).await.unwrap();
    assert!(!full.exit.success());
    assert_eq!(printed(&*sandbox, "wc -c < /tmp/x").await, "1048576\n");
    let many = run(&*sandbox, sh("i=0; while [ $i -lt 100 ]; do : > /tmp/f$i || exit 7; i=$((i+1)); done"))
        .await
        .unwrap();
    assert!(!many.exit.success());
    sandbox.close().await.unwrap();
}
