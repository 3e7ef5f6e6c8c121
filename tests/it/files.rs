//! The files of a sandbox, worked with by the host: the same mounts, limits and refusals as for its guests.

use sandpiper::{
    Access, Backend, Edit, Exec, FileError, FileErrorKind, FileType, Files, FindQuery, Limits, Mount,
    Sandbox, SearchQuery, Spec, admit, collect,
};

use crate::harness::{assert_prints, engine, granting, workspace};

/// Works with a sandbox's files.
fn with<T>(spec: Spec, work: impl AsyncFnOnce(&dyn Files, &mut dyn Sandbox) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let admitted = admit(spec.clone(), "wasm", engine().capabilities(&spec.image)).unwrap();
        let mut sandbox = engine().create(admitted).await.unwrap();
        let files = sandbox.files();
        work(&*files, &mut *sandbox).await
    })
}

fn kind<T: std::fmt::Debug>(result: Result<T, FileError>) -> FileErrorKind {
    result.unwrap_err().kind
}

fn search(pattern: &str) -> SearchQuery {
    SearchQuery {
        directory: "/workspace".to_owned(),
        pattern: pattern.to_owned(),
        literal: false,
        ignore_case: false,
        files: None,
        hidden: false,
        limit: 100,
    }
}

#[test]
fn the_host_and_a_guest_see_the_same_files() {
    let (folder, spec) = workspace();
    with(spec, async |files, sandbox| {
        files.make_directory("/workspace/a/b").await.unwrap();
        files.make_directory("/workspace/a/b").await.unwrap();
        files.write("/workspace/a/b/f", "one\n".into()).await.unwrap();
        files.write("/tmp/t", "private\n".into()).await.unwrap();
        let script = "cat a/b/f /tmp/t; echo two >> a/b/f; chmod 755 a/b/f; ln -s b/f a/l; echo x > /tmp/u";
        let outcome = collect(sandbox.spawn(Exec::new(["bash", "-c", script])).await.unwrap()).await.unwrap();
        assert_prints(&outcome, "one\nprivate\n");
        assert_eq!(files.read("/workspace/a/l", 100).await.unwrap(), "one\ntwo\n");
        assert_eq!(files.read("/tmp/u", 100).await.unwrap(), "x\n");
        // The mode stays with new content.
        files.write("/workspace/a/l", "three".into()).await.unwrap();
        let stat = files.stat("/workspace/a/b/f").await.unwrap();
        assert_eq!((stat.kind, stat.size), (FileType::File, 5));
        assert_eq!(stat.mode, if cfg!(windows) { stat.mode } else { 0o755 });
        assert_eq!(files.stat("/workspace/a/l").await.unwrap().kind, FileType::Symlink);
        let names: Vec<String> =
            files.list("/workspace/a").await.unwrap().into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["b", "l"]);
        files.rename("/workspace/a/b/f", "/workspace/g").await.unwrap();
        assert_eq!(kind(files.remove("/workspace/a", false).await), FileErrorKind::NotEmpty);
        files.remove("/workspace/a", true).await.unwrap();
        assert_eq!(files.list("/workspace").await.unwrap().len(), 1);
    });
    assert_eq!(std::fs::read_to_string(folder.path().join("g")).unwrap(), "three");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_a_guest_may_not_the_host_may_not_by_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "kept").unwrap();
    with(granting(folder.path(), Access::ReadOnly), async |files, sandbox| {
        let read_only = [
            kind(files.write("/workspace/f", "x".into()).await),
            kind(files.write("/workspace/new", "x".into()).await),
            kind(files.remove("/workspace/f", false).await),
            kind(files.rename("/workspace/f", "/workspace/g").await),
            kind(files.make_directory("/workspace/d").await),
            kind(files.write("/etc/passwd", "x".into()).await),
        ];
        assert!(read_only.iter().all(|kind| *kind == FileErrorKind::ReadOnly), "{read_only:?}");
        assert_eq!(kind(files.read("/workspace/../../etc/shadow", 100).await), FileErrorKind::NotFound);
        assert_eq!(kind(files.read("/workspace/none", 100).await), FileErrorKind::NotFound);
        assert_eq!(kind(files.read("/workspace", 100).await), FileErrorKind::IsADirectory);
        assert_eq!(kind(files.read("/dev/zero", 100).await), FileErrorKind::NotAFile);
        assert_eq!(kind(files.list("/workspace/f").await), FileErrorKind::NotADirectory);
        let too_large = FileErrorKind::TooLarge { size: 4, limit: 3 };
        assert_eq!(kind(files.read("/workspace/f", 3).await), too_large);
        let error = files.write("/workspace/f", "x".into()).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot write /workspace/f: it is read-only in this sandbox");
        // The refusals are told with the next command.
        let outcome = collect(sandbox.spawn(Exec::new(["true"])).await.unwrap()).await.unwrap();
        assert!(
            outcome.denials.iter().any(|denial| denial.subject == "/workspace/f"),
            "{:?}",
            outcome.denials
        );
    });
    assert_eq!(std::fs::read_to_string(folder.path().join("f")).unwrap(), "kept");
}

