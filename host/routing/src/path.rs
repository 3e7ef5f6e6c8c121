//! Guest paths as text: joined and normalised without a look at any file.

/// An absolute path without `.`, `..` and empty components: `relative` seen from `base`. That a `..` after a link
/// leads elsewhere is not known here.
pub fn join(base: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let from_root = relative.starts_with('/');
    let both = base.split('/').filter(|_| !from_root).chain(relative.split('/'));
    for part in both {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut joined = String::new();
    for part in parts {
        joined.push('/');
        joined.push_str(part);
    }
    if joined.is_empty() { "/".to_owned() } else { joined }
}

/// The directory and the last name of a path.
pub fn split(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((directory, name)) => (directory, name),
        None => ("", path),
    }
}

/// The directory that a path is in.
pub fn parent(path: &str) -> &str {
    split(path).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_path_is_normal() {
        assert_eq!(join("/a/b", "../c/./d"), "/a/c/d");
        assert_eq!(join("/a", "/b//c/"), "/b/c");
        assert_eq!(join("/", "../../.."), "/");
    }

    #[test]
    fn a_path_is_split_at_its_last_name() {
        assert_eq!(split("/a/b.py"), ("/a", "b.py"));
        assert_eq!(split("/b.py"), ("/", "b.py"));
    }
}
