//! Files in the body of an answer (RFC 7578).

use bytes::Bytes;

/// A part of a body: what it is, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The part's name in the form: `file`, or `error`.
    pub(super) name: String,
    /// What is in it.
    pub(super) content: Bytes,
}

/// The longest head of a part.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let rest = content_type.trim_start().strip_prefix("multipart/form-data")?;
    let value = rest.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    let value = value.trim_matches('"');
    (!value.is_empty() && value.len() <= 70).then_some(value)
}

/// The parts of a body. A part that tells its length has that many bytes, whatever they are.
///
/// # Errors
/// What is wrong with the body, such as that it ends early.
pub(super) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Part>, String> {
    let open = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let early = || "it ends before its last boundary".to_owned();
    let mut at = find(body, 0, open.as_bytes()).ok_or_else(early)? + open.len();
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            let after = rest.get(2..).unwrap_or_default();
            // What follows the last boundary is the content of a file that has the boundary in it.
            return if after.iter().all(u8::is_ascii_whitespace) {
                Ok(parts)
            } else {
                Err("there is something after its last boundary".to_owned())
            };
        }
        let head_start = at + find(rest, 0, b"\r\n").filter(|start| *start == 0).ok_or_else(early)? + 2;
        let bounded = body.get(head_start..body.len().min(head_start + MAX_HEAD_BYTES)).unwrap_or_default();
        let head_end = if bounded.starts_with(b"\r\n") {
            head_start
        } else {
            head_start + find(bounded, 0, b"\r\n\r\n").ok_or("a part has no head, or too long a one")? + 2
        };
        let head = String::from_utf8_lossy(body.get(head_start..head_end).unwrap_or_default()).into_owned();
        let start = head_end + 2;
        let end = match length(&head)? {
            Some(length) => start.checked_add(length).ok_or_else(early)?,
            None => find(body, start, between.as_bytes()).ok_or_else(early)?,
        };
        if end > body.len() || !body.get(end..).unwrap_or_default().starts_with(between.as_bytes()) {
            return Err(early());
        }
        let name = name(&head).ok_or("a part has no name")?;
        parts.push(Part { name, content: body.slice(start..end) });
        at = end + between.len();
    }
}

/// Where a text begins in a body, from `from` on.
fn find(body: &[u8], from: usize, text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    let mut at = from;
    loop {
        let rest = body.get(at..)?;
        at += rest.iter().position(|byte| *byte == first)?;
        if body.get(at..)?.starts_with(text) {
            return Some(at);
        }
        at += 1;
    }
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

fn length(head: &str) -> Result<Option<usize>, String> {
    header(head, "content-length")
        .map(|value| value.parse().map_err(|_| format!("a part has the length `{}`", value.escape_debug())))
        .transpose()
}

fn name(head: &str) -> Option<String> {
    let disposition = header(head, "content-disposition")?;
    let value = disposition.split(';').find_map(|parameter| parameter.trim().strip_prefix("name="))?;
    Some(value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Result<Vec<Part>, String> {
        parts(&Bytes::copy_from_slice(body), "B")
    }

    const WHOLE: &[u8] = b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"/a\"\r\n\r\n1\r\n2\r\n\
        --B\r\nContent-Disposition: form-data; name=\"error\"; filename=\"/b\"\r\nContent-Type: text/plain\r\n\r\nno\r\n--B--\r\n";

    #[test]
    fn the_parts_of_a_body_are_found() {
        let part = |name: &str, content: &'static [u8]| Part {
            name: name.to_owned(),
            content: Bytes::from_static(content),
        };
        assert_eq!(read(WHOLE), Ok(vec![part("file", b"1\r\n2"), part("error", b"no")]));
        assert_eq!(read(b"--B--\r\n"), Ok(vec![]));
    }

    #[test]
    fn a_body_that_is_cut_is_an_error() {
        // Whole it is with its last boundary; the line end behind that may be missing.
        for end in 0..WHOLE.len() - 2 {
            assert!(read(&WHOLE[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_length_says_more_than_a_boundary() {
        let body = |length: usize| {
            let head = format!(
                "--B\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Length: {length}\r\n\r\n"
            );
            [head.as_bytes(), b"1\r\n--B--\r\n", b"\r\n--B--\r\n"].concat()
        };
        assert_eq!(
            read(&body(10)).map(|parts| parts[0].content.clone()),
            Ok(Bytes::from_static(b"1\r\n--B--\r\n"))
        );
        assert_eq!(read(&body(11)), Err("it ends before its last boundary".to_owned()));
        assert_eq!(read(&body(usize::MAX)), Err("it ends before its last boundary".to_owned()));
        assert_eq!(read(&body(1)), Err("there is something after its last boundary".to_owned()));
    }

    #[test]
    fn a_boundary_is_named_by_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=\"X-Y\""), Some("X-Y"));
        for other in ["application/json", "multipart/form-data", "multipart/form-data; boundary="] {
            assert_eq!(boundary(other), None, "{other}");
        }
    }
}
