//! Random edits of the files below a directory.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Numbers that are the same in every run (xorshift64*).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'t, T: ?Sized>(&mut self, list: &[&'t T]) -> &'t T {
        list[self.below(list.len())]
    }
}

fn name(random: &mut Random) -> PathBuf {
    let odd: &[&[u8]] = &[
        b"a",
        b"b.txt",
        b"main.rs",
        b"lib.rs",
        b"with space",
        b"q\"uote",
        b"\xc3\xa4\xc3\xb6.txt",
        b"\xff\xfe.bin",
        b"tab\there",
        b"x.o",
        b"Makefile",
        b"-dash",
        b"back\\slash",
        b"new\nline",
        b"mod.rs",
        b"z-last",
        b"a.b",
        b"ignored.log",
    ];
    let mut path = PathBuf::new();
    for _ in 0..random.below(3) {
        path.push(random.pick(&["src", "dir one", "deep", "a-b", "t"]));
    }
    let base = random.pick(odd);
    path.push(std::ffi::OsStr::from_bytes(base));
    if random.chance(30) {
        let number = random.below(5);
        path.set_extension(format!("v{number}"));
    }
    path
}

fn content(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => Vec::new(),
        1 => b"no newline at end".to_vec(),
        2 => (0..random.below(300)).map(|_| u8::try_from(random.below(256)).unwrap()).collect(),
        3 => b"\0binary\0".repeat(1 + random.below(20)),
        _ => {
            let end = if random.chance(10) { "\r\n" } else { "\n" };
            let most = if random.chance(20) { 300 } else { 30 };
            let lines = 1 + random.below(most);
            let mut text: String = (0..lines).map(|_| line(random) + end).collect();
            if random.chance(15) {
                text.truncate(text.len() - 1);
            }
            text.into_bytes()
        }
    }
}

fn line(random: &mut Random) -> String {
    match random.below(8) {
        0 => format!("fn function_{}(argument: usize) {{", random.below(20)),
        1 => String::new(),
        2 => "}".to_owned(),
        3 => format!("    let value = {}; // {}", random.below(1000), "x".repeat(random.below(90))),
        4 => format!("\tindented {}", random.below(10)),
        _ => format!("    line number {}", random.below(40)),
    }
}

fn edited(random: &mut Random, old: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = old.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..=random.below(4) {
        let at = random.below(lines.len() + 1);
        let new = (line(random) + "\n").into_bytes();
        match random.below(3) {
            0 => lines.insert(at, new),
            1 if at < lines.len() => {
                lines.remove(at);
            }
            _ if at < lines.len() => lines[at] = new,
            _ => lines.push(new),
        }
    }
    lines.concat()
}

pub fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name() == ".git" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

fn put(path: &Path, content: &[u8]) {
    if path.parent().is_none_or(|parent| std::fs::create_dir_all(parent).is_err()) {
        return;
    }
    if path.is_symlink() {
        std::fs::remove_file(path).unwrap();
    }
    // Where a directory is in the way, nothing is written.
    let _ = std::fs::write(path, content);
}

pub fn edit(root: &Path, random: &mut Random) {
    let mut there = Vec::new();
    files(root, &mut there);
    let chosen = if there.is_empty() { None } else { Some(there[random.below(there.len())].clone()) };
    match (random.below(10), chosen) {
        (0..=2, Some(path)) if path.is_file() && !path.is_symlink() => {
            let old = std::fs::read(&path).unwrap();
            put(&path, &edited(random, &old));
        }
        (3, Some(path)) => std::fs::remove_file(path).unwrap(),
        (4, Some(path)) if !path.is_symlink() => {
            let mode = if random.chance(50) { 0o755 } else { 0o644 };
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        (5 | 6, Some(path)) => {
            let to = root.join(name(random));
            if to.symlink_metadata().is_err() && std::fs::create_dir_all(to.parent().unwrap()).is_ok() {
                std::fs::rename(&path, &to).unwrap();
                if random.chance(60) && to.is_file() && !to.is_symlink() {
                    let old = std::fs::read(&to).unwrap();
                    put(&to, &edited(random, &old));
                }
            }
        }
        (7, _) => {
            let path = root.join(name(random));
            if path.symlink_metadata().is_err() && std::fs::create_dir_all(path.parent().unwrap()).is_ok() {
                let target = random.pick(&["a", "/nowhere", "src/main.rs", "dir one"]);
                std::os::unix::fs::symlink(target, path).unwrap();
            }
        }
        (8, Some(path)) if path.is_symlink() || path.is_file() => {
            std::fs::remove_file(&path).unwrap();
            put(&path, &content(random));
        }
        _ => put(&root.join(name(random)), &content(random)),
    }
}
