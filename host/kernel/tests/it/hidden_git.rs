//! Git's own directory, where a mount hides it: no call of a guest reaches it by any name.

use std::fs;

use sandpiper_core::{Access, DenialReason, Mount, Spec};
use sandpiper_kernel::Errno;
use tempfile::TempDir;

use crate::guest::*;
use crate::host::makes_symlinks;

/// Spellings that some file system takes for `.git`.
const NAMES: [&str; 9] =
    [".git", ".GIT", ".giT", ".git.", ".git ", ".git. .", "git~1", ".g\u{200c}it", ".git::$INDEX_ALLOCATION"];

/// A working tree with a repository's directory, one in a subdirectory, and names that look like it.
fn worktree(hide: bool) -> (TempDir, Guest) {
    let host = TempDir::new().unwrap();
    for path in [".git/config", "sub/.git/config", ".gitignore", "sub/file"] {
        let path = host.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let mount = Mount::new(host.path(), "/workspace", Access::ReadWrite).unwrap();
    let mount = if hide { mount.hiding_git() } else { mount };
    let guest = Guest::new(&Spec { mounts: vec![mount], ..Spec::default() });
    (host, guest)
}

#[test]
fn it_is_not_listed_at_any_depth() {
    let (_host, mut guest) = worktree(true);
    assert_eq!(guest.list("/workspace"), Ok(vec![".gitignore".to_owned(), "sub".to_owned()]));
    assert_eq!(guest.list("/workspace/sub"), Ok(vec!["file".to_owned()]));
    let (_host, mut guest) = worktree(false);
    assert_eq!(guest.list("/workspace").unwrap()[0], ".git");
}

#[test]
fn nothing_in_it_is_opened_looked_at_or_changed() {
    let (host, mut guest) = worktree(true);
    let (_twin, mut shown) = worktree(false);
    for path in
        ["/workspace/.git", "/workspace/.git/config", "/workspace/sub/.git/config", "/workspace/sub/../.git"]
    {
        assert!(shown.stat(path).is_ok(), "{path}");
        assert_eq!(guest.stat(path), errno(Errno::PERM), "{path}");
        assert_eq!(guest.lstat(path), errno(Errno::PERM), "{path}");
        assert_eq!(guest.open(path, 0, RDONLY), errno(Errno::PERM), "{path}");
        assert_eq!(guest.open(path, CREAT | TRUNC, RDWR), errno(Errno::PERM), "{path}");
        assert_eq!(guest.unlink(path), errno(Errno::PERM), "{path}");
        assert_eq!(guest.rmdir(path), errno(Errno::PERM), "{path}");
        assert_eq!(guest.rename(path, "/workspace/moved"), errno(Errno::PERM), "{path}");
        assert_eq!(guest.link(path, "/workspace/linked", 0), errno(Errno::PERM), "{path}");
        assert_eq!(guest.set_times(path, 0, (1, 1), 1), errno(Errno::PERM), "{path}");
    }
    let denied = |denial: &sandpiper_core::Denial| denial.reason == DenialReason::GitDirectory;
    assert!(guest.world.take_denials().iter().all(denied));
    assert_eq!(fs::read_to_string(host.path().join(".git/config")).unwrap(), "x");
    assert_eq!(fs::read_to_string(host.path().join("sub/.git/config")).unwrap(), "x");
}

#[test]
fn no_name_that_means_it_is_made() {
    let (host, mut guest) = worktree(true);
    fs::create_dir(host.path().join("empty")).unwrap();
    for name in NAMES {
        for directory in ["/workspace", "/workspace/empty"] {
            let path = format!("{directory}/{name}");
            assert_eq!(guest.mkdir(&path), errno(Errno::PERM), "{path}");
            assert_eq!(guest.symlink("/workspace", &path), errno(Errno::PERM), "{path}");
            assert_eq!(guest.open(&path, CREAT, RDWR), errno(Errno::PERM), "{path}");
            assert_eq!(guest.rename("/workspace/sub/file", &path), errno(Errno::PERM), "{path}");
            assert_eq!(guest.link("/workspace/sub/file", &path, 0), errno(Errno::PERM), "{path}");
            assert_eq!(guest.mkdir(&format!("{path}/hooks")), errno(Errno::PERM), "{path}");
        }
    }
    assert!(fs::read_dir(host.path().join("empty")).unwrap().next().is_none());
    assert_eq!(guest.mkdir("/workspace/empty/.github"), Ok(()));
    assert_eq!(guest.mkdir("/workspace/empty/git"), Ok(()));
}

#[test]
fn no_link_and_no_open_directory_leads_to_it() {
    let (_host, mut guest) = worktree(true);
    if makes_symlinks() {
        guest.symlink(".git/config", "/workspace/link").unwrap();
        guest.symlink("../.git", "/workspace/sub/back").unwrap();
        assert_eq!(guest.content("/workspace/link"), errno(Errno::PERM));
        assert_eq!(guest.content("/workspace/sub/back/config"), errno(Errno::PERM));
        assert_eq!(guest.readlink("/workspace/link"), Ok(".git/config".to_owned()));
    }
    let fd = guest.open("/workspace", DIRECTORY, RDONLY).unwrap();
    assert_eq!(guest.stat_at(fd, ".git/config", 0), errno(Errno::PERM));
    assert_eq!(guest.mkdir_at(fd, "sub/.git"), errno(Errno::PERM));
}

#[test]
fn a_directory_with_it_is_moved_whole_or_emptied_not_at_all() {
    let (host, mut guest) = worktree(true);
    guest.unlink("/workspace/sub/file").unwrap();
    assert_eq!(guest.rmdir("/workspace/sub"), errno(Errno::NOTEMPTY));
    guest.rename("/workspace/sub", "/workspace/other").unwrap();
    assert_eq!(guest.list("/workspace/other"), Ok(Vec::new()));
    assert!(host.path().join("other/.git/config").exists());
}

#[test]
fn other_mounts_have_it_as_any_other_name() {
    let (_host, mut guest) = worktree(true);
    assert_eq!(guest.mkdir("/tmp/.git"), Ok(()));
    assert_eq!(guest.list("/tmp"), Ok(vec![".git".to_owned()]));
}
