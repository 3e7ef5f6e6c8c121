//! Patches as text: unified and normal diffs, and which files they are for.

/// What a line of a hunk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Same,
    Old,
    New,
}

/// Lines that take the place of others. Lines have their newline, unless the file ends without one.
#[derive(Debug, Clone, Default)]
pub struct Hunk {
    pub old: usize,
    pub new: usize,
    pub lines: Vec<(Sign, Vec<u8>)>,
    /// What is behind the second `@@`.
    pub title: Vec<u8>,
}

impl Hunk {
    pub fn side(&self, without: Sign) -> Vec<&[u8]> {
        self.lines.iter().filter(|(sign, _)| *sign != without).map(|(_, line)| line.as_slice()).collect()
    }

    pub fn reverse(&mut self) {
        std::mem::swap(&mut self.old, &mut self.new);
        for (sign, _) in &mut self.lines {
            *sign = match sign {
                Sign::Same => Sign::Same,
                Sign::Old => Sign::New,
                Sign::New => Sign::Old,
            };
        }
        // Within a change, what goes comes before what comes.
        for group in self.lines.chunk_by_mut(|a, b| (a.0 == Sign::Same) == (b.0 == Sign::Same)) {
            group.sort_by_key(|(sign, _)| *sign == Sign::New);
        }
    }
}

/// A file as the header of a patch names it.
#[derive(Debug, Clone, Default)]
pub struct Named {
    pub name: Vec<u8>,
    /// The whole header line behind the sign.
    pub header: Vec<u8>,
}

impl Named {
    /// The header says that there is no such file.
    pub fn absent(&self) -> bool {
        let stamp = self.header.get(self.name.len()..).unwrap_or_default().trim_ascii();
        self.name == b"/dev/null" || stamp.starts_with(b"1970-01-01 00:00:00") && stamp.ends_with(b"+0000")
    }
}

/// The patch of one file.
#[derive(Debug, Default)]
pub struct Patch {
    /// Where it begins in the input, and where its hunks do, from 0.
    pub start: usize,
    pub at: usize,
    pub old: Option<Named>,
    pub new: Option<Named>,
    pub index: Option<Vec<u8>>,
    pub normal: bool,
    /// The mode that git says a new file has.
    pub mode: Option<u32>,
    pub hunks: Vec<Hunk>,
    reversed: bool,
}

impl Patch {
    pub fn reverse(&mut self) {
        self.hunks.iter_mut().for_each(Hunk::reverse);
        self.reversed = !self.reversed;
    }

    /// Whether it makes a file, and whether it removes one: 1 when that could as well be empty, 2 when it is not there.
    pub fn says(&self) -> (u8, u8) {
        let Some(hunk) = self.hunks.first() else { return (0, 0) };
        let absent = |named: &Option<Named>| u8::from(named.as_ref().is_some_and(Named::absent));
        let (before, behind) = if self.reversed { (&self.new, &self.old) } else { (&self.old, &self.new) };
        let nothing = |line: usize, without: Sign| line == 1 && hunk.side(without).is_empty();
        (
            if nothing(hunk.old, Sign::New) { 1 + absent(before) } else { 0 },
            if nothing(hunk.new, Sign::Old) { 1 + absent(behind) } else { 0 },
        )
    }
}

/// The next patch of the input from a line on; none when there is no more.
///
/// # Errors
///
/// With a message, for a patch that is cut or of a kind that is not known here.
pub fn next(lines: &[&[u8]], from: &mut usize) -> Result<Option<Patch>, String> {
    let mut patch = Patch { start: *from, ..Patch::default() };
    let mut at = *from;
    while let Some(line) = lines.get(at) {
        let following = lines.get(at + 1).copied().unwrap_or_default();
        if let Some(name) = line.strip_prefix(b"Index:") {
            patch.index = Some(name.trim_ascii().to_vec());
        } else if let Some(mode) = line.strip_prefix(b"new file mode ") {
            patch.mode = std::str::from_utf8(mode.trim_ascii())
                .ok()
                .and_then(|mode| u32::from_str_radix(mode, 8).ok());
        } else if line.starts_with(b"rename from ")
            || line.starts_with(b"copy from ")
            || line.starts_with(b"GIT binary patch")
        {
            return Err(format!(
                "patches that rename, copy or are binary are not supported: line {}",
                at + 1
            ));
        } else if line.starts_with(b"*** ") && following.starts_with(b"--- ") {
            return Err(format!("context diffs are not supported: line {}", at + 1));
        } else if let (Some(old), Some(new)) = (line.strip_prefix(b"--- "), following.strip_prefix(b"+++ ")) {
            (patch.old, patch.new) = (Some(named(old)), Some(named(new)));
            if lines.get(at + 2).is_some_and(|line| line.starts_with(b"@@ -")) {
                at += 2;
                patch.at = at;
                unified(lines, &mut at, &mut patch)?;
                *from = at;
                return Ok(Some(patch));
            }
        } else if patch.old.is_none()
            && command(line).is_some()
            && (following.starts_with(b"< ") || following.starts_with(b"> "))
        {
            patch.normal = true;
            patch.at = at;
            normal(lines, &mut at, &mut patch)?;
            *from = at;
            return Ok(Some(patch));
        }
        at += 1;
    }
    Ok(None)
}

fn named(header: &[u8]) -> Named {
    let header = header.strip_suffix(b"\n").unwrap_or(header);
    let header = header.strip_suffix(b"\r").unwrap_or(header);
    if let Some(rest) = header.strip_prefix(b"\"") {
        let mut name = Vec::new();
        let mut bytes = rest.iter();
        while let Some(&byte) = bytes.next() {
            match byte {
                b'"' => break,
                b'\\' => name.extend(bytes.next().map(|&byte| match byte {
                    b'n' => b'\n',
                    b't' => b'\t',
                    other => other,
                })),
                _ => name.push(byte),
            }
        }
        return Named { name, header: header.to_vec() };
    }
    let end = header.iter().position(|&byte| byte == b'\t').unwrap_or(header.len());
    let name = header.get(..end).unwrap_or_default().trim_ascii_end();
    Named { name: name.to_vec(), header: header.to_vec() }
}

