//! Files of a directory of this machine, as a caller gives them, with links that lead nowhere and out.

use std::path::{Path, PathBuf};

use sandpiper_routing::{Command, FileKind, Files, Image, analyze};

/// A directory as `/workspace`. A link that leads out of it is not there, as for a guest.
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    pub fn new(root: &Path) -> Self {
        Self { root: root.canonicalize().unwrap() }
    }

    fn host(&self, path: &str) -> Option<PathBuf> {
        let inside = path.strip_prefix("/workspace")?.trim_start_matches('/');
        let host = self.root.join(inside);
        // As a guest's kernel, with no call more than it takes where there is no link.
        if host.symlink_metadata().ok()?.is_symlink() {
            host.canonicalize().ok().filter(|host| host.starts_with(&self.root))
        } else {
            Some(host)
        }
    }
}

impl Files for Folder {
    fn kind(&self, path: &str) -> Option<FileKind> {
        kind_of(&self.host(path)?.metadata().ok()?)
    }

    fn read(&self, path: &str, bytes_max: usize) -> Option<Vec<u8>> {
        use std::io::Read;
        let mut file = std::fs::File::open(self.host(path)?).ok()?;
        let length = usize::try_from(file.metadata().ok()?.len()).ok()?.min(bytes_max);
        let mut content = vec![0; length];
        file.read_exact(&mut content).ok()?;
        Some(content)
    }

    fn list(&self, path: &str, entries_max: usize) -> Option<Vec<(String, FileKind)>> {
        let entries = std::fs::read_dir(self.host(path)?).ok()?.take(entries_max);
        let known = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            let kind = entry.file_type().ok()?;
            let name = entry.file_name().into_string().ok()?;
            if kind.is_symlink() {
                let kind = self.kind(&format!("{path}/{name}"))?;
                return Some((name, kind));
            }
            Some((name, if kind.is_dir() { FileKind::Directory } else { FileKind::File }))
        });
        Some(known.collect())
    }
}

fn kind_of(metadata: &std::fs::Metadata) -> Option<FileKind> {
    match (metadata.is_file(), metadata.is_dir()) {
        (true, _) => Some(FileKind::File),
        (_, true) => Some(FileKind::Directory),
        _ => None,
    }
}

#[test]
fn files_of_a_directory_are_read_as_those_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("app")).unwrap();
    std::fs::write(folder.path().join("app/__init__.py"), "import numpy\n").unwrap();
    let needs =
        analyze(&Command::new(["python3", "-m", "app"]), &Folder::new(folder.path()), &Image::default());
    assert_eq!(needs.needs[0].evidence.to_string(), "/workspace/app/__init__.py:1: import numpy");
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
    std::fs::write(folder.path().join("inside.py"), "import torch\n").unwrap();
    symlink("inside.py", folder.path().join("alias.py")).unwrap();
    let files = Folder::new(folder.path());
    let needs = |line: &str| analyze(&Command::new(["bash", "-c", line]), &files, &Image::default()).needs;
    assert!(needs("python3 a.py; python3 secret.py; python3 -m unittest discover").is_empty());
    assert_eq!(needs("python3 alias.py").len(), 1);
    assert_eq!(needs("python3 again/again/again/inside.py").len(), 1);
}
