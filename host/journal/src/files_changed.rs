//! Which files a run has changed, all its changes taken together.

use std::collections::BTreeMap;

use crate::error::At;
use crate::{Change, Digest, FileChange, Found, Journal, JournalError, PathBytes, Record, RunId};

/// Which files a run has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesChanged {
    /// The files, by path.
    pub files: Vec<NetChange>,
    /// Whether these are all: no record is missing or damaged. A run without an end may have changed more
    /// than it wrote down, by the one change that it was about to write.
    pub is_complete: bool,
}

/// What a run has made of a file, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetChange {
    /// Where it is.
    pub path: PathBytes,
    /// What happened: [`Change::Moved`] is told as a file removed and one created.
    pub change: Change,
    /// The content before; none where there was none or it is not known.
    pub before: Option<Digest>,
    /// The content after; none where there is none or it is not known.
    pub after: Option<Digest>,
}

impl Journal {
    /// Which files a run has changed, out of its records. What was made and removed again, and what has its
    /// old content again, is not among them.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn files_changed(&self, run: &RunId) -> Result<FilesChanged, JournalError> {
        let path = self.layout().run(run);
        let mut net = Net::default();
        let mut is_complete = true;
        for found in self.read(run)? {
            let Found::Record(entry) = found.at("read", &path)? else {
                is_complete = false;
                continue;
            };
            if !matches!(entry.kind(), "file-changed" | "changes-not-made" | "truncated") {
                continue;
            }
            match entry.record() {
                Some(Record::FileChanged(change)) => net.take(&change),
                Some(Record::ChangesNotMade { .. }) => net = Net::default(),
                Some(Record::Truncated { not_written }) => {
                    is_complete &= !not_written.contains_key("file-changed");
                }
                _ => is_complete = false,
            }
        }
        Ok(FilesChanged { files: net.changes(), is_complete })
    }
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Nothing,
    /// A file with this content, or one whose content is not known, or a directory.
    Something(Option<Digest>),
}

/// What was and is at each path that was touched.
#[derive(Debug, Default)]
struct Net {
    paths: BTreeMap<PathBytes, Touched>,
}

#[derive(Debug)]
struct Touched {
    first: Content,
    last: Content,
    has_other_attributes: bool,
}

impl Net {
    fn take(&mut self, change: &FileChange) {
        use Content::{Nothing, Something};

        let FileChange { path, change: kind, moved_from, before, after } = change;
        let (first, last) = match kind {
            Change::Created => (Nothing, Something(*after)),
            Change::Modified => (Something(*before), Something(*after)),
            Change::Removed => (Something(*before), Nothing),
            Change::Moved => (before.map_or(Nothing, |before| Something(Some(before))), Something(*after)),
            Change::Attributes => (Something(*before), Something(after.or(*before))),
        };
        if let Some(from) = moved_from {
            self.touch(from, Something(*after), Nothing);
        }
        self.touch(path, first, last).has_other_attributes |= *kind == Change::Attributes;
    }

    fn touch(&mut self, path: &PathBytes, first: Content, last: Content) -> &mut Touched {
        let touched =
            self.paths.entry(path.clone()).or_insert(Touched { first, last, has_other_attributes: false });
        touched.last = last;
        touched
    }

    fn changes(self) -> Vec<NetChange> {
        use Content::{Nothing, Something};

        self.paths
            .into_iter()
            .filter_map(|(path, touched)| {
                let (change, before, after) = match (touched.first, touched.last) {
                    (Nothing, Nothing) => return None,
                    (Nothing, Something(after)) => (Change::Created, None, after),
                    (Something(before), Nothing) => (Change::Removed, before, None),
                    (Something(before), Something(after)) => {
                        let change = if before.is_none() || before != after {
                            Change::Modified
                        } else if touched.has_other_attributes {
                            Change::Attributes
                        } else {
                            return None;
                        };
                        (change, before, after)
                    }
                };
                Some(NetChange { path, change, before, after })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: Change, path: &str, before: Option<&str>, after: Option<&str>) -> FileChange {
        let digest = |text: Option<&str>| text.map(|text| Digest::of(text.as_bytes()));
        FileChange {
            path: path.into(),
            change: kind,
            moved_from: None,
            before: digest(before),
            after: digest(after),
        }
    }

    fn net(changes: &[FileChange]) -> Vec<(String, Change)> {
        let mut net = Net::default();
        for change in changes {
            net.take(change);
        }
        net.changes().into_iter().map(|net| (net.path.to_string(), net.change)).collect()
    }

    #[test]
    fn changes_add_up() {
        let created = change(Change::Created, "a", None, Some("1"));
        let modified = change(Change::Modified, "a", Some("1"), Some("2"));
        let removed = change(Change::Removed, "a", Some("2"), None);
        assert_eq!(net(&[created.clone(), modified.clone()]), [("a".to_owned(), Change::Created)]);
        assert_eq!(net(&[created, modified.clone(), removed.clone()]), []);
        assert_eq!(net(&[modified, removed.clone()]), [("a".to_owned(), Change::Removed)]);
        let again = change(Change::Created, "a", None, Some("3"));
        assert_eq!(net(&[removed.clone(), again]), [("a".to_owned(), Change::Modified)]);
        let back = change(Change::Created, "a", None, Some("2"));
        assert_eq!(net(&[removed, back]), []);
    }

    #[test]
    fn a_move_is_a_file_less_and_a_file_more() {
        let mut moved = change(Change::Moved, "b", None, Some("1"));
        moved.moved_from = Some("a".into());
        assert_eq!(
            net(&[moved.clone()]),
            [("a".to_owned(), Change::Removed), ("b".to_owned(), Change::Created)]
        );
        let mut back = change(Change::Moved, "a", None, Some("1"));
        back.moved_from = Some("b".into());
        assert_eq!(net(&[moved, back]), []);
    }

    #[test]
    fn what_is_not_known_to_be_the_same_counts_as_changed() {
        let unknown = change(Change::Modified, "a", None, None);
        assert_eq!(net(&[unknown]), [("a".to_owned(), Change::Modified)]);
        let attributes = change(Change::Attributes, "a", Some("1"), Some("1"));
        assert_eq!(net(&[attributes]), [("a".to_owned(), Change::Attributes)]);
    }
}
