//! What a server says that it has: gitprotocol-pack(5), "Reference Discovery".
//!
//! It is read and checked here, and what libgit2 gets to see of it is written anew: known capabilities, and
//! names that references may have.

use std::collections::HashSet;
use std::io::Read;

use git2::{Oid, Reference};

use super::text;

/// References of which a server may tell; large repositories have some hundred thousand.
const MAX_REFERENCES: usize = 2_000_000;
/// Their names and hashes in all.
const MAX_BYTES: usize = 256 << 20;
/// A line with its length, by the protocol.
const MAX_LINE_BYTES: usize = 65520;
/// What libgit2 is told that a server can do.
const CAPABILITIES: [&str; 9] = [
    "multi_ack_detailed",
    "multi_ack",
    "side-band-64k",
    "side-band",
    "thin-pack",
    "ofs-delta",
    "include-tag",
    "delete-refs",
    "report-status",
];

/// The references of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Advertisement {
    pub(super) heads: Vec<Head>,
    /// The branch that its HEAD is, where it says so.
    pub(super) head_target: Option<String>,
    /// Names that no reference here can have.
    pub(super) dropped: Vec<String>,
    capabilities: Vec<&'static str>,
}

/// A reference there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) oid: Oid,
    /// What an annotated tag is of.
    pub(super) peeled: Option<Oid>,
}

/// What is wrong with what a server says.
#[derive(Debug)]
pub(super) enum Unread {
    /// The server says why.
    Refused(String),
    /// It is no advertisement.
    Broken(String),
    /// Reading failed; why is known to who reads.
    Failed,
}

impl Advertisement {
    pub(super) fn find(&self, name: &str) -> Option<&Head> {
        self.heads.iter().find(|head| head.name == name)
    }

    /// Reads it to its end and no further. Over HTTP it begins with the name of the service.
    pub(super) fn read(from: &mut dyn Read, service_line: Option<&str>) -> Result<Self, Unread> {
        let mut lines = Lines { from, bytes: 0 };
        if let Some(expected) = service_line {
            let line = lines.next()?;
            let is_service = line.as_deref().is_some_and(|line| chomp(line) == expected.as_bytes());
            if !is_service || lines.next()?.is_some() {
                return Err(broken("it is no smart HTTP server of git"));
            }
        }
        let mut found = Self::default();
        let mut names = HashSet::new();
        let mut is_first = true;
        while let Some(line) = lines.next()? {
            if let Some(reason) = line.strip_prefix(b"ERR ") {
                return Err(Unread::Refused(text::one_line(reason)));
            }
            if line.starts_with(b"version ") {
                continue;
            }
            if line.starts_with(b"shallow ") {
                return Err(broken("its repository is shallow, which is not supported"));
            }
            let line = chomp(&line);
            let (line, capabilities) = match line.iter().position(|byte| *byte == 0) {
                Some(nul) if is_first => (line.get(..nul), line.get(nul + 1..)),
                _ => (Some(line), None),
            };
            is_first = false;
            found.add_capabilities(&String::from_utf8_lossy(capabilities.unwrap_or_default()))?;
            found.add(line.unwrap_or_default(), &mut names)?;
        }
        Ok(found)
    }

    fn add(&mut self, line: &[u8], names: &mut HashSet<String>) -> Result<(), Unread> {
        const OID_LENGTH: usize = 40;

        let oid = line.get(..OID_LENGTH).and_then(|oid| std::str::from_utf8(oid).ok());
        let oid = oid.and_then(|oid| oid.parse::<Oid>().ok());
        let (Some(oid), Some(b' ')) = (oid, line.get(OID_LENGTH)) else {
            return Err(broken("a line of its references is none"));
        };
        let name = line.get(OID_LENGTH + 1..).unwrap_or_default();
        if name == b"capabilities^{}" && oid.is_zero() {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(name);
        if let Some(of) = shown.strip_suffix("^{}") {
            if let Some(head) = self.heads.last_mut().filter(|head| head.name == of) {
                head.peeled = Some(oid);
            }
            return Ok(());
        }
        let is_valid = std::str::from_utf8(name).is_ok()
            && (shown == "HEAD" || shown.starts_with("refs/"))
            && Reference::is_valid_name(&shown)
            && !oid.is_zero();
        if !is_valid || !names.insert(shown.clone().into_owned()) {
            const SHOWN: usize = 20;
            if self.dropped.len() < SHOWN {
                self.dropped.push(text::one_line(name));
            }
            return Ok(());
        }
        if self.heads.len() >= MAX_REFERENCES {
            return Err(broken(format!("it has more than {MAX_REFERENCES} references")));
        }
        self.heads.push(Head { name: shown.into_owned(), oid, peeled: None });
        Ok(())
    }

    fn add_capabilities(&mut self, said: &str) -> Result<(), Unread> {
        for word in said.split(' ') {
            if let Some(known) = CAPABILITIES.into_iter().find(|known| *known == word) {
                self.capabilities.push(known);
            } else if let Some(format) = word.strip_prefix("object-format=") {
                if format != "sha1" {
                    let format = text::one_line(format.as_bytes());
                    return Err(broken(format!("its objects are named by {format}, which is not supported")));
                }
            } else if let Some(target) = word.strip_prefix("symref=HEAD:") {
                let is_valid = target.starts_with("refs/heads/") && Reference::is_valid_name(target);
                self.head_target = Some(target.to_owned()).filter(|_| is_valid);
            }
        }
        Ok(())
    }

    /// As libgit2 reads it.
    pub(super) fn encode(&self, service_line: Option<&str>) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(service) = service_line {
            put(&mut bytes, format!("{service}\n").as_bytes());
            bytes.extend_from_slice(b"0000");
        }
        let mut capabilities = format!("\0{}", self.capabilities.join(" "));
        if self.heads.is_empty() {
            put(&mut bytes, format!("{} capabilities^{{}}{capabilities}\n", Oid::ZERO_SHA1).as_bytes());
        }
        for head in &self.heads {
            put(&mut bytes, format!("{} {}{capabilities}\n", head.oid, head.name).as_bytes());
            capabilities.clear();
        }
        bytes.extend_from_slice(b"0000");
        bytes
    }
}

