//! Programs and libraries in ELF.

use super::Said;
use super::binary::Bytes;

pub fn elf(head: &[u8]) -> Option<Said> {
    head.starts_with(b"\x7fELF").then_some(())?;
    let wide = *head.get(4)? == 2;
    let bytes = Bytes { all: head, little: *head.get(5)? == 1 };
    let pick = |narrow: usize, long: usize| if wide { (long, 8) } else { (narrow, 4) };
    let word = |base: usize, narrow: usize, long: usize| {
        let (at, count) = pick(narrow, long);
        bytes.place(base.checked_add(at)?, count)
    };
    let (kind, machine) = (bytes.number(16, 2)?, bytes.number(18, 2)?);
    let (programs, sections) = (word(0, 28, 32)?, word(0, 32, 40)?);
    let counts = if wide { 54 } else { 42 };
    let (mut interpreter, mut dynamic, mut pie, mut notes) = (None, false, false, String::new());
    for at in 0..bytes.place(counts + 2, 2)? {
        let base = programs.saturating_add(at * bytes.place(counts, 2)?);
        let (Some(segment), Some(from), Some(size)) =
            (bytes.number(base, 4), word(base, 4, 8), word(base, 16, 32))
        else {
            break;
        };
        let content = head.get(from..from.saturating_add(size)).unwrap_or_default();
        match segment {
            2 => {
                dynamic = true;
                pie = is_program(&Bytes { all: content, little: bytes.little }, wide);
            }
            3 => interpreter = content.split(|&byte| byte == 0).next().map(String::from_utf8_lossy),
            4 => note(&Bytes { all: content, little: bytes.little }, &mut notes),
            _ => {}
        }
    }
    let mut symbols = false;
    for at in 0..bytes.place(counts + 6, 2)? {
        let base = sections.saturating_add(at * bytes.place(counts + 4, 2)?);
        symbols |= bytes.number(base.saturating_add(4), 4) == Some(2);
        // What is not linked yet has no segments.
        if kind == 1
            && bytes.number(base.saturating_add(4), 4) == Some(7)
            && let (Some(from), Some(size)) = (word(base, 16, 24), word(base, 20, 32))
        {
            let content = head.get(from..from.saturating_add(size)).unwrap_or_default();
            note(&Bytes { all: content, little: bytes.little }, &mut notes);
        }
    }
    let debug = memchr::memmem::find(head, b"\0.debug_info\0").is_some();
    let (kind, mime) = match kind {
        1 => ("relocatable", "application/x-object"),
        2 => ("executable", "application/x-executable"),
        3 if pie => ("pie executable", "application/x-pie-executable"),
        3 => ("shared object", "application/x-sharedlib"),
        4 => ("core file", "application/x-coredump"),
        _ => ("unknown type", "application/octet-stream"),
    };
    let machine = match machine {
        3 => "Intel 80386",
        40 => "ARM, EABI5",
        62 => "x86-64",
        183 => "ARM aarch64",
        243 => "UCB RISC-V",
        _ => "*unknown arch*",
    };
    let system = match head.get(7)? {
        0 => "SYSV",
        3 => "GNU/Linux",
        9 => "FreeBSD",
        _ => "unknown",
    };
    let mut words = format!(
        "ELF {}-bit {} {kind}, {machine}, version 1 ({system})",
        if wide { 64 } else { 32 },
        if bytes.little { "LSB" } else { "MSB" }
    );
    if kind != "relocatable" {
        words.push_str(if dynamic { ", dynamically linked" } else { ", statically linked" });
    }
    if let Some(interpreter) = interpreter {
        words.push_str(&format!(", interpreter {interpreter}"));
    }
    words.push_str(&notes);
    words.push_str(if symbols && debug { ", with debug_info" } else { "" });
    words.push_str(if symbols { ", not stripped" } else { ", stripped" });
    Some(Said::binary(words, mime))
}

/// Whether the dynamic section says that it is a program.
fn is_program(section: &Bytes<'_>, wide: bool) -> bool {
    let size = if wide { 8 } else { 4 };
    let mut entries = (0..section.all.len()).step_by(2 * size);
    entries.any(|at| {
        let flags = section.number(at + size, size).unwrap_or(0);
        section.number(at, size) == Some(0x6fff_fffb) && flags & 0x0800_0000 != 0
    })
}

/// The build's number, and the kernel that a program needs.
fn note(bytes: &Bytes<'_>, words: &mut String) {
    let mut at = 0usize;
    while let (Some(name), Some(size), Some(kind)) =
        (bytes.place(at, 4), bytes.place(at.saturating_add(4), 4), bytes.number(at.saturating_add(8), 4))
    {
        let Some(content) = at
            .checked_add((name / 4).saturating_mul(4).saturating_add(16))
            .map(|end| if name % 4 == 0 { end - 4 } else { end })
        else {
            return;
        };
        let data = bytes.all.get(content..content.saturating_add(size)).unwrap_or_default();
        let gnu = bytes.all.get(at.saturating_add(12)..at.saturating_add(16)) == Some(b"GNU\0");
        if gnu && kind == 3 {
            let digits: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
            let hash = if size == 20 { "sha1" } else { "md5/uuid" };
            words.push_str(&format!(", BuildID[{hash}]={digits}"));
        } else if gnu && kind == 1 {
            let part = |at: usize| bytes.number(content.saturating_add(at), 4).unwrap_or(0);
            words.push_str(&format!(", for GNU/Linux {}.{}.{}", part(4), part(8), part(12)));
        }
        let Some(next) = content.checked_add(size.saturating_add(3) / 4 * 4) else { return };
        at = next;
    }
}
