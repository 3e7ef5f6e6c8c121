//! Names and what stands before them.

use std::fs;
use std::io::{self, Write as _};

use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, users};

use super::{Entry, Layout, List, Marks, Settings};

/// A size as people read it, rounded up.
pub fn human(size: u64, base: u64) -> String {
    if size < base {
        return size.to_string();
    }
    let units = if base == 1000 { "kMGTPE" } else { "KMGTPE" };
    let mut divisor = base;
    for unit in units.chars() {
        let tenths = (u128::from(size) * 10).div_ceil(u128::from(divisor));
        if tenths < 100 {
            return format!("{}.{}{unit}", tenths / 10, tenths % 10);
        }
        let whole = size.div_ceil(divisor);
        if whole < base || unit == 'E' {
            return format!("{whole}{unit}");
        }
        divisor = divisor.saturating_mul(base);
    }
    size.to_string()
}

impl Settings {
    fn name(&self, name: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if self.quote {
            out.push(b'"');
        }
        for &byte in name {
            if self.escape {
                match byte {
                    b'\n' => out.extend_from_slice(b"\\n"),
                    b'\t' => out.extend_from_slice(b"\\t"),
                    b'\r' => out.extend_from_slice(b"\\r"),
                    b'\\' => out.extend_from_slice(b"\\\\"),
                    b'"' if self.quote => out.extend_from_slice(b"\\\""),
                    b' ' if !self.quote => out.extend_from_slice(b"\\ "),
                    0..=31 | 127 => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
                    other => out.push(other),
                }
            } else if self.question && (byte < 32 || byte == 127) {
                out.push(b'?');
            } else {
                out.push(byte);
            }
        }
        if self.quote {
            out.push(b'"');
        }
        out
    }

    fn mark(&self, kind: Kind, mode: u32) -> &'static str {
        match (self.marks, kind) {
            (Marks::None, _) => "",
            (_, Kind::Directory) => "/",
            (Marks::Slash, _) => "",
            (_, Kind::Link) => "@",
            (_, Kind::Pipe) => "|",
            (_, Kind::Socket) => "=",
            (Marks::All, Kind::File) if mode & 0o111 != 0 => "*",
            _ => "",
        }
    }

    fn size(&self, status: &Status) -> String {
        match (self.human, status.kind) {
            (_, Kind::Character | Kind::Block) => {
                let major = (status.special >> 8) & 0xfff;
                let minor = (status.special & 0xff) | ((status.special >> 12) & 0xfff00);
                format!("{major}, {minor}")
            }
            (Some(base), _) => human(status.size, base),
            (None, _) => status.size.to_string(),
        }
    }

    fn taken(&self, status: &Status) -> String {
        match self.human {
            Some(base) => human(status.blocks * 512, base),
            None => status.blocks.div_ceil(2).to_string(),
        }
    }

    fn owners(&self, status: &Status) -> (String, String) {
        let user = users::user_name(status.user).filter(|_| !self.numeric);
        let group = users::group_name(status.group).filter(|_| !self.numeric);
        (
            user.unwrap_or_else(|| status.user.to_string()),
            group.unwrap_or_else(|| status.group.to_string()),
        )
    }
}

impl List {
    pub fn print(&mut self, entries: &[Entry]) -> io::Result<()> {
        if self.settings.layout == Layout::Long {
            return self.long(entries);
        }
        let settings = &self.settings;
        let widest = |text: fn(&Settings, &Status) -> String| {
            entries.iter().filter_map(|entry| entry.status.as_ref()).map(|status| text(settings, status).len()).max().unwrap_or(0)
        };
        let (inodes, blocks) = (widest(|_, status| status.inode.to_string()), widest(Settings::taken));
        let mut cells = Vec::new();
        for entry in entries {
            let mut cell = Vec::new();
            let unknown = || "?".to_owned();
            if settings.inode {
                let text = entry.status.as_ref().map_or_else(unknown, |status| status.inode.to_string());
                let width = if settings.layout == Layout::Commas { 0 } else { inodes };
                cell.extend_from_slice(format!("{text:>width$} ").as_bytes());
            }
            if settings.blocks {
                let text = entry.status.as_ref().map_or_else(unknown, |status| settings.taken(status));
                let width = if settings.layout == Layout::Commas { 0 } else { blocks };
                cell.extend_from_slice(format!("{text:>width$} ").as_bytes());
            }
            cell.extend_from_slice(&settings.name(&entry.name));
            let mode = entry.status.as_ref().map_or(0, |status| status.mode);
            cell.extend_from_slice(settings.mark(entry.kind, mode).as_bytes());
            cells.push(cell);
        }
        let end = settings.end;
        match settings.layout {
            Layout::Single | Layout::Long => {
                for cell in cells {
                    self.out.write_all(&cell)?;
                    self.out.write_all(&[end])?;
                }
            }
            Layout::Commas => {
                let mut column = 0;
                let count = cells.len();
                for (at, cell) in cells.into_iter().enumerate() {
                    let width = String::from_utf8_lossy(&cell).chars().count();
                    if at > 0 {
                        if self.settings.width > 0 && column + width + 2 >= self.settings.width {
                            self.out.write_all(b"\n")?;
                            column = 0;
                        } else {
                            self.out.write_all(b" ")?;
                            column += 1;
                        }
                    }
                    self.out.write_all(&cell)?;
                    column += width;
                    if at + 1 < count {
                        self.out.write_all(b",")?;
                        column += 1;
                    }
                }
                if count > 0 {
                    self.out.write_all(b"\n")?;
                }
            }
            Layout::Columns | Layout::Across => self.columns(&cells)?,
        }
        Ok(())
    }

