//! Files that are known by the bytes that they begin with.

use super::Said;
use super::program::elf;

/// A beginning, what it means, and the MIME type of that.
const SIGNS: &[(&[u8], &str, &str)] = &[
    (
        b"!<arch>\ndebian-binary",
        "Debian binary package (format 2.0)",
        "application/vnd.debian.binary-package",
    ),
    (b"!<arch>\n", "current ar archive", "application/x-archive"),
    (b"Rar!\x1a\x07\x01\x00", "RAR archive data, v5", "application/x-rar"),
    (b"7z\xbc\xaf\x27\x1c", "7-zip archive data, version 0.4", "application/x-7z-compressed"),
    (b"\0\0\x01\0\x01\0", "MS Windows icon resource - 1 icon", "image/vnd.microsoft.icon"),
    (b"OggS", "Ogg data", "application/ogg"),
    (b"fLaC", "FLAC audio bitstream data", "audio/flac"),
    (b"ID3\x03", "Audio file with ID3 version 2.3.0", "audio/mpeg"),
    (b"ID3\x04", "Audio file with ID3 version 2.4.0", "audio/mpeg"),
    (b"wOFF", "Web Open Font Format", "font/woff"),
    (b"wOF2", "Web Open Font Format (Version 2)", "font/woff2"),
    (b"\x28\xb5\x2f\xfd", "Zstandard compressed data (v0.8+), Dictionary ID: None", "application/zstd"),
];

/// Bytes with numbers in them.
pub struct Bytes<'a> {
    pub all: &'a [u8],
    pub little: bool,
}

impl Bytes<'_> {
    pub fn number(&self, at: usize, count: usize) -> Option<u64> {
        let bytes = self.all.get(at..at.checked_add(count)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    }

    pub fn place(&self, at: usize, count: usize) -> Option<usize> {
        usize::try_from(self.number(at, count)?).ok()
    }
}

pub fn said(head: &[u8]) -> Option<Said> {
    let kinds = [elf, wasm, image, archive, riff, java, database];
    kinds.iter().find_map(|kind| kind(head)).or_else(|| {
        let (_, words, mime) = SIGNS.iter().find(|(sign, _, _)| head.starts_with(sign))?;
        Some(Said::binary(*words, *mime))
    })
}

fn wasm(head: &[u8]) -> Option<Said> {
    head.starts_with(b"\0asm").then_some(())?;
    let version = Bytes { all: head, little: true }.number(4, 4)?;
    let kind = match version {
        1 => " (MVP)",
        _ => "",
    };
    Some(Said::binary(
        format!("WebAssembly (wasm) binary module version {version:#x}{kind}"),
        "application/wasm",
    ))
}

fn java(head: &[u8]) -> Option<Said> {
    head.starts_with(b"\xca\xfe\xba\xbe").then_some(())?;
    let bytes = Bytes { all: head, little: false };
    let (minor, major) = (bytes.number(4, 2)?, bytes.number(6, 2)?);
    (45..=70).contains(&major).then_some(())?;
    let java = if major >= 49 { major - 44 } else { return None };
    let name = if java < 9 { format!("1.{java}") } else { java.to_string() };
    let name = if major <= 52 { format!(" (Java {name})") } else { String::new() };
    Some(Said::binary(
        format!("compiled Java class data, version {major}.{minor}{name}"),
        "application/x-java-applet",
    ))
}

fn database(head: &[u8]) -> Option<Said> {
    head.starts_with(b"SQLite format 3\0").then_some(())?;
    let bytes = Bytes { all: head, little: false };
    let at = |place| bytes.number(place, 4);
    let encoding = match at(56)? {
        1 => ", UTF-8",
        2 => ", UTF-16 little endian",
        3 => ", UTF-16 big endian",
        _ => "",
    };
    let user = at(60)
        .filter(|version| *version != 0)
        .map_or(String::new(), |version| format!(", user version {version}"));
    Some(Said::binary(
        format!(
            "SQLite 3.x database{user}, last written using SQLite version {}, file counter {}, database pages {}, cookie {:#x}, schema {}{encoding}, version-valid-for {}",
            at(96)?,
            at(24)?,
            at(28)?,
            at(40)?,
            at(44)?,
            at(92)?
        ),
        "application/vnd.sqlite3",
    ))
}

