//! Values: numbers, strings, and strings that look like numbers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

#[derive(Debug, Clone, Default)]
pub enum Value {
    #[default]
    Unset,
    Number(f64),
    Text(Rc<Vec<u8>>),
    /// From the input: it compares as a number if it looks like one.
    Input(Rc<Vec<u8>>),
}

/// An array; its keys come in the order in which they were made.
#[derive(Debug, Default)]
pub struct Array {
    map: HashMap<Rc<Vec<u8>>, (u64, Value)>,
    next: u64,
}

impl Array {
    pub fn get(&self, key: &Vec<u8>) -> Option<&Value> {
        self.map.get(key).map(|(_, value)| value)
    }

    pub fn entry(&mut self, key: Vec<u8>) -> &mut Value {
        let next = self.next;
        let (made, value) = self.map.entry(Rc::new(key)).or_insert((next, Value::Unset));
        if *made == next {
            self.next += 1;
        }
        value
    }

    pub fn set(&mut self, key: Vec<u8>, value: Value) {
        *self.entry(key) = value;
    }

    pub fn remove(&mut self, key: &Vec<u8>) {
        self.map.remove(key);
    }

    pub fn clear(&mut self) {
        self.map.clear();
    }

    pub fn len(&self) -> usize {
        self.map.len()
    }

    pub fn keys(&self) -> Vec<Rc<Vec<u8>>> {
        let mut keys: Vec<(u64, Rc<Vec<u8>>)> = self.map.iter().map(|(key, (made, _))| (*made, Rc::clone(key))).collect();
        keys.sort_unstable_by_key(|(made, _)| *made);
        keys.into_iter().map(|(_, key)| key).collect()
    }
}

pub type Shared = Rc<RefCell<Array>>;

/// What a variable is.
#[derive(Debug, Clone, Default)]
pub enum Cell {
    #[default]
    Untyped,
    /// Not used yet, but if it is as an array, the caller's is this one.
    Pending(Shared),
    Scalar(Value),
    Array(Shared),
}

pub fn text(bytes: impl Into<Vec<u8>>) -> Value {
    Value::Text(Rc::new(bytes.into()))
}

/// How long the number at the beginning is.
pub fn numeric_length(text: &[u8]) -> usize {
    let digits = |from: usize| text.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut fraction = 0;
    if text.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return 0;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}

fn trimmed(text: &[u8]) -> &[u8] {
    let start = text.iter().take_while(|byte| b" \t\n\r\x0b\x0c".contains(byte)).count();
    text.get(start..).unwrap_or_default()
}

fn parsed(text: &[u8]) -> f64 {
    // Most numbers are short and whole.
    if !text.is_empty() && text.len() < 16 && text.iter().all(u8::is_ascii_digit) {
        return text.iter().fold(0.0, |value, digit| value * 10.0 + f64::from(digit - b'0'));
    }
    std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix('+').unwrap_or(text).parse().ok()).unwrap_or(0.0)
}

/// The number at the beginning of a text.
pub fn leading_number(text: &[u8]) -> f64 {
    let text = trimmed(text);
    parsed(text.get(..numeric_length(text)).unwrap_or_default())
}

/// The number that a text looks like, blanks around it aside.
pub fn looks_numeric(text: &[u8]) -> Option<f64> {
    let text = trimmed(text);
    let length = numeric_length(text);
    let behind = text.get(length..)?;
    if length == 0 || !trimmed(behind).is_empty() {
        return None;
    }
    Some(parsed(text.get(..length)?))
}

impl Value {
    pub fn number(&self) -> f64 {
        match self {
            Value::Unset => 0.0,
            Value::Number(number) => *number,
            Value::Text(text) | Value::Input(text) => leading_number(text),
        }
    }

    pub fn truth(&self) -> bool {
        match self {
            Value::Unset => false,
            Value::Number(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Input(text) => looks_numeric(text).map_or(!text.is_empty(), |number| number != 0.0),
        }
    }

    /// As a string, by the format that numbers which are not whole get.
    pub fn bytes(&self, format: &[u8]) -> Rc<Vec<u8>> {
        match self {
            Value::Unset => Rc::default(),
            Value::Number(number) => Rc::new(shown(*number, format)),
            Value::Text(text) | Value::Input(text) => Rc::clone(text),
        }
    }

    /// The number that it compares as, if it does.
    pub fn numeric(&self) -> Option<f64> {
        match self {
            Value::Unset => Some(0.0),
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
            Value::Input(text) => looks_numeric(text),
        }
    }
}

pub fn shown(number: f64, format: &[u8]) -> Vec<u8> {
    if number.is_nan() {
        return if number.is_sign_negative() { b"-nan".to_vec() } else { b"nan".to_vec() };
    }
    if number.is_infinite() {
        return if number < 0.0 { b"-inf".to_vec() } else { b"inf".to_vec() };
    }
    if number.fract() == 0.0 {
        // Whole numbers are printed as such, however big.
        #[allow(clippy::cast_possible_truncation)]
        let whole = number as i128;
        if number.abs() < 1e30 {
            return whole.to_string().into_bytes();
        }
        return format!("{number:.0}").into_bytes();
    }
    super::format::format(format, &[Value::Number(number)], format).unwrap_or_default()
}