    fn columns(&mut self, cells: &[Vec<u8>]) -> io::Result<()> {
        if cells.is_empty() {
            return Ok(());
        }
        let across = self.settings.layout == Layout::Across;
        let widths: Vec<usize> = cells.iter().map(|cell| String::from_utf8_lossy(cell).chars().count()).collect();
        let line = if self.settings.width == 0 { usize::MAX } else { self.settings.width };
        let most = (line / 3).max(1).min(cells.len());
        let place = |columns: usize, at: usize| {
            let rows = cells.len().div_ceil(columns);
            if across { (at % columns, at / columns) } else { (at / rows, at % rows) }
        };
        let layout = (1..=most).rev().find_map(|columns| {
            let mut wide = vec![0; columns];
            for (at, width) in widths.iter().enumerate() {
                let (column, _) = place(columns, at);
                let gap = if column + 1 < columns { 2 } else { 0 };
                if let Some(known) = wide.get_mut(column) {
                    *known = (width + gap).max(*known);
                }
            }
            (columns == 1 || wide.iter().sum::<usize>() < line).then_some((columns, wide))
        });
        let (columns, wide) = layout.unwrap_or((1, vec![0]));
        let rows = cells.len().div_ceil(columns);
        for row in 0..rows {
            let mut column_at = 0;
            let mut start = 0;
            for (column, width) in wide.iter().enumerate() {
                let at = if across { row * columns + column } else { column * rows + row };
                let Some(cell) = cells.get(at) else { break };
                // GNU's goes to a column by tabs where it can.
                while column_at < start {
                    if start / 8 > (column_at + 1) / 8 {
                        self.out.write_all(b"\t")?;
                        column_at += 8 - column_at % 8;
                    } else {
                        self.out.write_all(b" ")?;
                        column_at += 1;
                    }
                }
                self.out.write_all(cell)?;
                column_at += widths.get(at).copied().unwrap_or(0);
                start += width;
            }
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn long(&mut self, entries: &[Entry]) -> io::Result<()> {
        let settings = &self.settings;
        let mut rows: Vec<(&Entry, Vec<(String, bool)>)> = Vec::new();
        for entry in entries {
            let mut cells: Vec<(String, bool)> = Vec::new();
            let Some(status) = &entry.status else {
                rows.push((entry, cells));
                continue;
            };
            if settings.inode {
                cells.push((status.inode.to_string(), true));
            }
            if settings.blocks {
                cells.push((settings.taken(status), true));
            }
            cells.push((crate::mode::symbols(status.kind, status.mode), false));
            cells.push((status.links.to_string(), true));
            let (user, group) = settings.owners(status);
            if settings.owner {
                cells.push((user.clone(), settings.numeric));
            }
            if settings.group {
                cells.push((group, settings.numeric));
            }
            if settings.author {
                cells.push((user, settings.numeric));
            }
            cells.push((settings.size(status), true));
            cells.push((settings.stamp(status), false));
            rows.push((entry, cells));
        }
        let count = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..count)
            .map(|at| rows.iter().filter_map(|(_, cells)| cells.get(at)).map(|(text, _)| text.chars().count()).max().unwrap_or(0))
            .collect();
        let mut out = Vec::new();
        for (entry, cells) in rows {
            if cells.is_empty() {
                out.extend_from_slice(b"-????????? ? ? ? ? ? ");
            }
            for ((text, right), width) in cells.iter().zip(&widths) {
                let cell = if *right { format!("{text:>width$} ") } else { format!("{text:<width$} ") };
                out.extend_from_slice(cell.as_bytes());
            }
            out.extend_from_slice(&settings.name(&entry.name));
            let mode = entry.status.as_ref().map_or(0, |status| status.mode);
            if entry.kind == Kind::Link {
                if let Ok(target) = fs::read_link(&entry.path) {
                    out.extend_from_slice(b" -> ");
                    out.extend_from_slice(&settings.name(bytes(target.as_os_str())));
                    if let Ok(status) = Status::of(&entry.path, true) {
                        out.extend_from_slice(settings.mark(status.kind, status.mode).as_bytes());
                    }
                }
            } else {
                out.extend_from_slice(settings.mark(entry.kind, mode).as_bytes());
            }
            out.push(settings.end);
        }
        self.out.write_all(&out)
    }
}