fn image(head: &[u8]) -> Option<Said> {
    let big = Bytes { all: head, little: false };
    let little = Bytes { all: head, little: true };
    if head.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR") {
        let kind = match head.get(25)? {
            0 => " grayscale",
            2 => "/color RGB",
            3 => " colormap",
            4 => " gray+alpha",
            6 => "/color RGBA",
            _ => "",
        };
        let interlaced = if head.get(28)? == &0 { "non-interlaced" } else { "interlaced" };
        let (width, height, depth) = (big.number(16, 4)?, big.number(20, 4)?, head.get(24)?);
        return Some(Said::binary(
            format!("PNG image data, {width} x {height}, {depth}-bit{kind}, {interlaced}"),
            "image/png",
        ));
    }
    if let Some(version) = head.strip_prefix(b"GIF8") {
        let version = char::from(*version.first()?);
        return Some(Said::binary(
            format!(
                "GIF image data, version 8{version}a, {} x {}",
                little.number(6, 2)?,
                little.number(8, 2)?
            ),
            "image/gif",
        ));
    }
    if head.starts_with(b"\xff\xd8\xff") {
        return Some(Said::binary(jpeg(&big).unwrap_or_else(|| "JPEG image data".to_owned()), "image/jpeg"));
    }
    if head.starts_with(b"BM") && little.number(14, 4) == Some(40) {
        let (width, height, bits) = (little.number(18, 4)?, little.number(22, 4)?, little.number(28, 2)?);
        let (size, offset) = (little.number(2, 4)?, little.number(10, 4)?);
        return Some(Said::binary(
            format!(
                "PC bitmap, Windows 3.x format, {width} x {height} x {bits}, cbSize {size}, bits offset {offset}"
            ),
            "image/bmp",
        ));
    }
    None
}

/// Only what the first segment says, and the size of the picture.
fn jpeg(bytes: &Bytes<'_>) -> Option<String> {
    let mut words = "JPEG image data".to_owned();
    if bytes.all.get(6..11) == Some(b"JFIF\0") {
        let unit = match bytes.all.get(13)? {
            0 => "aspect ratio",
            1 => "resolution (DPI)",
            _ => "resolution (DPCM)",
        };
        let (major, minor) = (bytes.number(11, 1)?, bytes.number(12, 1)?);
        let (x, y, length) = (bytes.number(14, 2)?, bytes.number(16, 2)?, bytes.number(4, 2)?);
        words.push_str(&format!(
            ", JFIF standard {major}.{minor:02}, {unit}, density {x}x{y}, segment length {length}"
        ));
    }
    let mut at = 2;
    while let (Some(0xff), Some(mark), Some(length)) =
        (bytes.number(at, 1), bytes.number(at + 1, 1), bytes.place(at + 2, 2))
    {
        if matches!(mark, 0xc0..=0xc2) {
            let kind = match mark {
                0xc0 => "baseline",
                0xc1 => "extended sequential",
                _ => "progressive",
            };
            let (depth, height, width) =
                (bytes.number(at + 4, 1)?, bytes.number(at + 5, 2)?, bytes.number(at + 7, 2)?);
            let components = bytes.number(at + 9, 1)?;
            words
                .push_str(&format!(", {kind}, precision {depth}, {width}x{height}, components {components}"));
            break;
        }
        at += length + 2;
    }
    Some(words)
}

fn riff(head: &[u8]) -> Option<Said> {
    head.starts_with(b"RIFF").then_some(())?;
    let bytes = Bytes { all: head, little: true };
    match head.get(8..12)? {
        b"WEBP" => Some(Said::binary("RIFF (little-endian) data, Web/P image", "image/webp")),
        b"WAVE" => {
            let channels = match bytes.number(22, 2)? {
                1 => "mono".to_owned(),
                2 => "stereo".to_owned(),
                count => format!("{count} channels"),
            };
            let (bits, rate) = (bytes.number(34, 2)?, bytes.number(24, 4)?);
            (bytes.number(20, 2)? == 1).then(|| {
                Said::binary(
                    format!("RIFF (little-endian) data, WAVE audio, Microsoft PCM, {bits} bit, {channels} {rate} Hz"),
                    "audio/x-wav",
                )
            })
        }
        _ => Some(Said::binary("RIFF (little-endian) data", "application/octet-stream")),
    }
}

