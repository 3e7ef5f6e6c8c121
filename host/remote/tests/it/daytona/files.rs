//! Files, as they really are.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use sandpiper_core::{Edit, FileErrorKind, FileType, Files, FindQuery, SearchQuery, Spec};
use tempfile::TempDir;

use super::{Here, here};

struct Place {
    here: Here,
    files: Arc<dyn Files>,
    folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let here = here(Spec::default()).await;
        Self { files: here.sandbox.files(), here, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder.path().display())
    }

    /// Nothing is left in the directory but these.
    fn has(&self, names: &[&str]) {
        let mut found: Vec<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        assert_eq!(found, names);
    }
}

/// What a failed operation says.
#[track_caller]
fn why<T: std::fmt::Debug>(result: Result<T, sandpiper_core::FileError>) -> FileErrorKind {
    result.unwrap_err().kind
}

#[tokio::test]
async fn what_is_written_can_be_read() {
    let place = Place::new().await;
    let path = place.path("a 'b' $c\n");
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    place.files.write(&path, content.clone().into()).await.unwrap();
    assert_eq!(place.files.read(&path, 100_000).await.unwrap(), content);
    assert_eq!(
        why(place.files.read(&path, 99_999).await),
        FileErrorKind::TooLarge { size: 100_000, limit: 99_999 }
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o751)).unwrap();
    place.files.write(&path, "new".into()).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o751);
    assert_eq!(place.files.read(&path, 10).await.unwrap(), b"new"[..]);
    place.has(&["a 'b' $c\n"]);
}

#[tokio::test]
async fn a_boundary_in_a_file_is_its_content() {
    let place = Place::new().await;
    let content = b"a\r\n--DAYTONA-FILE-BOUNDARY--\r\nb";
    std::fs::write(place.path("a"), content).unwrap();
    assert_eq!(place.files.read(&place.path("a"), 100).await.unwrap(), content[..]);
}

#[tokio::test]
async fn writing_follows_links_and_makes_no_directories() {
    let place = Place::new().await;
    std::fs::write(place.path("a"), "old").unwrap();
    symlink("a", place.path("link")).unwrap();
    symlink("new", place.path("dangling")).unwrap();
    place.files.write(&place.path("link"), "1".into()).await.unwrap();
    place.files.write(&place.path("dangling"), "2".into()).await.unwrap();
    assert_eq!(std::fs::read(place.path("a")).unwrap(), b"1");
    assert_eq!(std::fs::read(place.path("new")).unwrap(), b"2");
    assert_eq!(why(place.files.write(&place.path("no/x"), "3".into()).await), FileErrorKind::NotFound);
    assert_eq!(why(place.files.write(&place.path("a/x"), "3".into()).await), FileErrorKind::NotADirectory);
    assert_eq!(why(place.files.write(&place.path(""), "3".into()).await), FileErrorKind::IsADirectory);
    place.has(&["a", "dangling", "link", "new"]);
    let left = std::fs::read_dir("/tmp")
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".sandpiper-"));
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let place = Place::new().await;
    std::fs::write(place.path("a"), "").unwrap();
    symlink("nowhere", place.path("dangling")).unwrap();
    std::process::Command::new("mkfifo").arg(place.path("fifo")).status().unwrap();
    let read = async |name: &str| why(place.files.read(&place.path(name), 10).await);
    assert_eq!(read("no").await, FileErrorKind::NotFound);
    assert_eq!(read("dangling").await, FileErrorKind::NotFound);
    assert_eq!(read("a/b").await, FileErrorKind::NotADirectory);
    assert_eq!(read("").await, FileErrorKind::IsADirectory);
    assert_eq!(read("fifo").await, FileErrorKind::NotAFile);
    assert_eq!(why(place.files.read("a", 10).await), FileErrorKind::Other("INVAL"));
    assert_eq!(place.files.read(&place.path("a"), 0).await.unwrap(), b""[..]);
}