fn malformed(lines: &[&[u8]], at: usize) -> String {
    match lines.get(at) {
        Some(line) => {
            let line = String::from_utf8_lossy(line);
            format!("malformed patch at line {}: {}\n", at + 1, line.trim_end_matches('\n'))
        }
        None => "unexpected end of file in patch".to_owned(),
    }
}

/// A number and what is behind it.
fn digits(text: &[u8]) -> Option<(usize, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(count);
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

/// `12,3` as a start and a count.
fn span(text: &[u8]) -> Option<(usize, usize, &[u8])> {
    let (start, rest) = digits(text)?;
    match rest.strip_prefix(b",") {
        Some(rest) => digits(rest).map(|(count, rest)| (start, count, rest)),
        None => Some((start, 1, rest)),
    }
}

fn unified(lines: &[&[u8]], at: &mut usize, patch: &mut Patch) -> Result<(), String> {
    while let Some(rest) = lines.get(*at).and_then(|line| line.strip_prefix(b"@@ -")) {
        let wrong = || malformed(lines, *at);
        let (old, mut old_left, rest) = span(rest).ok_or_else(wrong)?;
        let rest = rest.strip_prefix(b" +").ok_or_else(wrong)?;
        let (new, mut new_left, rest) = span(rest).ok_or_else(wrong)?;
        let title = rest.strip_prefix(b" @@").ok_or_else(wrong)?;
        let title = title.strip_suffix(b"\n").unwrap_or(title).to_vec();
        let mut hunk = Hunk {
            old: old + usize::from(old_left == 0),
            new: new + usize::from(new_left == 0),
            lines: Vec::new(),
            title,
        };
        *at += 1;
        while old_left + new_left > 0 {
            let line = lines.get(*at).copied().ok_or_else(|| malformed(lines, *at))?;
            let (sign, text) = match line.split_first() {
                Some((b' ', text)) => (Sign::Same, text),
                Some((b'\n', _)) => (Sign::Same, line),
                Some((b'\t', _)) => (Sign::Same, line),
                Some((b'-', text)) => (Sign::Old, text),
                Some((b'+', text)) => (Sign::New, text),
                Some((b'\\', _)) => {
                    ends_without_newline(&mut hunk);
                    *at += 1;
                    continue;
                }
                _ => return Err(malformed(lines, *at)),
            };
            let (from_old, from_new) = (usize::from(sign != Sign::New), usize::from(sign != Sign::Old));
            if from_old > old_left || from_new > new_left {
                return Err(malformed(lines, *at));
            }
            (old_left, new_left) = (old_left - from_old, new_left - from_new);
            hunk.lines.push((sign, text.to_vec()));
            *at += 1;
        }
        if lines.get(*at).is_some_and(|line| line.starts_with(b"\\")) {
            ends_without_newline(&mut hunk);
            *at += 1;
        }
        patch.hunks.push(hunk);
    }
    Ok(())
}

fn ends_without_newline(hunk: &mut Hunk) {
    if let Some((_, line)) = hunk.lines.last_mut()
        && line.last() == Some(&b'\n')
    {
        line.pop();
    }
}

/// `1,2c3,4`: the ranges and the letter between them.
fn command(line: &[u8]) -> Option<((usize, usize), u8, (usize, usize))> {
    let range = |text| -> Option<((usize, usize), &[u8])> {
        let (start, rest) = digits(text)?;
        match rest.strip_prefix(b",") {
            Some(rest) => digits(rest).map(|(end, rest)| ((start, end), rest)),
            None => Some(((start, start), rest)),
        }
    };
    let (old, rest) = range(line)?;
    let (&letter, rest) = rest.split_first()?;
    let (new, rest) = range(rest)?;
    (b"acd".contains(&letter) && rest.trim_ascii().is_empty()).then_some((old, letter, new))
}

fn normal(lines: &[&[u8]], at: &mut usize, patch: &mut Patch) -> Result<(), String> {
    while let Some((old, letter, new)) = lines.get(*at).and_then(|line| command(line)) {
        let count = |range: (usize, usize)| (range.1 + 1).saturating_sub(range.0);
        let gone = if letter == b'a' { 0 } else { count(old) };
        let come = if letter == b'd' { 0 } else { count(new) };
        let mut hunk = Hunk {
            old: old.0 + usize::from(letter == b'a'),
            new: new.0 + usize::from(letter == b'd'),
            ..Hunk::default()
        };
        *at += 1;
        let mut take = |count: usize, mark: &[u8], sign: Sign| -> Result<(), String> {
            for _ in 0..count {
                let text = lines.get(*at).and_then(|line| line.strip_prefix(mark));
                hunk.lines.push((sign, text.ok_or_else(|| malformed(lines, *at))?.to_vec()));
                *at += 1;
            }
            if lines.get(*at).is_some_and(|line| line.starts_with(b"\\")) {
                ends_without_newline(&mut hunk);
                *at += 1;
            }
            if letter == b'c' && sign == Sign::Old {
                if lines.get(*at).is_none_or(|line| !line.starts_with(b"---")) {
                    return Err(malformed(lines, *at));
                }
                *at += 1;
            }
            Ok(())
        };
        take(gone, b"< ", Sign::Old)?;
        take(come, b"> ", Sign::New)?;
        patch.hunks.push(hunk);
    }
    Ok(())
}
