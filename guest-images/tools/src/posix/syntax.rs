//! The text of an expression to its tree.

use super::Dialect;

#[derive(Debug)]
pub struct Tree {
    pub root: Node,
    pub groups: usize,
    pub has_references: bool,
}

#[derive(Debug, Clone)]
pub enum Node {
    Empty,
    /// One character, or one byte that is none.
    Literal(Vec<u8>),
    Any,
    /// What is between the brackets of a class of `regex-syntax`; whether it begins with `^`.
    Set(String, bool),
    Start,
    End,
    BufferStart,
    BufferEnd,
    WordStart,
    WordEnd,
    Boundary,
    NotBoundary,
    /// No word goes on before here, or behind here.
    HalfStart,
    HalfEnd,
    Group(Box<Node>, usize),
    Repeat(Box<Node>, u32, Option<u32>),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    Reference(usize),
}

/// As POSIX has it: RE_DUP_MAX of GNU.
const REPEAT_MAX: u32 = 32767;
/// Deeper ones would need more stack than there is.
const DEPTH_MAX: usize = 250;

pub fn parse(text: &[u8], dialect: Dialect) -> Result<Tree, String> {
    let mut parser = Parser { text, at: 0, dialect, groups: 0, open: Vec::new(), has_references: false, depth: 0 };
    let root = parser.alternation()?;
    if parser.at < text.len() {
        return Err("Unmatched ) or \\)".to_owned());
    }
    Ok(Tree { root, groups: parser.groups, has_references: parser.has_references })
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    dialect: Dialect,
    groups: usize,
    /// Groups that are not closed yet.
    open: Vec<usize>,
    has_references: bool,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// An operator: with a backslash in basic syntax, without one in extended.
    fn sees(&self, operator: u8) -> bool {
        if self.dialect.extended {
            self.rest().first() == Some(&operator)
        } else {
            self.rest().first() == Some(&b'\\') && self.rest().get(1) == Some(&operator)
        }
    }

    fn takes(&mut self, operator: u8) -> bool {
        let sees = self.sees(operator);
        if sees {
            self.at += if self.dialect.extended { 1 } else { 2 };
        }
        sees
    }

    fn alternation(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("Regular expression too big".to_owned());
        }
        let mut branches = vec![self.branch()?];
        while self.takes(b'|') {
            branches.push(self.branch()?);
        }
        self.depth -= 1;
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Alternate(branches) })
    }

    fn branch(&mut self) -> Result<Node, String> {
        let mut nodes: Vec<Node> = Vec::new();
        while !self.rest().is_empty() && !self.sees(b'|') {
            if self.sees(b')') && (self.depth > 1 || !self.dialect.extended) {
                break;
            }
            if self.sees(b')') {
                return Err("Unmatched ) or \\)".to_owned());
            }
            let node = self.atom(&nodes)?;
            let node = self.repeated(node)?;
            nodes.push(node);
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::Concat(nodes),
        })
    }

    fn atom(&mut self, before: &[Node]) -> Result<Node, String> {
        let extended = self.dialect.extended;
        let first = before.is_empty() || (!extended && matches!(before, [Node::Start]));
        if self.takes(b'(') {
            self.groups += 1;
            let group = self.groups;
            self.open.push(group);
            let inner = self.alternation()?;
            if !self.takes(b')') {
                return Err("Unmatched ( or \\(".to_owned());
            }
            self.open.pop();
            return Ok(Node::Group(Box::new(inner), group));
        }
        let byte = self.rest().first().copied().unwrap_or(0);
        match byte {
            b'.' => {
                self.at += 1;
                return Ok(Node::Any);
            }
            b'[' => return self.bracket(),
            b'^' if extended || before.is_empty() => {
                self.at += 1;
                return Ok(Node::Start);
            }
            b'$' if extended || self.ends_branch(1) => {
                self.at += 1;
                return Ok(Node::End);
            }
            b'*' if first => {
                self.at += 1;
                return Ok(Node::Literal(b"*".to_vec()));
            }
            b'+' | b'?' if extended && before.is_empty() => {
                self.at += 1;
                return Ok(Node::Literal(vec![byte]));
            }
            b'\\' => return self.escape(before),
            _ => {}
        }
        Ok(self.character())
    }

    /// Whether a branch ends `ahead` bytes from here.
    fn ends_branch(&self, ahead: usize) -> bool {
        match self.rest().get(ahead..) {
            None | Some([]) => true,
            Some(rest) => rest.starts_with(b"\\)") || rest.starts_with(b"\\|"),
        }
    }

    /// A whole character; what is none by itself is a byte.
    fn character(&mut self) -> Node {
        let length = character_length(self.rest());
        let bytes = self.rest().get(..length).unwrap_or_default().to_vec();
        self.at += length.max(1);
        Node::Literal(bytes)
    }

    fn escape(&mut self, before: &[Node]) -> Result<Node, String> {
        let Some(&byte) = self.rest().get(1) else {
            return Err("Trailing backslash".to_owned());
        };
        self.at += 2;
        let simple = match byte {
            b'w' => Node::Set("\\w".to_owned(), false),
            b'W' => Node::Set("\\w".to_owned(), true),
            b's' => Node::Set("\\s".to_owned(), false),
            b'S' => Node::Set("\\s".to_owned(), true),
            b'b' if !self.dialect.awk => Node::Boundary,
            b'y' if self.dialect.awk => Node::Boundary,
            b'B' => Node::NotBoundary,
            b'<' => Node::WordStart,
            b'>' => Node::WordEnd,
            b'`' => Node::BufferStart,
            b'\'' => Node::BufferEnd,
            b'1'..=b'9' if !self.dialect.awk => {
                let group = usize::from(byte - b'0');
                if group > self.groups || self.open.contains(&group) {
                    return Err("Invalid back reference".to_owned());
                }
                self.has_references = true;
                Node::Reference(group)
            }
            b'{' if !self.dialect.extended => {
                if before.is_empty() {
                    return Err("Invalid preceding regular expression".to_owned());
                }
                self.at -= 2;
                return Err("Invalid preceding regular expression".to_owned());
            }
            b'+' | b'?' if !self.dialect.extended && !before.is_empty() => Node::Literal(vec![byte]),
            _ => match escaped(byte).filter(|_| self.dialect.escapes) {
                Some(meant) => Node::Literal(vec![meant]),
                None => {
                    self.at -= 1;
                    self.character()
                }
            },
        };
        Ok(simple)
    }

    fn repeated(&mut self, mut node: Node) -> Result<Node, String> {
        if !self.dialect.extended && matches!(node, Node::Start) {
            return Ok(node);
        }
        loop {
            if self.rest().first() == Some(&b'*') {
                self.at += 1;
                node = Node::Repeat(Box::new(node), 0, None);
            } else if self.takes(b'+') {
                node = Node::Repeat(Box::new(node), 1, None);
            } else if self.takes(b'?') {
                node = Node::Repeat(Box::new(node), 0, Some(1));
            } else if self.sees(b'{') {
                let before = self.at;
                self.takes(b'{');
                match self.interval()? {
                    Some((least, most)) => node = Node::Repeat(Box::new(node), least, most),
                    // In extended syntax, a brace that begins no interval is itself.
                    None => {
                        self.at = before;
                        let brace = self.character();
                        return Ok(Node::Concat(vec![node, brace]));
                    }
                }
            } else {
                return Ok(node);
            }
        }
    }

    fn interval(&mut self) -> Result<Option<(u32, Option<u32>)>, String> {
        let extended = self.dialect.extended;
        let least = self.number()?;
        let comma = self.rest().first() == Some(&b',');
        if comma {
            self.at += 1;
        }
        let most = if comma { self.number()? } else { least };
        if !self.takes(b'}') {
            if extended {
                return Ok(None);
            }
            return Err(if self.rest().is_empty() { "Unmatched \\{" } else { "Invalid content of \\{\\}" }.to_owned());
        }
        if least.is_none() && !comma {
            return if extended { Ok(None) } else { Err("Invalid content of \\{\\}".to_owned()) };
        }
        let least = least.unwrap_or(0);
        if most.is_some_and(|most| most < least) {
            return Err("Invalid content of \\{\\}".to_owned());
        }
        if least > REPEAT_MAX || most.is_some_and(|most| most > REPEAT_MAX) {
            return Err("Regular expression too big".to_owned());
        }
        Ok(Some((least, most)))
    }

    fn number(&mut self) -> Result<Option<u32>, String> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = String::from_utf8_lossy(self.rest().get(..digits).unwrap_or_default()).into_owned();
        self.at += digits;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| "Regular expression too big".to_owned())
    }

    fn bracket(&mut self) -> Result<Node, String> {
        self.at += 1;
        let unmatched = || "Unmatched [, [^, [:, [., or [=".to_owned();
        let negated = self.rest().first() == Some(&b'^');
        if negated {
            self.at += 1;
        }
        let mut class = String::new();
        let mut first = true;
        loop {
            let rest = self.rest();
            let Some(&byte) = rest.first() else { return Err(unmatched()) };
            if byte == b']' && !first {
                self.at += 1;
                break;
            }
            first = false;
            if byte == b'[' && rest.get(1) == Some(&b':') {
                let Some(length) = find(rest, b":]") else { return Err(unmatched()) };
                let name = rest.get(2..length).unwrap_or_default();
                class.push_str(named(name).ok_or("Invalid character class name")?);
                self.at += length + 2;
                continue;
            }
            let from = self.bracket_character().ok_or_else(unmatched)??;
            let rest = self.rest();
            if rest.first() == Some(&b'-') && rest.get(1).is_some_and(|&next| next != b']') {
                self.at += 1;
                let to = self.bracket_character().ok_or_else(unmatched)??;
                let (Ok(low), Ok(high)) = (from, to) else { return Err("Invalid collation character".to_owned()) };
                if low > high {
                    return Err("Invalid range end".to_owned());
                }
                push_character(&mut class, low);
                class.push('-');
                push_character(&mut class, high);
            } else {
                match from {
                    Ok(character) => push_character(&mut class, character),
                    Err(byte) => class.push_str(&format!("(?-u:\\x{byte:02x})")),
                }
            }
        }
        Ok(Node::Set(class, negated))
    }

    /// One character of a bracket expression, or one byte that is none.
    #[allow(clippy::type_complexity)]
    fn bracket_character(&mut self) -> Option<Result<Result<char, u8>, String>> {
        let rest = self.rest();
        if rest.first() == Some(&b'[') && matches!(rest.get(1), Some(b'.' | b'=')) {
            let closing = [*rest.get(1)?, b']'];
            let length = find(rest, &closing)?;
            let inner = rest.get(2..length)?;
            let Some(character) = std::str::from_utf8(inner).ok().and_then(|text| text.chars().next()) else {
                return Some(Err("Invalid collation character".to_owned()));
            };
            if character.len_utf8() != inner.len() {
                return Some(Err("Invalid collation character".to_owned()));
            }
            self.at += length + 2;
            return Some(Ok(Ok(character)));
        }
        if rest.first() == Some(&b'\\')
            && let Some(&next) = rest.get(1)
        {
            if let Some(meant) = escaped(next).filter(|_| self.dialect.escapes) {
                self.at += 2;
                return Some(Ok(Ok(char::from(meant))));
            }
            if self.dialect.awk {
                self.at += 1;
            }
        }
        let length = character_length(self.rest());
        let bytes = self.rest().get(..length)?;
        let character = std::str::from_utf8(bytes).ok().and_then(|text| text.chars().next());
        let byte = bytes.first().copied()?;
        self.at += length;
        Some(Ok(character.ok_or(byte)))
    }
}