struct Lines<'a> {
    from: &'a mut dyn Read,
    bytes: usize,
}

impl Lines<'_> {
    /// None is a flush.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Unread> {
        const PREFIX_BYTES: usize = 4;

        let mut prefix = [0; PREFIX_BYTES];
        self.fill(&mut prefix)?;
        let length = std::str::from_utf8(&prefix).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let length = match length {
            Some(0) => return Ok(None),
            Some(length) if (PREFIX_BYTES..=MAX_LINE_BYTES).contains(&length) => length - PREFIX_BYTES,
            _ => return Err(broken("it is no server of git")),
        };
        self.bytes += length;
        if self.bytes > MAX_BYTES {
            return Err(broken(format!("its references take more than {} MiB", MAX_BYTES >> 20)));
        }
        let mut line = vec![0; length];
        self.fill(&mut line)?;
        Ok(Some(line))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Unread> {
        self.from.read_exact(buffer).map_err(|err| match err.kind() {
            std::io::ErrorKind::UnexpectedEof => broken("it broke off"),
            _ => Unread::Failed,
        })
    }
}

fn broken(reason: impl Into<String>) -> Unread {
    Unread::Broken(reason.into())
}

fn chomp(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

fn put(bytes: &mut Vec<u8>, line: &[u8]) {
    bytes.extend_from_slice(format!("{:04x}", line.len() + 4).as_bytes());
    bytes.extend_from_slice(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";

    fn said(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            put(&mut bytes, line.as_bytes());
        }
        bytes.extend_from_slice(b"0000");
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Advertisement, Unread> {
        Advertisement::read(&mut &*bytes, None)
    }

    #[test]
    fn names_that_no_reference_has_are_left_out() {
        let first = format!("{A} HEAD\0agent=x symref=HEAD:refs/heads/main ofs-delta object-format=sha1\n");
        let mut lines = vec![first];
        for name in [
            "refs/heads/main",
            "refs/heads/../x",
            "refs/heads/a.lock",
            "refs/heads/a b",
            "refs/heads/-ok",
            "main",
            "FETCH_HEAD",
            "refs/heads/main",
            "refs/heads/@{x",
            "refs/heads/\u{fc}",
            "refs/tags/v1",
        ] {
            lines.push(format!("{A} {name}\n"));
        }
        lines.push(format!("{B} refs/tags/v1^{{}}\n"));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = read(&said(&lines)).unwrap();
        let names: Vec<&str> = found.heads.iter().map(|head| &*head.name).collect();
        let kept = ["HEAD", "refs/heads/main", "refs/heads/-ok", "refs/heads/\u{fc}", "refs/tags/v1"];
        assert_eq!(names, kept);
        assert_eq!(found.dropped.len(), 7, "{:?}", found.dropped);
        assert_eq!(found.head_target.as_deref(), Some("refs/heads/main"));
        assert_eq!(found.heads[4].peeled, Some(B.parse().unwrap()));
        let again = read(&found.encode(None)).unwrap();
        assert_eq!(again.capabilities, ["ofs-delta"]);
        assert_eq!(again.heads.len(), 5);
    }

    #[test]
    fn what_is_no_advertisement_is_said() {
        let sha256 = format!("{A} HEAD\0object-format=sha256\n");
        for (bytes, expected) in [
            (b"HTTP".to_vec(), "no server of git"),
            (b"00".to_vec(), "broke off"),
            (b"ffff".to_vec(), "no server of git"),
            (said(&["x"]), "is none"),
            (said(&[&sha256]), "sha256"),
            (said(&[&format!("shallow {A}")]), "shallow"),
        ] {
            let Err(Unread::Broken(reason)) = read(&bytes) else { panic!("{expected}") };
            assert!(reason.contains(expected), "{reason}");
        }
        let Err(Unread::Refused(reason)) = read(&said(&["ERR go \x1b[31maway\n"])) else { panic!() };
        assert_eq!(reason, "go [31maway");
        assert!(read(b"0000").unwrap().heads.is_empty());
    }
}