#[tokio::test]
async fn a_path_is_what_it_is() {
    let place = Place::new().await;
    std::fs::write(place.path("a"), "123").unwrap();
    symlink("a b\n", place.path("link")).unwrap();
    let stat = place.files.stat(&place.path("a")).await.unwrap();
    assert_eq!((stat.kind, stat.size), (FileType::File, 3));
    let modified = std::fs::metadata(place.path("a")).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(u128::from(stat.modified_ns), since.as_nanos());
    assert_eq!(place.files.stat(&place.path("link")).await.unwrap().kind, FileType::Symlink);
    assert_eq!(place.files.stat(&place.path("")).await.unwrap().kind, FileType::Directory);
    assert_eq!(place.files.stat("/dev/null").await.unwrap().kind, FileType::Other);
    assert_eq!(place.files.read_link(&place.path("link")).await.unwrap(), "a b\n");
    assert_eq!(why(place.files.read_link(&place.path("a")).await), FileErrorKind::NotASymlink);
    assert_eq!(why(place.files.stat(&place.path("no")).await), FileErrorKind::NotFound);
    place.files.set_mode(&place.path("a"), 0o604).await.unwrap();
    assert_eq!(place.files.stat(&place.path("a")).await.unwrap().mode, 0o604);
    place.files.set_mode(&place.path(""), 0o1755).await.unwrap();
    assert_eq!(place.files.stat(&place.path("")).await.unwrap().mode, 0o1755);
    assert_eq!(why(place.files.set_mode(&place.path("no"), 0).await), FileErrorKind::NotFound);
}

#[tokio::test]
async fn a_directory_is_listed_by_the_order_of_names() {
    let place = Place::new().await;
    assert_eq!(place.files.list(&place.path("")).await.unwrap(), []);
    for name in ["b", ".h", "a\nb", "-f"] {
        std::fs::write(place.path(name), name).unwrap();
    }
    std::fs::create_dir_all(place.path("d/e")).unwrap();
    std::fs::write(std::path::Path::new(std::ffi::OsStr::new(&place.path("x"))), "").unwrap();
    let entries = place.files.list(&place.path("")).await.unwrap();
    let names: Vec<_> =
        entries.iter().map(|entry| (entry.name.as_str(), entry.stat.size, entry.stat.kind)).collect();
    let file = |name, size| (name, size, FileType::File);
    assert_eq!(names[..3], [file("-f", 2), file(".h", 2), file("a\nb", 3)]);
    assert_eq!((names[3], names[4].0, names[5]), (file("b", 1), "d", file("x", 0)));
    assert_eq!(why(place.files.list(&place.path("b")).await), FileErrorKind::NotADirectory);
    assert_eq!(why(place.files.list(&place.path("no")).await), FileErrorKind::NotFound);
}

#[tokio::test]
async fn directories_are_made_with_those_that_lead_to_them() {
    let place = Place::new().await;
    place.files.make_directory(&place.path("a/b/c")).await.unwrap();
    place.files.make_directory(&place.path("a/b")).await.unwrap();
    std::fs::write(place.path("f"), "").unwrap();
    assert_eq!(why(place.files.make_directory(&place.path("f")).await), FileErrorKind::NotADirectory);
    assert_eq!(why(place.files.make_directory(&place.path("f/x")).await), FileErrorKind::NotADirectory);
    place.has(&["a", "f"]);
}

#[tokio::test]
async fn what_is_removed_is_gone() {
    let place = Place::new().await;
    std::fs::create_dir_all(place.path("d/e")).unwrap();
    std::fs::write(place.path("d/f"), "").unwrap();
    symlink("d", place.path("link")).unwrap();
    let remove = async |name: &str, all| place.files.remove(&place.path(name), all).await;
    assert_eq!(why(remove("d", false).await), FileErrorKind::NotEmpty);
    remove("link", true).await.unwrap();
    remove("d/e", false).await.unwrap();
    remove("d/f", false).await.unwrap();
    assert_eq!(why(remove("d/f", false).await), FileErrorKind::NotFound);
    std::fs::create_dir_all(place.path("d/e/g")).unwrap();
    remove("d", true).await.unwrap();
    place.has(&[]);
    assert_eq!(why(place.files.remove("/", true).await), FileErrorKind::Other("BUSY"));
}

#[tokio::test]
async fn renaming_is_that_of_posix() {
    let place = Place::new().await;
    for name in ["a", "b"] {
        std::fs::write(place.path(name), name).unwrap();
    }
    std::fs::create_dir_all(place.path("full/x")).unwrap();
    std::fs::create_dir_all(place.path("empty")).unwrap();
    std::fs::create_dir_all(place.path("d/y")).unwrap();
    let rename = async |from: &str, to: &str| place.files.rename(&place.path(from), &place.path(to)).await;
    rename("a", "b").await.unwrap();
    assert_eq!(std::fs::read(place.path("b")).unwrap(), b"a");
    rename("b", "b").await.unwrap();
    assert_eq!(why(rename("no", "x").await), FileErrorKind::NotFound);
    assert_eq!(why(rename("b", "no/x").await), FileErrorKind::NotFound);
    assert_eq!(why(rename("b", "empty").await), FileErrorKind::IsADirectory);
    assert_eq!(why(rename("d", "b").await), FileErrorKind::NotADirectory);
    assert_eq!(why(rename("d", "full").await), FileErrorKind::NotEmpty);
    assert_eq!(why(rename("d", "d/y/z").await), FileErrorKind::Other("INVAL"));
    rename("d", "empty").await.unwrap();
    assert!(std::fs::exists(place.path("empty/y")).unwrap());
    place.has(&["b", "empty", "full"]);
}

