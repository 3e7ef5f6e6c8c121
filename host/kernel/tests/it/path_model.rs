//! Random trees and random paths, walked by the kernel and by a model that knows no descriptors.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sandpiper_kernel::{Errno, Fault};

use crate::guest::*;

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Directory,
    File,
    Link(String),
}

type Tree = BTreeMap<Vec<String>, Node>;

/// What a path is by the model: its place in the tree, or the error.
fn model(tree: &Tree, start: &[String], path: &str, follow: bool) -> Result<Vec<String>, Errno> {
    let mut links = 0;
    walk(tree, start, path, follow, &mut links)
}

fn walk(
    tree: &Tree,
    start: &[String],
    path: &str,
    follow: bool,
    links: &mut u32,
) -> Result<Vec<String>, Errno> {
    let mut at = if path.starts_with('/') { Vec::new() } else { start.to_vec() };
    let components: Vec<_> = path.split('/').filter(|component| !component.is_empty()).collect();
    let wants_directory = path.ends_with('/');
    for (index, component) in components.iter().enumerate() {
        if tree.get(&at) != Some(&Node::Directory) {
            return Err(Errno::NOTDIR);
        }
        let last = index + 1 == components.len();
        match *component {
            "." => {}
            ".." => {
                at.pop();
            }
            name => {
                let mut next = at.clone();
                next.push(name.to_owned());
                match tree.get(&next) {
                    None => return Err(Errno::NOENT),
                    Some(Node::Link(target)) if !last || follow || wants_directory => {
                        *links += 1;
                        if *links > 40 {
                            return Err(Errno::LOOP);
                        }
                        at = walk(tree, &at, target, true, links)?;
                    }
                    Some(_) => at = next,
                }
            }
        }
    }
    if wants_directory && tree.get(&at) != Some(&Node::Directory) {
        return Err(Errno::NOTDIR);
    }
    Ok(at)
}

fn path() -> impl Strategy<Value = String> {
    let component = prop_oneof![
        4 => Just("a"), 4 => Just("b"), 3 => Just("c"), 3 => Just(".."), 1 => Just("."), 1 => Just(""), 1 => Just("workspace"),
        1 => Just("tmp"),
    ];
    (proptest::collection::vec(component, 1..7), proptest::bool::weighted(0.2)).prop_map(
        |(parts, absolute)| {
            let path = parts.join("/");
            match path.as_str() {
                "" => ".".to_owned(),
                _ if absolute => format!("/{path}"),
                _ => path,
            }
        },
    )
}

#[derive(Clone, Debug)]
enum Make {
    Directory(String),
    File(String),
    Link(String, String),
}

fn make() -> impl Strategy<Value = Make> {
    prop_oneof![
        3 => path().prop_map(Make::Directory),
        2 => path().prop_map(Make::File),
        3 => (path(), path()).prop_map(|(target, at)| Make::Link(target, at)),
    ]
}

/// The place of a new name by the model, if it can be made there.
fn new_place(tree: &Tree, base: &[String], path: &str) -> Option<Vec<String>> {
    let path = path.trim_end_matches('/');
    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
    if matches!(name, "" | "." | "..") {
        return None;
    }
    let parent = if parent.is_empty() { "/" } else { parent };
    let mut at = model(tree, base, parent, true).ok()?;
    at.push(name.to_owned());
    let inside = at.len() > 1 && (at[0] == "workspace" || at[0] == "tmp");
    let parent_is_directory = tree.get(&at[..at.len() - 1]) == Some(&Node::Directory);
    (inside && parent_is_directory && !tree.contains_key(&at)).then_some(at)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_path_leads_where_the_model_says(
        makes in proptest::collection::vec(make(), 0..16),
        queries in proptest::collection::vec((path(), any::<bool>()), 1..30),
        in_memory in any::<bool>(),
    ) {
        let (host, mut guest) = workspace();
        let base = vec![if in_memory { "tmp" } else { "workspace" }.to_owned()];
        let mut tree: Tree = BTreeMap::new();
        tree.insert(Vec::new(), Node::Directory);
        tree.insert(vec!["workspace".to_owned()], Node::Directory);
        tree.insert(vec!["tmp".to_owned()], Node::Directory);
        let fd = guest.open(&format!("/{}", base[0]), DIRECTORY, RDONLY).unwrap();
        for make in makes {
            let (path, node) = match &make {
                Make::Directory(path) => (path, Node::Directory),
                Make::File(path) => (path, Node::File),
                Make::Link(target, path) => (path, Node::Link(target.clone())),
            };
            let Some(at) = new_place(&tree, &base, path) else { continue };
            // Made beside the kernel where it is the host's: the kernel only has to walk it.
            let below: std::path::PathBuf = at[1..].iter().collect();
            let made = host.path().join(below);
            let full = format!("/{}", at.join("/"));
            match (&node, at[0].as_str()) {
                (Node::Directory, "workspace") => std::fs::create_dir(made).unwrap(),
                (Node::File, "workspace") => std::fs::write(made, "").unwrap(),
                #[cfg(unix)]
                (Node::Link(target), "workspace") => std::os::unix::fs::symlink(target, made).unwrap(),
                #[cfg(not(unix))]
                (Node::Link(_), "workspace") => continue,
                (Node::Directory, _) => guest.mkdir(&full).unwrap(),
                (Node::File, _) => guest.create(&full, b"").unwrap(),
                (Node::Link(target), _) => guest.symlink(target, &full).unwrap(),
            }
            tree.insert(at, node);
        }
        for (query, follow) in queries {
            let expected = model(&tree, &base, &query, follow);
            let found = guest.stat_at(fd, &query, u32::from(follow));
            match expected {
                Err(errno) => prop_assert_eq!(found.map(|_| ()), Err(Fault::Errno(errno)), "{} in {:?}", query, tree),
                Ok(at) => {
                    // The same file, named by its plain path.
                    let plain = guest.lstat(&format!("/{}", at.join("/"))).unwrap();
                    prop_assert_eq!(found, Ok(plain), "{} in {:?}", query, tree);
                    let kind = match &tree[&at] {
                        Node::Directory => KIND_DIRECTORY,
                        Node::File => KIND_FILE,
                        Node::Link(_) => KIND_SYMLINK,
                    };
                    prop_assert_eq!(plain.kind, kind);
                }
            }
        }
    }
}