/// What `\n` and its like mean.
pub fn escaped(byte: u8) -> Option<u8> {
    Some(match byte {
        b'n' => b'\n',
        b't' => b'\t',
        b'f' => 0x0c,
        b'v' => 0x0b,
        b'a' => 0x07,
        b'r' => b'\r',
        _ => return None,
    })
}

/// How many bytes the first character has; 1 for a byte that begins none.
pub fn character_length(text: &[u8]) -> usize {
    let length = match text.first() {
        None => return 0,
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        Some(_) => return 1,
    };
    match text.get(..length) {
        Some(bytes) if std::str::from_utf8(bytes).is_ok() => length,
        _ => 1,
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    (2..text.len()).find(|&at| text.get(at..).is_some_and(|rest| rest.starts_with(what)))
}

/// A character as `regex-syntax` reads it in a class.
fn push_character(class: &mut String, character: char) {
    if character.is_ascii() && !character.is_ascii_alphanumeric() {
        class.push_str(&format!("\\x{:02x}", u32::from(character)));
    } else {
        class.push(character);
    }
}

fn named(name: &[u8]) -> Option<&'static str> {
    Some(match name {
        b"alpha" => "\\p{Alphabetic}",
        b"digit" => "0-9",
        b"alnum" => "\\p{Alphabetic}\\p{Nd}",
        b"upper" => "\\p{Uppercase}",
        b"lower" => "\\p{Lowercase}",
        b"space" => "\\s",
        b"blank" => " \\t",
        b"punct" => "\\p{P}\\p{S}",
        b"print" => "[^\\p{C}]",
        b"graph" => "[^\\p{C}\\p{Z}]",
        b"cntrl" => "\\p{Cc}",
        b"xdigit" => "0-9A-Fa-f",
        _ => return None,
    })
}
