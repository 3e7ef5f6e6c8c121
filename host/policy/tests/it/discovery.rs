//! Which policy file is found, and which is not trusted.

use std::fs;

use sandpiper_policy::{Authority, Overrides, Policy, PolicyError};
use tempfile::TempDir;

/// A directory of this user alone, with directories in it.
fn tree() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
    folder
}

fn seconds(policy: &Policy) -> u64 {
    policy.resolve(None, Overrides::default(), Authority::Person).unwrap().limits().wall.as_secs()
}

#[test]
fn the_nearest_policy_upward_is_found() {
    let folder = tree();
    let start = folder.path().join("a/b/c");
    assert!(Policy::discover(&start).unwrap().is_none());
    fs::write(folder.path().join("sandpiper.toml"), "limits.timeout = \"1s\"").unwrap();
    assert_eq!(seconds(&Policy::discover(&start).unwrap().unwrap()), 1);
    fs::write(folder.path().join("a/b/sandpiper.toml"), "limits.timeout = \"2s\"").unwrap();
    assert_eq!(seconds(&Policy::discover(&start).unwrap().unwrap()), 2);
    assert_eq!(seconds(&Policy::discover(&folder.path().join("a")).unwrap().unwrap()), 1);
}

#[test]
fn a_policy_with_mistakes_is_not_passed_over() {
    let folder = tree();
    fs::write(folder.path().join("sandpiper.toml"), "").unwrap();
    fs::write(folder.path().join("a/sandpiper.toml"), "x = 1").unwrap();
    let found = Policy::discover(&folder.path().join("a/b"));
    assert!(matches!(found, Err(PolicyError::Invalid { .. })), "{found:?}");
    fs::write(folder.path().join("a/sandpiper.toml"), b"\xff").unwrap();
    let found = Policy::discover(&folder.path().join("a/b"));
    assert!(matches!(found, Err(PolicyError::Read { .. })), "{found:?}");
    fs::remove_file(folder.path().join("a/sandpiper.toml")).unwrap();
    fs::create_dir(folder.path().join("a/sandpiper.toml")).unwrap();
    let found = Policy::discover(&folder.path().join("a/b"));
    assert!(matches!(found, Err(PolicyError::Read { .. })), "{found:?}");
}

#[test]
fn a_file_that_is_too_long_is_no_policy() {
    let folder = tree();
    let path = folder.path().join("sandpiper.toml");
    fs::write(&path, "#".repeat(64 << 10)).unwrap();
    assert!(Policy::load(&path).is_ok());
    fs::write(&path, "#".repeat((64 << 10) + 1)).unwrap();
    assert!(matches!(Policy::load(&path), Err(PolicyError::Read { .. })));
}

#[cfg(unix)]
#[test]
fn a_policy_that_others_can_write_is_followed_only_when_it_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tree();
    let path = folder.path().join("a/sandpiper.toml");
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::write(&path, "limits.timeout = \"1s\"").unwrap();
    mode(&path, 0o666);
    match Policy::discover(&folder.path().join("a/b")) {
        Err(err @ PolicyError::Untrusted { .. }) => {
            let expected =
                format!("the policy {} is not trusted: others can write it (mode 0666)", path.display());
            assert_eq!(err.to_string(), expected);
            assert_eq!(err.hint().unwrap(), format!("if you trust it, name it: --policy {}", path.display()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(seconds(&Policy::load(&path).unwrap()), 1);
    mode(&path, 0o644);
    mode(&folder.path().join("a"), 0o777);
    assert!(matches!(Policy::discover(&folder.path().join("a/b")), Err(PolicyError::Untrusted { .. })));
    mode(&folder.path().join("a"), 0o755);
    assert_eq!(seconds(&Policy::discover(&folder.path().join("a/b")).unwrap().unwrap()), 1);
}
