//! Paths of the guest as those of this machine, and back.

use std::path::{Path, PathBuf};

use super::room::Room;

/// The directories that guests have.
const OWN: [&str; 2] = ["/tmp", "/home/user"];

/// Where a path of the guest is.
pub fn outer(room: &Room, path: &str) -> PathBuf {
    room.root.join(path.trim_start_matches('/'))
}

/// A text with the paths of the guest rewritten.
pub fn rewritten(room: &Room, text: &str) -> String {
    let root = room.root.to_string_lossy();
    let mut rest = text;
    let mut made = String::new();
    while let Some(at) = OWN.iter().filter_map(|own| rest.find(own)).min() {
        let (before, after) = rest.split_at(at);
        made.push_str(before);
        made.push_str(&root);
        made.push('/');
        rest = &after[1..];
    }
    made.push_str(rest);
    made
}

/// Bytes with this machine's paths as those of the guest, as far as they are whole; the rest stays.
pub fn inner(root: &Path, waiting: &mut Vec<u8>, end: bool) -> Vec<u8> {
    let root = root.as_os_str().as_encoded_bytes();
    let mut made = Vec::new();
    let mut at = 0;
    while at < waiting.len() {
        let rest = &waiting[at..];
        if rest.starts_with(root) && (end || rest.len() > root.len()) {
            at += root.len();
            if waiting.get(at) != Some(&b'/') {
                made.push(b'/');
            }
        } else if !end && root.starts_with(rest) {
            break;
        } else {
            made.push(rest[0]);
            at += 1;
        }
    }
    waiting.drain(..at);
    made
}