#[tokio::test]
async fn names_and_lines_are_found() {
    let place = Place::new().await;
    std::fs::create_dir_all(place.path("src/.git")).unwrap();
    for (name, content) in [
        ("src/b.rs", "one\ntwo one"),
        ("src/a.rs", "none"),
        ("src/.git/c.rs", "one"),
        ("x.bin", "one\0"),
        ("src.txt", ""),
    ] {
        std::fs::write(place.path(name), content).unwrap();
    }
    let directory = place.folder.path().display().to_string();
    let query =
        FindQuery { directory: directory.clone(), pattern: "*.rs".to_owned(), hidden: false, limit: 10 };
    let found = async |query: FindQuery| {
        let results = place.files.find(query).await.unwrap();
        let paths: Vec<_> =
            results.found.into_iter().map(|file| file.path[directory.len() + 1..].to_owned()).collect();
        (paths, results.complete)
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(found(query.clone()).await, (owned(&["src/a.rs", "src/b.rs"]), true));
    let hidden = FindQuery { hidden: true, ..query.clone() };
    assert_eq!(found(hidden).await, (owned(&["src/.git/c.rs", "src/a.rs", "src/b.rs"]), true));
    assert_eq!(found(FindQuery { limit: 1, ..query.clone() }).await, (owned(&["src/a.rs"]), false));
    let all = FindQuery { pattern: "**".to_owned(), ..query.clone() };
    assert_eq!(found(all).await.0, owned(&["src", "src/a.rs", "src/b.rs", "src.txt", "x.bin"]));
    let wrong = place.files.find(FindQuery { pattern: "[".to_owned(), ..query.clone() }).await;
    assert!(matches!(why(wrong), FileErrorKind::Pattern(_)));
    let missing = FindQuery { directory: place.path("no"), ..query };
    assert_eq!(why(place.files.find(missing).await), FileErrorKind::NotFound);

    let query = SearchQuery {
        directory: directory.clone(),
        pattern: "^one|two".to_owned(),
        literal: false,
        ignore_case: false,
        files: None,
        hidden: false,
        limit: 10,
    };
    let results = place.files.search(query.clone()).await.unwrap();
    let lines: Vec<_> = results
        .found
        .iter()
        .map(|line| (&line.path[directory.len() + 1..], line.line, line.column, line.text.as_str()))
        .collect();
    assert_eq!(lines, [("src/b.rs", 1, 1, "one"), ("src/b.rs", 2, 1, "two one")]);
    assert!(results.complete);
    let one = SearchQuery { directory: place.path("src/b.rs"), limit: 1, ..query };
    let results = place.files.search(one).await.unwrap();
    assert_eq!(
        (results.found.len(), results.found[0].path.as_str(), results.complete),
        (1, &*place.path("src/b.rs"), false)
    );
}

#[tokio::test]
async fn edits_are_made_in_a_text() {
    let place = Place::new().await;
    std::fs::write(place.path("a"), "x y x").unwrap();
    let edit = |old: &str, all| Edit { old: old.to_owned(), new: "z".to_owned(), all };
    assert_eq!(place.files.edit(&place.path("a"), vec![edit("x", true), edit("y", false)]).await, Ok(3));
    assert_eq!(std::fs::read(place.path("a")).unwrap(), b"z z z");
    let ambiguous = FileErrorKind::Ambiguous { text: "z".to_owned(), count: 3 };
    assert_eq!(why(place.files.edit(&place.path("a"), vec![edit("z", false)]).await), ambiguous);
    std::fs::write(place.path("b"), b"\xff").unwrap();
    assert_eq!(why(place.files.edit(&place.path("b"), vec![edit("z", false)]).await), FileErrorKind::NotText);
}

#[tokio::test]
async fn trees_come_and_go_as_archives() {
    let place = Place::new().await;
    std::fs::create_dir_all(place.path("in/d")).unwrap();
    std::fs::write(place.path("in/d/f"), [0, 255]).unwrap();
    symlink("d/f", place.path("in/link")).unwrap();
    let archive = place.here.sandbox.download(&place.path("in"), 1 << 20).await.unwrap();
    place.here.sandbox.upload(&place.path("out/deep"), archive).await.unwrap();
    assert_eq!(std::fs::read(place.path("out/deep/link")).unwrap(), [0, 255]);
}
