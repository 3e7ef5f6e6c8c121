//! Path names that match a pattern.

use crate::pattern::{Pattern, has_active, unescaped};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::system;

/// How names are compared.
#[derive(Debug, Clone, Copy)]
struct Manner {
    extended: bool,
    dots: bool,
    any_case: bool,
    stars: bool,
    /// A component before this one was a pattern.
    globbed: bool,
}

impl Shell {
    /// Sorted; empty when nothing matches.
    pub(super) fn matching_paths(&mut self, pattern: &[u8]) -> Vec<Bytes> {
        let ignored = self.variable_value(b"GLOBIGNORE").filter(|ignored| !ignored.is_empty());
        let manner = Manner {
            extended: self.shopt.extglob,
            dots: self.shopt.dotglob || ignored.is_some(),
            any_case: self.shopt.nocaseglob,
            stars: self.shopt.globstar,
            globbed: false,
        };
        let components: Vec<&[u8]> = split(pattern);
        let mut found = Vec::new();
        let (start, components) = match components.split_first() {
            Some((first, rest)) if first.is_empty() && !rest.is_empty() => (b"/".to_vec(), rest),
            _ => (Bytes::new(), components.as_slice()),
        };
        walk(start, components, manner, &mut found);
        if let Some(ignored) = ignored {
            let patterns: Vec<Pattern> = ignored
                .split(|&byte| byte == b':')
                .map(|pattern| Pattern::new(pattern, true, false))
                .collect();
            found.retain(|path| {
                let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
                last != b"." && last != b".." && !patterns.iter().any(|pattern| pattern.matches(path))
            });
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// At slashes, but not at those in brackets or parentheses of a pattern, which cannot match one anyway.
fn split(pattern: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while at < pattern.len() {
        match pattern[at] {
            b'\\' => at += 1,
            b'/' => {
                parts.push(&pattern[from..at]);
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&pattern[from.min(pattern.len())..]);
    parts
}

fn walk(base: Bytes, components: &[&[u8]], manner: Manner, found: &mut Vec<Bytes>) {
    let Some((first, rest)) = components.split_first() else {
        found.push(base);
        return;
    };
    if first.is_empty() {
        // A slash at the end, or two of them.
        if rest.is_empty() {
            if system::is_directory(&base) {
                found.push(base);
            }
        } else {
            walk([base.as_slice(), b"/"].concat(), rest, manner, found);
        }
        return;
    }
    if !has_active(first, manner.extended) {
        let path = [base.as_slice(), &unescaped(first)].concat();
        if system::link_metadata(&path).is_some() {
            go_on(path, rest, manner, found);
        }
        return;
    }
    let before = manner;
    let manner = Manner { globbed: true, ..manner };
    if manner.stars && *first == b"**" {
        walk_stars(&base, rest, before, found, 0);
        return;
    }
    let pattern = Pattern::new(first, manner.extended, manner.any_case);
    let explicit_dot = first.first() == Some(&b'.') || first.starts_with(b"\\.");
    for name in system::directory_names(if base.is_empty() { b"." } else { &base }) {
        if name.first() == Some(&b'.') && !explicit_dot && (!manner.dots || name == b"." || name == b"..") {
            continue;
        }
        // bash 5.2 has `globskipdots`: `.*` does not give these two.
        if name == b"." || name == b".." || !pattern.matches(&name) {
            continue;
        }
        go_on([base.as_slice(), &name].concat(), rest, manner, found);
    }
}

fn go_on(path: Bytes, rest: &[&[u8]], manner: Manner, found: &mut Vec<Bytes>) {
    if rest.is_empty() {
        found.push(path);
    } else if system::is_directory(&path) {
        walk([path.as_slice(), b"/"].concat(), rest, manner, found);
    }
}

/// `**`: all directories below, and, as the last component, all files too.
fn walk_stars(base: &[u8], rest: &[&[u8]], manner: Manner, found: &mut Vec<Bytes>, depth: u32) {
    if depth > 100 {
        return;
    }
    let last = rest.is_empty();
    if last {
        if !base.is_empty() && depth == 0 {
            let shown = if manner.globbed { base.strip_suffix(b"/").unwrap_or(base) } else { base };
            found.push(shown.to_vec());
        }
    } else if rest == [b"".as_slice()] {
        if !base.is_empty() {
            found.push(base.to_vec());
        }
    } else {
        walk(base.to_vec(), rest, Manner { globbed: true, ..manner }, found);
    }
    for name in system::directory_names(if base.is_empty() { b"." } else { base }) {
        if name == b"." || name == b".." || (name.first() == Some(&b'.') && !manner.dots) {
            continue;
        }
        let path = [base, &name].concat();
        let kind = system::link_metadata(&path);
        if last {
            found.push(path.clone());
        }
        // Links are not followed.
        if kind.is_some_and(|kind| kind.is_directory()) {
            walk_stars(&[path.as_slice(), b"/"].concat(), rest, manner, found, depth + 1);
        }
    }
}
