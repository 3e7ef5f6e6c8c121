//! Files of this machine as a guest sees them, with links that lead nowhere and out.

use std::path::Path;

use sandpiper_core::{Access, Mount};
use sandpiper_routing::{Command, FileKind, Files, Image, MountedFiles, analyze};

/// A directory of this machine as `/workspace`.
pub fn workspace(host: &Path) -> MountedFiles {
    MountedFiles::new(&[Mount::new(host, "/workspace", Access::ReadWrite).unwrap()])
}

#[test]
fn files_of_a_directory_are_read_as_those_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("app")).unwrap();
    std::fs::write(folder.path().join("app/__init__.py"), "import numpy\n").unwrap();
    let needs =
        analyze(&Command::new(["python3", "-m", "app"]), &workspace(folder.path()), &Image::default());
    assert_eq!(needs.needs[0].evidence.to_string(), "/workspace/app/__init__.py:1: import numpy");
}

#[test]
fn a_file_is_read_as_far_as_asked_and_its_kind_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("d")).unwrap();
    std::fs::write(folder.path().join("d/f"), "0123456789").unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    let files = workspace(folder.path());
    assert_eq!(files.read("/workspace/d/f", 4).unwrap(), b"0123");
    assert_eq!(files.read("/workspace/d/f", 10).unwrap(), b"0123456789");
    assert_eq!(files.read("/workspace/d/f", 1 << 20).unwrap(), b"0123456789");
    assert_eq!(files.read("/workspace/empty", 9).unwrap(), b"");
    assert_eq!(files.read("/workspace/d", 9), None);
    assert_eq!(files.read("/workspace/d/g", 9), None);
    assert_eq!(files.read("/elsewhere/d/f", 9), None);
    assert_eq!(files.kind("/workspace"), Some(FileKind::Directory));
    assert_eq!(files.kind("/workspace/d"), Some(FileKind::Directory));
    assert_eq!(files.kind("/workspace/d/f"), Some(FileKind::File));
    assert_eq!(files.kind("/workspace/d/f/g"), None);
    assert_eq!(files.list("/workspace/d", 9).unwrap(), [("f".to_owned(), FileKind::File)]);
    assert_eq!(files.list("/workspace", 1).unwrap().len(), 1);
    assert_eq!(files.list("/workspace/d/f", 9), None);
}

#[test]
fn a_path_out_of_the_mount_leads_nowhere() {
    let outer = tempfile::tempdir().unwrap();
    std::fs::write(outer.path().join("secret"), "s").unwrap();
    let inner = outer.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let files = workspace(&inner);
    let absolute = outer.path().join("secret");
    for path in [
        "/workspace/../secret",
        "/workspace/..",
        r"/workspace/..\secret",
        &format!("/workspace/{}", absolute.display()),
    ] {
        assert_eq!(files.read(path, 9), None, "{path}");
        assert_eq!(files.kind(path), None, "{path}");
        assert_eq!(files.list(path, 9), None, "{path}");
    }
}

#[cfg(unix)]
#[test]
fn links_that_lead_in_circles_or_out_are_not_there() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.py"), "import numpy\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    symlink("b.py", folder.path().join("a.py")).unwrap();
    symlink("a.py", folder.path().join("b.py")).unwrap();
    symlink(".", folder.path().join("again")).unwrap();
    symlink(outside.path().join("secret.py"), folder.path().join("secret.py")).unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    std::fs::write(folder.path().join("inside.py"), "import torch\n").unwrap();
    symlink("inside.py", folder.path().join("alias.py")).unwrap();
    let files = workspace(folder.path());
    let needs = |line: &str| analyze(&Command::new(["bash", "-c", line]), &files, &Image::default()).needs;
    assert!(needs("python3 a.py; python3 secret.py; python3 -m unittest discover").is_empty());
    assert!(needs("python3 out/secret.py").is_empty());
    assert_eq!(files.list("/workspace/out", 9), None);
    assert_eq!(needs("python3 alias.py").len(), 1);
    assert_eq!(needs("python3 again/again/again/inside.py").len(), 1);
}

#[cfg(unix)]
#[test]
fn a_fifo_is_no_file_and_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("fifo")).status().unwrap();
    assert!(made.success());
    let files = workspace(folder.path());
    assert_eq!(files.kind("/workspace/fifo"), None);
    assert_eq!(files.read("/workspace/fifo", 9), None);
}
