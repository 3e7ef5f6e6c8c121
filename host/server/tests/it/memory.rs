//! Files in memory, as far as a test needs them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sandpiper_core::{
    BoxFuture, DirectoryEntry, Edit, FileError, FileErrorKind, FileStat, FileType, Files, FindQuery,
    FoundFile, FoundLine, Results, SearchQuery,
};

/// A tree by paths: a file has its content, a symlink its target.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles(Arc<Mutex<Tree>>);

#[derive(Debug, Default)]
struct Tree {
    nodes: BTreeMap<String, Node>,
    /// Each change has a later time.
    changes: u64,
}

#[derive(Clone, Debug)]
struct Node {
    kind: FileType,
    content: Bytes,
    mode: u16,
    modified_ns: u64,
}

impl Node {
    fn stat(&self) -> FileStat {
        let size = self.content.len() as u64;
        FileStat { kind: self.kind, size, mode: self.mode, modified_ns: self.modified_ns }
    }
}

impl Tree {
    fn put(&mut self, path: &str, kind: FileType, content: Bytes) {
        self.changes += 1;
        let mode = if kind == FileType::Directory { 0o755 } else { 0o644 };
        let modified_ns = 1_700_000_000_000_000_000 + self.changes;
        self.nodes.insert(path.to_owned(), Node { kind, content, mode, modified_ns });
    }

    fn find(&self, operation: &'static str, path: &str) -> Result<Node, FileError> {
        if path == "/" {
            let (content, mode, modified_ns) = (Bytes::new(), 0o755, 0);
            return Ok(Node { kind: FileType::Directory, content, mode, modified_ns });
        }
        self.nodes.get(path).cloned().ok_or_else(|| error(operation, path, FileErrorKind::NotFound))
    }

    fn make_directory(&mut self, path: &str) -> Result<(), FileError> {
        for (end, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
            match self.nodes.get(&path[..end]) {
                None if end > 0 && path != "/" => self.put(&path[..end], FileType::Directory, Bytes::new()),
                Some(node) if node.kind != FileType::Directory => {
                    return Err(error("make", path, FileErrorKind::NotADirectory));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn below<'a>(&'a self, directory: &str) -> impl Iterator<Item = (&'a String, &'a Node)> + use<'a> {
        let prefix = format!("{}/", directory.trim_end_matches('/'));
        self.nodes.iter().filter(move |(path, _)| path.starts_with(&prefix))
    }
}

fn error(operation: &'static str, path: &str, kind: FileErrorKind) -> FileError {
    FileError { operation, path: path.to_owned(), kind }
}

impl MemoryFiles {
    pub fn symlink(&self, path: &str, target: &str) {
        self.0.lock().unwrap().put(path, FileType::Symlink, Bytes::copy_from_slice(target.as_bytes()));
    }

    fn now<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tree) -> Result<T, FileError>,
    ) -> BoxFuture<'static, Result<T, FileError>> {
        Box::pin(std::future::ready(work(&mut self.0.lock().unwrap())))
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str, limit: u64) -> BoxFuture<'static, Result<Bytes, FileError>> {
        self.now(|tree| match tree.find("read", path)? {
            Node { kind: FileType::Directory, .. } => Err(error("read", path, FileErrorKind::IsADirectory)),
            Node { content, .. } if content.len() as u64 > limit => {
                Err(error("read", path, FileErrorKind::TooLarge { size: content.len() as u64, limit }))
            }
            Node { content, .. } => Ok(content),
        })
    }

    fn write(&self, path: &str, content: Bytes) -> BoxFuture<'static, Result<(), FileError>> {
        self.now(|tree| {
            if path == "/full/file" {
                return Err(error("write", path, FileErrorKind::Quota));
            }
            if tree.find("write", path).is_ok_and(|node| node.kind == FileType::Directory) {
                return Err(error("write", path, FileErrorKind::IsADirectory));
            }
            tree.put(path, FileType::File, content);
            Ok(())
        })
    }

    fn edit(&self, path: &str, edits: Vec<Edit>) -> BoxFuture<'static, Result<u64, FileError>> {
        self.now(|tree| {
            let mut text = String::from_utf8(tree.find("edit", path)?.content.to_vec()).unwrap();
            for Edit { old, new, .. } in edits {
                if !text.contains(&old) {
                    return Err(error("edit", path, FileErrorKind::NoMatch(old)));
                }
                text = text.replace(&old, &new);
            }
            tree.put(path, FileType::File, text.into());
            Ok(1)
        })
    }

    fn stat(&self, path: &str) -> BoxFuture<'static, Result<FileStat, FileError>> {
        self.now(|tree| Ok(tree.find("stat", path)?.stat()))
    }

    fn read_link(&self, path: &str) -> BoxFuture<'static, Result<String, FileError>> {
        self.now(|tree| match tree.find("read", path)? {
            Node { kind: FileType::Symlink, content, .. } => Ok(String::from_utf8(content.to_vec()).unwrap()),
            _ => Err(error("read", path, FileErrorKind::NotASymlink)),
        })
    }

    fn set_mode(&self, path: &str, mode: u16) -> BoxFuture<'static, Result<(), FileError>> {
        self.now(|tree| {
            let node = tree.nodes.get_mut(path);
            node.ok_or_else(|| error("chmod", path, FileErrorKind::NotFound))?.mode = mode;
            Ok(())
        })
    }

    fn list(&self, path: &str) -> BoxFuture<'static, Result<Vec<DirectoryEntry>, FileError>> {
        self.now(|tree| {
            if tree.find("list", path)?.kind != FileType::Directory {
                return Err(error("list", path, FileErrorKind::NotADirectory));
            }
            let start = path.trim_end_matches('/').len() + 1;
            let entries = tree.below(path).filter(|(below, _)| !below[start..].contains('/'));
            Ok(entries
                .map(|(below, node)| DirectoryEntry { name: below[start..].to_owned(), stat: node.stat() })
                .collect())
        })
    }

    fn make_directory(&self, path: &str) -> BoxFuture<'static, Result<(), FileError>> {
        self.now(|tree| tree.make_directory(path))
    }

    fn remove(&self, path: &str, all: bool) -> BoxFuture<'static, Result<(), FileError>> {
        self.now(|tree| {
            tree.find("remove", path)?;
            let below: Vec<String> = tree.below(path).map(|(below, _)| below.clone()).collect();
            if !all && !below.is_empty() {
                return Err(error("remove", path, FileErrorKind::NotEmpty));
            }
            tree.nodes.retain(|node, _| node != path && !below.contains(node));
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, Result<(), FileError>> {
        self.now(|tree| {
            tree.find("rename", from)?;
            let moved: Vec<String> = tree
                .nodes
                .keys()
                .filter(|path| *path == from || path.starts_with(&format!("{from}/")))
                .cloned()
                .collect();
            for path in moved {
                let node = tree.nodes.remove(&path).unwrap();
                tree.nodes.insert(format!("{to}{}", &path[from.len()..]), node);
            }
            Ok(())
        })
    }

    fn find(&self, query: FindQuery) -> BoxFuture<'static, Result<Results<FoundFile>, FileError>> {
        self.now(|tree| {
            tree.find("find", &query.directory)?;
            let found = tree.below(&query.directory);
            let found =
                found.map(|(path, node)| FoundFile { path: path.clone(), stat: node.stat() }).collect();
            Ok(Results { found, complete: true })
        })
    }

    fn search(&self, query: SearchQuery) -> BoxFuture<'static, Result<Results<FoundLine>, FileError>> {
        self.now(|_| Err(error("search", &query.directory, FileErrorKind::Other("ENOSYS"))))
    }
}
