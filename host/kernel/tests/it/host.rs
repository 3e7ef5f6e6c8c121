//! What the host that runs the tests can do, found by trying it. Where it lacks something, a test
//! leaves out the part that needs it, and says so.

use std::sync::OnceLock;

use tempfile::TempDir;

/// Whether symlinks can be made. Windows lets administrators and developer mode make them; Wine 8
/// makes none and says that it did.
pub fn makes_symlinks() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let at = folder.path().join("link");
        #[cfg(unix)]
        std::os::unix::fs::symlink("target", &at).unwrap();
        #[cfg(windows)]
        let _ = std::os::windows::fs::symlink_file("target", &at);
        found("makes no symlinks", at.is_symlink())
    })
}

/// Whether the name of an open file is gone once it is removed. NTFS does so from Windows 10 on; other
/// file systems there, and Wine 8, keep the name until the file is closed.
pub fn removes_what_is_open() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let at = folder.path().join("file");
        let _open = std::fs::File::create(&at).unwrap();
        std::fs::remove_file(&at).unwrap();
        found("keeps the names of removed files while they are open", !at.exists())
    })
}

/// Whether symlinks can be made at a place of the guest's: everywhere but in mounts of a host that
/// makes none.
pub fn makes_symlinks_at(place: &str) -> bool {
    !place.starts_with("/workspace") || makes_symlinks()
}

/// Those of the places in which symlinks can be made.
pub fn with_symlinks<'p>(places: &'p [&'p str]) -> impl Iterator<Item = &'p str> {
    places.iter().copied().filter(|place| makes_symlinks_at(place))
}

fn found(lack: &str, can: bool) -> bool {
    assert!(can || cfg!(windows), "this host {lack}");
    if !can {
        eprintln!("left out where it matters: this host {lack}");
    }
    can
}