fn archive(head: &[u8]) -> Option<Said> {
    let little = Bytes { all: head, little: true };
    if head.starts_with(b"\x1f\x8b\x08") {
        return gzip(head, &little);
    }
    if let Some(level) = head.strip_prefix(b"BZh").and_then(<[u8]>::first) {
        let level = char::from(*level);
        return Some(Said::binary(
            format!("bzip2 compressed data, block size = {level}00k"),
            "application/x-bzip2",
        ));
    }
    if head.starts_with(b"\xfd7zXZ\0") {
        let check = match head.get(7)? & 15 {
            0 => ", checksum NONE",
            1 => ", checksum CRC32",
            4 => ", checksum CRC64",
            10 => ", checksum SHA-256",
            _ => "",
        };
        return Some(Said::binary(format!("XZ compressed data{check}"), "application/x-xz"));
    }
    if head.get(257..262) == Some(b"ustar") {
        let kind = if head.get(257..265) == Some(b"ustar  \0") {
            "POSIX tar archive (GNU)"
        } else {
            "POSIX tar archive"
        };
        return Some(Said::binary(kind, "application/x-tar"));
    }
    if let Some(rest) = head.strip_prefix(b"%PDF-") {
        let version = String::from_utf8_lossy(rest.get(..3)?).into_owned();
        return Some(Said::binary(format!("PDF document, version {version}"), "application/pdf"));
    }
    if head.starts_with(b"PK\x05\x06") {
        return Some(Said::binary("Zip archive data (empty)", "application/zip"));
    }
    if head.starts_with(b"PK\x03\x04") {
        let version = little.number(4, 2)?;
        let method = match little.number(8, 2)? {
            0 => "store",
            8 => "deflate",
            _ => "",
        };
        let name = little.place(26, 2).and_then(|length| head.get(30..30 + length))?;
        let office =
            [("word/", "Word", "wordprocessingml.document"), ("xl/", "Excel", "spreadsheetml.sheet")];
        if name == b"[Content_Types].xml"
            && let Some((_, program, kind)) =
                office.iter().find(|(folder, ..)| memchr::memmem::find(head, folder.as_bytes()).is_some())
        {
            return Some(Said::binary(
                format!("Microsoft {program} 2007+"),
                format!("application/vnd.openxmlformats-officedocument.{kind}"),
            ));
        }
        return Some(Said::binary(
            format!(
                "Zip archive data, at least v{}.{} to extract, compression method={method}",
                version / 10,
                version % 10
            ),
            "application/zip",
        ));
    }
    None
}

fn gzip(head: &[u8], bytes: &Bytes<'_>) -> Option<Said> {
    let flags = *head.get(3)?;
    let mut words = "gzip compressed data".to_owned();
    if flags & 8 != 0 {
        let from = 10 + if flags & 4 != 0 { 2 + bytes.place(10, 2)? } else { 0 };
        let name = head.get(from..)?.split(|&byte| byte == 0).next()?;
        words.push_str(&format!(", was \"{}\"", String::from_utf8_lossy(name)));
    }
    let stamp = bytes.number(4, 4)?;
    if stamp != 0 {
        let time = crate::time::local((i64::try_from(stamp).unwrap_or(0), 0));
        words.push_str(&crate::time::format(&time, ", last modified: %a %b %e %H:%M:%S %Y"));
    }
    words.push_str(match head.get(8)? {
        2 => ", max compression",
        4 => ", max speed",
        _ => "",
    });
    words.push_str(match head.get(9)? {
        0 => ", from FAT filesystem (MS-DOS, OS/2, NT)",
        3 => ", from Unix",
        _ => "",
    });
    let size = bytes.number(head.len().checked_sub(4)?, 4)?;
    words.push_str(&format!(", original size modulo 2^32 {size}"));
    Some(Said::binary(words, "application/gzip"))
}
