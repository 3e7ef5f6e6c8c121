//! Variables as `declare -p` and `set` show them.

use super::{Value, Variable};
use crate::expand::escape::{quoted_double, quoted_for_set};
use crate::syntax::ast::Bytes;

impl Variable {
    /// The letters of `declare`; `-` when there are none.
    pub fn flags(&self) -> String {
        let attributes = self.attributes;
        let mut flags = String::new();
        let letters = [
            (matches!(self.value, Value::Indexed(_)), 'a'),
            (matches!(self.value, Value::Associative(_)), 'A'),
            (attributes.integer, 'i'),
            (attributes.nameref, 'n'),
            (attributes.readonly, 'r'),
            (attributes.trace, 't'),
            (attributes.export, 'x'),
            (attributes.lower, 'l'),
            (attributes.upper, 'u'),
        ];
        flags.extend(letters.iter().filter(|(set, _)| *set).map(|(_, letter)| letter));
        flags
    }

    /// The elements between parentheses, as a statement that makes them again.
    pub fn elements(&self) -> Option<Bytes> {
        let mut out = b"(".to_vec();
        match &self.value {
            Value::Indexed(values) => {
                for (at, (index, value)) in values.iter().enumerate() {
                    if at > 0 {
                        out.push(b' ');
                    }
                    out.extend_from_slice(format!("[{index}]=").as_bytes());
                    out.extend_from_slice(&quoted_double(value));
                }
            }
            Value::Associative(values) => {
                for (key, value) in values.entries() {
                    out.push(b'[');
                    out.extend_from_slice(&quoted_key(key));
                    out.extend_from_slice(b"]=");
                    out.extend_from_slice(&quoted_double(value));
                    out.push(b' ');
                }
            }
            Value::Unset | Value::Scalar(_) => return None,
        }
        out.push(b')');
        Some(out)
    }

    /// The line of `declare -p`.
    pub fn declaration(&self, name: &[u8]) -> Bytes {
        let flags = self.flags();
        let mut line = format!("declare -{} ", if flags.is_empty() { "-" } else { &flags }).into_bytes();
        line.extend_from_slice(name);
        match (&self.value, self.elements()) {
            (Value::Scalar(value), _) => {
                line.push(b'=');
                line.extend_from_slice(&quoted_double(value));
            }
            (_, Some(elements)) if !self.empty_declaration => {
                line.push(b'=');
                line.extend_from_slice(&elements);
            }
            _ => {}
        }
        line.push(b'\n');
        line
    }

    /// The line of `set`; none for what has no value.
    pub fn setting(&self, name: &[u8]) -> Option<Bytes> {
        let value = match &self.value {
            Value::Scalar(value) => quoted_for_set(value),
            _ => self.elements()?,
        };
        Some([name, b"=", &value, b"\n"].concat())
    }
}

fn quoted_key(key: &[u8]) -> Bytes {
    let plain = |&byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:+,%".contains(&byte) || byte >= 0x80;
    if !key.is_empty() && key.iter().all(plain) { key.to_vec() } else { quoted_double(key) }
}
