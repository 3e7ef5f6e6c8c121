//! The escapes of prompts, as of `PS1` and `${x@P}`.

use std::time::SystemTime;

use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::system;

impl Shell {
    pub fn expand_prompt(&mut self, text: &[u8]) -> Bytes {
        let mut out = Bytes::new();
        let mut at = 0;
        while at < text.len() {
            if text[at] != b'\\' || at + 1 == text.len() {
                out.push(text[at]);
                at += 1;
                continue;
            }
            at += 1;
            let letter = text[at];
            at += 1;
            match letter {
                b'a' => out.push(7),
                b'e' => out.push(0x1b),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b'\\' => out.push(b'\\'),
                b'[' | b']' => {}
                b'$' => out.push(if system::user() == 0 { b'#' } else { b'$' }),
                b'h' => {
                    let host = system::host_name();
                    out.extend(host.split(|&byte| byte == b'.').next().unwrap_or_default());
                }
                b'H' => out.extend(system::host_name()),
                b's' => {
                    let name = self.name.clone();
                    out.extend(name.rsplit(|&byte| byte == b'/').next().unwrap_or_default());
                }
                b'u' => out.extend(self.variable_value(b"USER").unwrap_or_else(|| b"user".to_vec())),
                b'v' => out.extend_from_slice(b"5.2"),
                b'V' => out.extend_from_slice(b"5.2.15"),
                b'j' => out.push(b'0'),
                b'!' | b'#' => out.push(b'1'),
                b'w' | b'W' => {
                    let home = self.value_or_empty(b"HOME");
                    let directory = self.value_or_empty(b"PWD");
                    let short = match directory.strip_prefix(home.as_slice()) {
                        Some(rest) if !home.is_empty() && (rest.is_empty() || rest[0] == b'/') => {
                            [b"~", rest].concat()
                        }
                        _ => directory,
                    };
                    if letter == b'W' && short != b"~" && short != b"/" {
                        out.extend(short.rsplit(|&byte| byte == b'/').next().unwrap_or_default());
                    } else {
                        out.extend(short);
                    }
                }
                b't' => self.push_time(b"%H:%M:%S", &mut out),
                b'T' => self.push_time(b"%I:%M:%S", &mut out),
                b'@' => self.push_time(b"%I:%M %p", &mut out),
                b'A' => self.push_time(b"%H:%M", &mut out),
                b'd' => self.push_time(b"%a %b %d", &mut out),
                b'0'..=b'7' => {
                    let (length, _) =
                        super::escape::one(&text[at - 1..], super::escape::Style::Ansi, &mut out);
                    at += length - 1;
                }
                other => out.extend_from_slice(&[b'\\', other]),
            }
        }
        self.expand_text(&out)
    }

    fn push_time(&mut self, format: &[u8], out: &mut Bytes) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        out.extend(crate::time::format(format, i64::try_from(now).unwrap_or(0), &self.value_or_empty(b"TZ")));
    }
}
