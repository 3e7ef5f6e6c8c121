//! A tree to the text that `regex-syntax` reads.

use super::Dialect;
use super::syntax::Node;

pub fn translate(node: &Node, dialect: Dialect) -> String {
    let mut text = String::new();
    write(node, dialect, &mut text);
    text
}

/// Bytes that mean themselves.
pub fn literal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_ascii() && !character.is_ascii_alphanumeric() {
                text.push_str(&format!("\\x{:02x}", u32::from(character)));
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("(?-u:\\x{byte:02x})"));
        }
    }
    text
}

/// A class of `regex-syntax`, without newlines where lines are looked at together.
pub fn class(inner: &str, negated: bool, dialect: Dialect) -> String {
    // A byte that is no character can only be one of several alternatives: classes are of characters.
    let mut bytes = String::new();
    let mut characters = inner.to_owned();
    while let Some(at) = characters.find("(?-u:") {
        let end = characters[at..].find(')').map_or(characters.len(), |length| at + length + 1);
        bytes.push('|');
        bytes.push_str(&characters[at..end]);
        characters.replace_range(at..end, "");
    }
    let line = if dialect.lines { "&&[^\\n]" } else { "" };
    if characters.is_empty() {
        return if negated { "[^\\n]".to_owned() } else { format!("(?:{})", bytes.trim_start_matches('|')) };
    }
    let negation = if negated { "^" } else { "" };
    let class = format!("[[{negation}{characters}]{line}]");
    if bytes.is_empty() || negated { class } else { format!("(?:{class}{bytes})") }
}

fn write(node: &Node, dialect: Dialect, text: &mut String) {
    match node {
        Node::Empty => text.push_str("(?:)"),
        Node::Literal(bytes) => text.push_str(&literal(bytes)),
        Node::Any if dialect.lines => text.push_str("[^\\n]"),
        Node::Any => text.push('.'),
        Node::Set(inner, negated) => text.push_str(&class(inner, *negated, dialect)),
        Node::Start => text.push('^'),
        Node::End => text.push('$'),
        Node::BufferStart if dialect.lines => text.push('^'),
        Node::BufferEnd if dialect.lines => text.push('$'),
        Node::BufferStart => text.push_str("\\A"),
        Node::BufferEnd => text.push_str("\\z"),
        Node::WordStart => text.push_str("\\b{start}"),
        Node::WordEnd => text.push_str("\\b{end}"),
        Node::Boundary => text.push_str("\\b"),
        Node::HalfStart => text.push_str("\\b{start-half}"),
        Node::HalfEnd => text.push_str("\\b{end-half}"),
        Node::NotBoundary => text.push_str("\\B"),
        Node::Group(inner, _) => {
            text.push('(');
            write(inner, dialect, text);
            text.push(')');
        }
        Node::Repeat(inner, least, most) => {
            text.push_str("(?:");
            write(inner, dialect, text);
            text.push(')');
            match (least, most) {
                (0, None) => text.push('*'),
                (1, None) => text.push('+'),
                (0, Some(1)) => text.push('?'),
                (least, None) => text.push_str(&format!("{{{least},}}")),
                (least, Some(most)) => text.push_str(&format!("{{{least},{most}}}")),
            }
        }
        Node::Concat(nodes) => {
            for node in nodes {
                if matches!(node, Node::Alternate(_)) {
                    text.push_str("(?:");
                    write(node, dialect, text);
                    text.push(')');
                } else {
                    write(node, dialect, text);
                }
            }
        }
        Node::Alternate(branches) => {
            for (at, branch) in branches.iter().enumerate() {
                if at > 0 {
                    text.push('|');
                }
                write(branch, dialect, text);
            }
        }
        // Expressions with references never come here.
        Node::Reference(_) => {}
    }
}
