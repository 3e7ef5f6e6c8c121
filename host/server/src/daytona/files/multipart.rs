//! The parts of a bulk download: each has a path as it was asked for, and a file or an error.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Serialize;

use crate::daytona::fault::{Code, Fault, Source};
use crate::failure::Failure;
use crate::random;

/// What is between the parts of one answer: no file can have it, for who writes files does not know it. The SDKs take
/// it from the header, and pass over the lengths of parts.
#[derive(Debug)]
pub(super) struct Boundary(String);

impl Boundary {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self(format!("daytona-file-{}", random::token()?)))
    }

    /// The content type of the whole.
    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.0)
    }

    /// A part with a file, or with why there is none.
    pub(super) fn part(&self, path: &str, content: Result<Bytes, Fault>) -> Bytes {
        let (name, kind, content) = match content {
            Ok(content) => ("file", "application/octet-stream", content),
            Err(fault) => ("error", "application/json", explain(&fault)),
        };
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{name}\"; {}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            self.0,
            filename(path),
            content.len(),
        );
        [head.as_bytes(), &content, b"\r\n"].concat().into()
    }

    /// What comes after the last part.
    pub(super) fn end(&self) -> Bytes {
        format!("--{}--\r\n", self.0).into()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation<'a> {
    message: &'a str,
    status_code: u16,
    code: Code,
    source: Source,
}

fn explain(fault: &Fault) -> Bytes {
    let explanation = Explanation {
        message: &fault.message,
        status_code: fault.status.as_u16(),
        code: fault.code,
        source: Source::Toolbox,
    };
    // Strings and numbers always serialise.
    serde_json::to_vec(&explanation).unwrap_or_default().into()
}

/// The path as a parameter: quoted (RFC 2045), or in the extended form (RFC 5987) where that cannot be.
fn filename(path: &str) -> String {
    if path.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return format!("filename=\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""));
    }
    let mut text = "filename*=UTF-8''".to_owned();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_a_name_a_length_and_a_body() {
        let boundary = Boundary("BOUNDARY".to_owned());
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n", "|");
        insta::assert_snapshot!(text(boundary.part("/a \"b\"", Ok(Bytes::from_static(b"hi")))), @r#"--BOUNDARY|Content-Disposition: form-data; name="file"; filename="/a \"b\""|Content-Type: application/octet-stream|Content-Length: 2||hi|"#);
        insta::assert_snapshot!(text(boundary.part("é\n", Err(Fault::not_found("gone")))), @r#"--BOUNDARY|Content-Disposition: form-data; name="error"; filename*=UTF-8''%C3%A9%0A|Content-Type: application/json|Content-Length: 80||{"message":"gone","statusCode":404,"code":"NOT_FOUND","source":"DAYTONA_DAEMON"}|"#);
        assert_eq!(text(boundary.end()), "--BOUNDARY--|");
    }
    #[test]
    fn no_two_answers_have_the_same_boundary() {
        let boundary = || Boundary::new().unwrap().content_type();
        assert_ne!(boundary(), boundary());
    }
}
