//! Forms with files (RFC 7578), as file uploads are sent.

use std::hash::{BuildHasher, RandomState};

use bytes::{BufMut, Bytes, BytesMut};

/// A field of a form.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The field's name.
    pub name: &'a str,
    /// The file's name; without one, the field is a text.
    pub file: Option<&'a str>,
    /// What is in it.
    pub content: &'a [u8],
}

/// The value of `Content-Type`, and the body.
pub fn multipart(parts: &[Part<'_>]) -> (String, Bytes) {
    let random = RandomState::new();
    // 128 bits that no content has by chance.
    let boundary = format!("sandpiper-{:016x}{:016x}", random.hash_one(0), random.hash_one(1));
    let mut body = BytesMut::new();
    for part in parts {
        body.put_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(part.name))
                .as_bytes(),
        );
        if let Some(file) = part.file {
            body.put_slice(format!("; filename=\"{}\"\r\n", quoted(file)).as_bytes());
            body.put_slice(b"Content-Type: application/octet-stream");
        }
        body.put_slice(b"\r\n\r\n");
        body.put_slice(part.content);
        body.put_slice(b"\r\n");
    }
    body.put_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.freeze())
}

/// A name as the HTML standard has it escaped in a form.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_its_parts_between_boundaries() {
        let (kind, body) = multipart(&[
            Part { name: "path", file: None, content: b"/a" },
            Part { name: "fi\"le", file: Some("a\r\nb"), content: b"\0\xff" },
        ]);
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let mut expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n/a\r\n--{boundary}\r\n"
        )
        .into_bytes();
        expected.extend_from_slice(
            b"Content-Disposition: form-data; name=\"fi%22le\"; filename=\"a%0D%0Ab\"\r\n",
        );
        expected.extend_from_slice(b"Content-Type: application/octet-stream\r\n\r\n\0\xff\r\n");
        expected.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        assert_eq!(body, expected);
    }
}
