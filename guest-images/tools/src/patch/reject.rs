//! Hunks that found no place, as text.

use super::parse::{Hunk, Sign};

fn range(start: usize, count: usize, moved: isize) -> String {
    let start = start.wrapping_add_signed(moved);
    match count {
        0 => format!("{},0", start.saturating_sub(1)),
        1 => start.to_string(),
        count => format!("{start},{count}"),
    }
}

fn push_line(text: &mut Vec<u8>, sign: &[u8], line: &[u8]) {
    text.extend_from_slice(sign);
    text.extend_from_slice(line);
    if line.last() != Some(&b'\n') {
        text.extend_from_slice(b"\n\\ No newline at end of file\n");
    }
}

/// As a unified diff; the old lines are where they would be in what came out.
pub fn unified(hunk: &Hunk, moved: isize, text: &mut Vec<u8>) {
    let old = range(hunk.old, hunk.side(Sign::New).len(), moved);
    let new = range(hunk.new, hunk.side(Sign::Old).len(), moved);
    text.extend_from_slice(format!("@@ -{old} +{new} @@").as_bytes());
    text.extend_from_slice(&hunk.title);
    text.push(b'\n');
    for (sign, line) in &hunk.lines {
        let sign: &[u8] = match sign {
            Sign::Same => b" ",
            Sign::Old => b"-",
            Sign::New => b"+",
        };
        push_line(text, sign, line);
    }
}

/// With the old lines before the new ones, as normal diffs have no other form.
pub fn context(hunk: &Hunk, moved: isize, text: &mut Vec<u8>) {
    let range = |start: usize, count: usize, moved: isize| {
        let start = start.wrapping_add_signed(moved);
        let end = (start + count).saturating_sub(1);
        match count {
            0 => "0".to_owned(),
            1 => end.to_string(),
            _ => format!("{start},{end}"),
        }
    };
    let (old, new) = (hunk.side(Sign::New), hunk.side(Sign::Old));
    text.extend_from_slice(
        format!("***************\n*** {}\n", range(hunk.old, old.len(), moved)).as_bytes(),
    );
    old.iter().for_each(|line| push_line(text, b"- ", line));
    text.extend_from_slice(format!("--- {} -----\n", range(hunk.new, new.len(), moved)).as_bytes());
    new.iter().for_each(|line| push_line(text, b"+ ", line));
}
