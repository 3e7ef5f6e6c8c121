//! The text of an expression, already expanded, to a tree.

use super::{Binary, Expression, Place, Unary};
use crate::bytes::{name_length, trim};
use crate::syntax::ast::Bytes;

/// Deeper nesting is refused, so that no text overflows the stack.
const DEPTH_MAX: u32 = 150;

/// # Errors
/// What bash says about the text, without the name of the shell.
pub fn parse(text: &[u8]) -> Result<Expression, Bytes> {
    let mut parser = Parser { text, at: 0, depth: 0, last: 0 };
    parser.blanks();
    if parser.at == text.len() {
        return Ok(Expression::Number(0));
    }
    let expression = parser.comma()?;
    parser.blanks();
    if parser.at < text.len() {
        if parser.peek() == Some(b'=') {
            return Err(parser.error("attempted assignment to non-variable", parser.at));
        }
        return Err(parser.error("syntax error in expression", parser.at));
    }
    Ok(expression)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
    /// Where the last token began.
    last: usize,
}

type Parsed = Result<Expression, Bytes>;

/// Operator, strength, tree; those that are a prefix of another one come later.
const OPERATORS: [(&[u8], u8, Option<Binary>); 20] = [
    (b"**", 12, Some(Binary::Power)),
    (b"<<", 9, Some(Binary::ShiftLeft)),
    (b">>", 9, Some(Binary::ShiftRight)),
    (b"<=", 8, Some(Binary::LessOrEqual)),
    (b">=", 8, Some(Binary::GreaterOrEqual)),
    (b"==", 7, Some(Binary::Equal)),
    (b"!=", 7, Some(Binary::NotEqual)),
    (b"&&", 3, None),
    (b"||", 2, None),
    (b"*", 11, Some(Binary::Multiply)),
    (b"/", 11, Some(Binary::Divide)),
    (b"%", 11, Some(Binary::Remainder)),
    (b"+", 10, Some(Binary::Add)),
    (b"-", 10, Some(Binary::Subtract)),
    (b"<", 8, Some(Binary::Less)),
    (b">", 8, Some(Binary::Greater)),
    (b"&", 6, Some(Binary::BitAnd)),
    (b"^", 5, Some(Binary::BitXor)),
    (b"|", 4, Some(Binary::BitOr)),
    (b"?", 1, None),
];

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn error(&self, what: &str, at: usize) -> Bytes {
        let rest = &self.text[at.min(self.text.len())..];
        [trim_start(self.text), b": ", what.as_bytes(), b" (error token is \"", rest, b"\")"].concat()
    }

    fn enter(&mut self) -> Result<(), Bytes> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("expression recursion level exceeded", self.at));
        }
        Ok(())
    }

    fn comma(&mut self) -> Parsed {
        let mut left = self.assignment()?;
        loop {
            self.blanks();
            if self.peek() != Some(b',') {
                return Ok(left);
            }
            self.last = self.at;
            self.at += 1;
            let right = match self.assignment() {
                Ok(right) => right,
                Err(message) => {
                    self.at = self.text.len();
                    Expression::Wrong(message)
                }
            };
            left = Expression::Comma(Box::new(left), Box::new(right));
        }
    }

    fn assignment(&mut self) -> Parsed {
        self.enter()?;
        let left = self.choice()?;
        self.blanks();
        let result = match self.assignment_operator() {
            None => Ok(left),
            Some((operator, length)) => {
                let Expression::Variable(place) = left else {
                    return Err(self.error("attempted assignment to non-variable", self.at));
                };
                self.last = self.at;
                self.at += length;
                let value = self.assignment()?;
                Ok(Expression::Assign(place, operator, Box::new(value)))
            }
        };
        self.depth -= 1;
        result
    }

    fn assignment_operator(&self) -> Option<(Option<Binary>, usize)> {
        let rest = &self.text[self.at..];
        if rest.first() == Some(&b'=') && rest.get(1) != Some(&b'=') {
            return Some((None, 1));
        }
        let compound: [(&[u8], Binary); 10] = [
            (b"<<=", Binary::ShiftLeft),
            (b">>=", Binary::ShiftRight),
            (b"*=", Binary::Multiply),
            (b"/=", Binary::Divide),
            (b"%=", Binary::Remainder),
            (b"+=", Binary::Add),
            (b"-=", Binary::Subtract),
            (b"&=", Binary::BitAnd),
            (b"^=", Binary::BitXor),
            (b"|=", Binary::BitOr),
        ];
        compound
            .iter()
            .find(|(text, _)| rest.starts_with(text))
            .map(|(text, binary)| (Some(*binary), text.len()))
    }

    fn choice(&mut self) -> Parsed {
        let condition = self.binary(2)?;
        self.blanks();
        if self.peek() != Some(b'?') {
            return Ok(condition);
        }
        self.last = self.at;
        self.at += 1;
        let yes = self.comma()?;
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(self.error("`:' expected for conditional expression", self.at));
        }
        self.last = self.at;
        self.at += 1;
        self.enter()?;
        let no = self.choice()?;
        self.depth -= 1;
        Ok(Expression::Choice(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn operator(&mut self) -> Option<(&'static [u8], u8, Option<Binary>)> {
        self.blanks();
        let rest = &self.text[self.at..];
        let found = OPERATORS.iter().find(|(text, _, _)| rest.starts_with(text))?;
        // `x += 1` is for the assignment.
        if self.assignment_operator().is_some() {
            return None;
        }
        Some(*found)
    }

    fn binary(&mut self, least: u8) -> Parsed {
        let mut left = self.unary()?;
        while let Some((text, strength, binary)) = self.operator() {
            if strength < least || strength == 1 {
                break;
            }
            self.last = self.at;
            self.at += text.len();
            self.enter()?;
            // Only `**` groups from the right.
            let right = self.binary(if strength == 12 { 12 } else { strength + 1 })?;
            self.depth -= 1;
            left = match binary {
                Some(binary) => Expression::Binary(binary, Box::new(left), Box::new(right)),
                None if strength == 3 => Expression::And(Box::new(left), Box::new(right)),
                None => Expression::Or(Box::new(left), Box::new(right)),
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        self.blanks();
        let Some(first) = self.peek() else {
            return Err(self.error("syntax error: operand expected", self.last));
        };
        if (first == b'+' || first == b'-') && self.text.get(self.at + 1) == Some(&first) {
            let mut ahead = self.at + 2;
            while self.text.get(ahead).is_some_and(u8::is_ascii_whitespace) {
                ahead += 1;
            }
            if name_length(&self.text[ahead..]) > 0 {
                self.at = ahead;
                let place = self.place()?;
                let by = if first == b'+' { 1 } else { -1 };
                return Ok(Expression::Step { place, by, before: true });
            }
        }
        let unary = match first {
            b'-' => Unary::Minus,
            b'+' => Unary::Plus,
            b'!' => Unary::Not,
            b'~' => Unary::Complement,
            _ => return self.primary(),
        };
        self.last = self.at;
        self.at += 1;
        self.enter()?;
        let operand = self.unary()?;
        self.depth -= 1;
        Ok(Expression::Unary(unary, Box::new(operand)))
    }

    fn primary(&mut self) -> Parsed {
        let first = self.peek();
        if first == Some(b'(') {
            self.last = self.at;
            self.at += 1;
            self.enter()?;
            let inner = self.comma()?;
            self.depth -= 1;
            self.blanks();
            if self.peek() != Some(b')') {
                return Err(self.error("missing `)'", self.at));
            }
            self.at += 1;
            return Ok(inner);
        }
        if first.is_some_and(|byte| byte.is_ascii_digit()) {
            return self.number();
        }
        if name_length(&self.text[self.at..]) == 0 {
            return Err(self.error("syntax error: operand expected", self.at));
        }
        let place = self.place()?;
        let rest = &self.text[self.at..];
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let by = match rest.get(blanks..blanks + 2) {
            Some(b"++") => 1,
            Some(b"--") => -1,
            _ => return Ok(Expression::Variable(place)),
        };
        self.at += blanks + 2;
        Ok(Expression::Step { place, by, before: false })
    }

    fn place(&mut self) -> Result<Place, Bytes> {
        self.last = self.at;
        let length = name_length(&self.text[self.at..]);
        let name = self.text[self.at..self.at + length].to_vec();
        self.at += length;
        let mut subscript = None;
        if self.peek() == Some(b'[') {
            let start = self.at + 1;
            let mut depth = 0_u32;
            loop {
                match self.peek() {
                    None => return Err(self.error("bad array subscript", start - 1)),
                    Some(b'[') => depth += 1,
                    Some(b']') if depth == 1 => break,
                    Some(b']') => depth -= 1,
                    Some(_) => {}
                }
                self.at += 1;
            }
            subscript = Some(self.text[start..self.at].to_vec());
            self.at += 1;
        }
        Ok(Place { name, subscript })
    }

    fn number(&mut self) -> Parsed {
        self.last = self.at;
        let rest = &self.text[self.at..];
        let length =
            rest.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || b"#@_".contains(&byte)).count();
        let token = &rest[..length];
        let value = number(token).map_err(|what| {
            let mut message = trim_start(self.text).to_vec();
            message.extend_from_slice(format!(": {what} (error token is \"").as_bytes());
            message.extend_from_slice(token);
            message.extend_from_slice(b"\")");
            message
        })?;
        self.at += length;
        Ok(Expression::Number(value))
    }
}

fn trim_start(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

/// A number with its base in front of it: `0x1f`, `017`, `2#101`.
fn number(token: &[u8]) -> Result<i64, &'static str> {
    if let Some(at) = token.iter().position(|&byte| byte == b'#') {
        let base = std::str::from_utf8(&token[..at]).ok().and_then(|text| text.parse::<i64>().ok());
        let Some(base @ 2..=64) = base else { return Err("invalid arithmetic base") };
        if token.len() == at + 1 {
            return Err("invalid integer constant");
        }
        return digits(&token[at + 1..], base);
    }
    if let Some(hexadecimal) = token.strip_prefix(b"0x").or_else(|| token.strip_prefix(b"0X")) {
        return digits(hexadecimal, 16);
    }
    if token.len() > 1 && token[0] == b'0' {
        return digits(&token[1..], 8);
    }
    digits(token, 10)
}

fn digits(text: &[u8], base: i64) -> Result<i64, &'static str> {
    let mut value = 0_i64;
    for &byte in text {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'z' => byte - b'a' + 10,
            b'A'..=b'Z' if base <= 36 => byte - b'A' + 10,
            b'A'..=b'Z' => byte - b'A' + 36,
            b'@' => 62,
            b'_' => 63,
            _ => return Err("invalid number"),
        };
        if i64::from(digit) >= base {
            return Err("value too great for base");
        }
        value = value.wrapping_mul(base).wrapping_add(i64::from(digit));
    }
    Ok(value)
}

/// Numbers as they are most often written, without a tree.
pub(super) fn plain_number(text: &[u8]) -> Option<i64> {
    let text = trim(text);
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty()
        || digits.len() > 18
        || !digits.iter().all(u8::is_ascii_digit)
        || (digits.len() > 1 && digits[0] == b'0')
    {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