#[test]
fn a_write_above_the_limit_leaves_the_old_content() {
    let (folder, spec) = workspace();
    let limits = Limits { disk_bytes: 10, ..Limits::default() };
    with(Spec { limits, ..spec }, async |files, _| {
        files.write("/workspace/f", "12345".into()).await.unwrap();
        assert_eq!(kind(files.write("/workspace/f", "1234567890".into()).await), FileErrorKind::Quota);
        assert_eq!(files.read("/workspace/f", 100).await.unwrap(), "12345");
        assert_eq!(files.list("/workspace").await.unwrap().len(), 1);
    });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
#[cfg(unix)]
fn a_symlink_leads_no_further_than_for_a_guest() {
    let (folder, spec) = workspace();
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("out")).unwrap();
    std::os::unix::fs::symlink("../../../../../../etc", folder.path().join("up")).unwrap();
    with(spec, async |files, _| {
        // They mean the sandbox's own /etc.
        assert_eq!(kind(files.read("/workspace/out", 100).await), FileErrorKind::NotFound);
        assert!(files.list("/workspace/up").await.unwrap().iter().all(|entry| entry.name != "hostname"));
        assert_eq!(kind(files.write("/workspace/up/new", "x".into()).await), FileErrorKind::ReadOnly);
        files.remove("/workspace/up", true).await.unwrap();
    });
    assert!(std::path::Path::new("/etc").is_dir());
}

#[test]
fn an_edit_is_made_whole_or_not_at_all() {
    let (_folder, spec) = workspace();
    let edit = |old: &str, new: &str, all| Edit { old: old.to_owned(), new: new.to_owned(), all };
    with(spec, async |files, _| {
        files.write("/workspace/f", "a = 1\nb = 1\n".into()).await.unwrap();
        let edits = vec![edit("a = 1", "a = 2", false), edit("1", "3", false)];
        assert_eq!(files.edit("/workspace/f", edits).await, Ok(2));
        let edits = vec![edit("a", "c", false), edit("none", "x", false)];
        let error = files.edit("/workspace/f", edits).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot edit /workspace/f: the text to be replaced is not in it: \"none\""
        );
        assert_eq!(files.read("/workspace/f", 100).await.unwrap(), "a = 2\nb = 3\n");
        let ambiguous = FileErrorKind::Ambiguous { text: " = ".to_owned(), count: 2 };
        assert_eq!(kind(files.edit("/workspace/f", vec![edit(" = ", "=", false)]).await), ambiguous);
        assert_eq!(files.edit("/workspace/f", vec![edit(" = ", "=", true)]).await, Ok(2));
        files.write("/workspace/b", vec![0xff].into()).await.unwrap();
        assert_eq!(
            kind(files.edit("/workspace/b", vec![edit("a", "b", true)]).await),
            FileErrorKind::NotText
        );
    });
}

#[test]
fn files_are_found_by_name_and_by_content() {
    let (folder, spec) = workspace();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("c.rs"), "fn third() {}\n").unwrap();
    let mut mounts = spec.mounts.clone();
    mounts.push(Mount::new(other.path(), "/workspace/more", Access::ReadOnly).unwrap());
    std::fs::create_dir_all(folder.path().join("src/.git")).unwrap();
    for (name, content) in [
        ("src/a.rs", "fn first() {}\n\nfn second() {}\n"),
        ("src/b.txt", "no FN here\n"),
        ("src/.git/x.rs", "fn hidden() {}\n"),
        ("src/bin", "fn\0binary"),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    with(Spec { mounts, ..spec }, async |files, _| {
        let find = |pattern: &str, hidden, limit| FindQuery {
            directory: "/workspace/".to_owned(),
            pattern: pattern.to_owned(),
            hidden,
            limit,
        };
        let found = async |query| {
            let results = files.find(query).await.unwrap();
            (results.found.into_iter().map(|file| file.path).collect::<Vec<_>>(), results.complete)
        };
        let paths = |list: &[&str]| list.iter().map(|path| format!("/workspace/{path}")).collect::<Vec<_>>();
        assert_eq!(found(find("*.rs", false, 10)).await, (paths(&["more/c.rs", "src/a.rs"]), true));
        assert_eq!(found(find("src/**/*.rs", true, 10)).await, (paths(&["src/.git/x.rs", "src/a.rs"]), true));
        assert_eq!(found(find("*.rs", false, 1)).await, (paths(&["more/c.rs"]), false));

        let lines = async |query| {
            let results = files.search(query).await.unwrap();
            let shown = |line: sandpiper::FoundLine| {
                format!("{}:{}:{}: {}", line.path, line.line, line.column, line.text)
            };
            (results.found.into_iter().map(shown).collect::<Vec<_>>(), results.complete)
        };
        let expected = paths(&[
            "more/c.rs:1:4: fn third() {}",
            "src/a.rs:1:4: fn first() {}",
            "src/a.rs:3:4: fn second() {}",
        ]);
        assert_eq!(lines(search(r"\w+\(\)")).await, (expected.clone(), true));
        let limited = SearchQuery { limit: 2, ..search(r"\w+\(\)") };
        assert_eq!(lines(limited).await, (expected[..2].to_vec(), false));
        let text = SearchQuery { ignore_case: true, files: Some("*.txt".to_owned()), ..search("fn h") };
        assert_eq!(lines(text).await, (paths(&["src/b.txt:1:4: no FN here"]), true));
        let literal =
            SearchQuery { literal: true, directory: "/workspace/src/a.rs".to_owned(), ..search("d() {}") };
        assert_eq!(lines(literal).await, (paths(&["src/a.rs:3:9: fn second() {}"]), true));
        let error = files.search(search("(")).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot search for (: the pattern is not valid: "), "{error}");
    });
}
