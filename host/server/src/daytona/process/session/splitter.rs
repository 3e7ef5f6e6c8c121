//! Finds in a stream of output where a command has ended.

/// Digits of the exit code after a mark.
const DIGITS: usize = 3;

/// One stream of a shell, in pieces as they come.
#[derive(Debug)]
pub(super) struct Splitter {
    mark: Vec<u8>,
    /// What may be the beginning of a mark.
    held: Vec<u8>,
}

/// What is in a piece of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Output of the command that runs.
    pub(super) output: Vec<u8>,
    /// The exit code of the command, and what came after it.
    pub(super) end: Option<(i32, Vec<u8>)>,
}

impl Splitter {
    pub(super) fn new(mark: &str) -> Self {
        Self { mark: mark.as_bytes().to_vec(), held: Vec::new() }
    }

    /// Takes a piece. After an end, what came after it has to be taken again.
    pub(super) fn take(&mut self, piece: &[u8]) -> Found {
        self.held.extend_from_slice(piece);
        if let Some((at, code, after)) = self.find_end() {
            let rest = self.held.split_off(after);
            let mut output = std::mem::take(&mut self.held);
            output.truncate(at);
            return Found { output, end: Some((code, rest)) };
        }
        let kept = self.held.len() - self.undecided();
        let rest = self.held.split_off(kept);
        Found { output: std::mem::replace(&mut self.held, rest), end: None }
    }

    /// What is held back, when the stream has ended.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn find_end(&self) -> Option<(usize, i32, usize)> {
        let length = self.mark.len() + DIGITS;
        self.held.windows(length).enumerate().find_map(|(at, window)| {
            let digits = window.strip_prefix(self.mark.as_slice())?;
            let code = std::str::from_utf8(digits).ok()?.parse().ok()?;
            Some((at, code, at + length))
        })
    }

    /// How many bytes at the end may yet become a mark with its digits.
    fn undecided(&self) -> usize {
        let longest = (self.mark.len() + DIGITS - 1).min(self.held.len());
        (1..=longest)
            .rev()
            .find(|&length| {
                let tail = &self.held[self.held.len() - length..];
                let (of_mark, of_digits) = tail.split_at(length.min(self.mark.len()));
                self.mark.starts_with(of_mark) && of_digits.iter().all(u8::is_ascii_digit)
            })
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARK: &str = "aab";

    #[test]
    fn an_end_is_found_and_what_follows_is_given_back() {
        let mut splitter = Splitter::new(MARK);
        let found = splitter.take(b"no line endaab007next");
        assert_eq!(found, Found { output: b"no line end".to_vec(), end: Some((7, b"next".to_vec())) });
        assert_eq!(splitter.take(b"x"), Found { output: b"x".to_vec(), end: None });
    }

    #[test]
    fn what_only_begins_as_a_mark_comes_out_when_it_is_decided() {
        let mut splitter = Splitter::new(MARK);
        assert_eq!(splitter.take(b"xaab1"), Found { output: b"x".to_vec(), end: None });
        assert_eq!(splitter.take(b"2y"), Found { output: b"aab12y".to_vec(), end: None });
        assert_eq!(splitter.take(b"aa"), Found { output: Vec::new(), end: None });
        assert_eq!(splitter.rest(), b"aa");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            before in "[ab0]{0,12}", code in 0_i32..256, after in "[ab0]{0,12}", cuts in prop::collection::vec(1_usize..5, 0..30),
        ) {
            prop_assume!(!before.contains("aab000"));
            let whole = format!("{before}{MARK}{code:03}{after}");
            let mut splitter = Splitter::new(MARK);
            let (mut output, mut rest, mut ended) = (Vec::new(), whole.as_bytes(), None);
            let mut cuts = cuts.into_iter();
            while ended.is_none() && !rest.is_empty() {
                let (piece, remaining) = rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
                rest = remaining;
                let found = splitter.take(piece);
                output.extend(found.output);
                ended = found.end.map(|(code, after)| (code, [after.as_slice(), rest].concat()));
            }
            prop_assert_eq!(String::from_utf8(output).unwrap(), before);
            prop_assert_eq!(ended, Some((code, after.into_bytes())));
        }
    }
}
