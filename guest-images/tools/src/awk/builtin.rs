//! The functions that there are.

use std::rc::Rc;

use super::record::{Fields, pieces};
use super::run::{Flow, Machine, RLENGTH, RSTART, Run};
use super::tree::Expression;
use super::value::{Cell, Value, text};
use crate::posix::{Span, character_length};

impl<'p> Machine<'p> {
    pub fn builtin(&mut self, name: &str, arguments: &'p [Expression]) -> Run<Value> {
        let missing = || Flow::Failed(format!("{name}: too few arguments"));
        let argument = |at: usize| arguments.get(at).ok_or_else(missing);
        let number = |number: f64| Ok(Value::Number(number));
        #[allow(clippy::cast_precision_loss)]
        let count = |count: usize| Ok(Value::Number(count as f64));
        match name {
            "length" => {
                let Some(of) = arguments.first() else {
                    let record = self.whole();
                    return count(characters(&record));
                };
                if let Expression::Variable(place) = of
                    && let Cell::Array(array) | Cell::Pending(array) = self.cell(*place)
                {
                    return count(array.borrow().len());
                }
                let text = self.bytes(of)?;
                count(characters(&text))
            }
            "substr" => self.substr(arguments),
            "index" => {
                let (whole, part) = (self.bytes(argument(0)?)?, self.bytes(argument(1)?)?);
                let at = memchr::memmem::find(&whole, &part);
                count(at.map_or(0, |at| characters(whole.get(..at).unwrap_or_default()) + 1))
            }
            "split" => self.split_into(arguments),
            "sub" | "gsub" => self.substitute(arguments, name == "gsub"),
            "gensub" => self.gensub(arguments),
            "match" => self.matches(arguments),
            "sprintf" => {
                let mut values = Vec::new();
                for value in arguments {
                    values.push(self.value(value)?);
                }
                let format = values.remove(0).bytes(&self.convert);
                Ok(text(super::format::format(&format, &values, &self.convert)?))
            }
            "sin" => number(self.value(argument(0)?)?.number().sin()),
            "cos" => number(self.value(argument(0)?)?.number().cos()),
            "atan2" => {
                let (y, x) = (self.value(argument(0)?)?.number(), self.value(argument(1)?)?.number());
                number(y.atan2(x))
            }
            "exp" => number(self.value(argument(0)?)?.number().exp()),
            "log" => number(self.value(argument(0)?)?.number().ln()),
            "sqrt" => number(self.value(argument(0)?)?.number().sqrt()),
            "int" => number(self.value(argument(0)?)?.number().trunc()),
            "rand" => {
                // xorshift: the same numbers each time, as POSIX asks for without `srand`.
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                #[allow(clippy::cast_precision_loss)]
                number((self.random >> 11) as f64 / (1u64 << 53) as f64)
            }
            "srand" => {
                let before = self.seed;
                #[allow(clippy::cast_precision_loss)]
                let seed = match arguments.first() {
                    Some(seed) => self.value(seed)?.number(),
                    None => crate::time::now() as f64,
                };
                self.seed = seed;
                self.random = (seed.to_bits() ^ 0x2545_f491_4f6c_dd1d).max(1);
                number(before)
            }
            "tolower" | "toupper" => {
                let bytes = self.bytes(argument(0)?)?;
                let cased = match std::str::from_utf8(&bytes) {
                    Ok(text) if name == "tolower" => text.to_lowercase().into_bytes(),
                    Ok(text) => text.to_uppercase().into_bytes(),
                    Err(_) if name == "tolower" => bytes.to_ascii_lowercase(),
                    Err(_) => bytes.to_ascii_uppercase(),
                };
                Ok(text(cased))
            }
            "system" => {
                let command = self.bytes(argument(0)?)?;
                let code = self.streams.system(&command);
                number(code.map_err(|error| format!("system: {}", crate::text::reason(&error)))?)
            }
            "close" => {
                let name = self.bytes(argument(0)?)?;
                number(self.streams.close(&name).unwrap_or(-1.0))
            }
            "fflush" => number(if self.streams.flush().is_ok() { 0.0 } else { -1.0 }),
            "systime" => {
                #[allow(clippy::cast_precision_loss)]
                number(crate::time::now() as f64)
            }
            "strftime" => {
                let format = match arguments.first() {
                    Some(format) => self.bytes(format)?,
                    None => Rc::new(b"%a %b %e %H:%M:%S %Z %Y".to_vec()),
                };
                #[allow(clippy::cast_possible_truncation)]
                let seconds = match arguments.get(1) {
                    Some(seconds) => self.value(seconds)?.number() as i64,
                    None => crate::time::now(),
                };
                let utc = match arguments.get(2) {
                    Some(utc) => self.value(utc)?.truth(),
                    None => false,
                };
                let mut time = crate::time::local((seconds, 0));
                if utc {
                    time = time.with_time_zone(jiff::tz::TimeZone::UTC);
                }
                Ok(text(crate::time::format(&time, &String::from_utf8_lossy(&format))))
            }
            "mktime" => {
                let bytes = self.bytes(argument(0)?)?;
                let parts: Vec<i64> =
                    String::from_utf8_lossy(&bytes).split_whitespace().filter_map(|part| part.parse().ok()).collect();
                number(made_time(&parts).unwrap_or(-1.0))
            }
            "and" | "or" | "xor" => {
                let mut result: Option<u64> = None;
                for value in arguments {
                    let value = bits(self.value(value)?.number());
                    result = Some(match (result, name) {
                        (None, _) => value,
                        (Some(known), "and") => known & value,
                        (Some(known), "or") => known | value,
                        (Some(known), _) => known ^ value,
                    });
                }
                #[allow(clippy::cast_precision_loss)]
                number(result.unwrap_or(0) as f64)
            }
            "lshift" | "rshift" => {
                let (value, by) = (bits(self.value(argument(0)?)?.number()), bits(self.value(argument(1)?)?.number()));
                let by = u32::try_from(by).unwrap_or(64);
                let shifted = if name == "lshift" { value.checked_shl(by) } else { value.checked_shr(by) };
                #[allow(clippy::cast_precision_loss)]
                number(shifted.unwrap_or(0) as f64)
            }
            "compl" => {
                let value = bits(self.value(argument(0)?)?.number());
                #[allow(clippy::cast_precision_loss)]
                number((!value & ((1 << 53) - 1)) as f64)
            }
            "strtonum" => {
                let value = self.value(argument(0)?)?;
                let bytes = value.bytes(&self.convert);
                let shown = String::from_utf8_lossy(&bytes).trim().to_owned();
                #[allow(clippy::cast_precision_loss)]
                if let Some(hex) = shown.strip_prefix("0x").or_else(|| shown.strip_prefix("0X")) {
                    let digits: String = hex.chars().take_while(char::is_ascii_hexdigit).collect();
                    return number(u64::from_str_radix(&digits, 16).unwrap_or(0) as f64);
                } else if shown.len() > 1 && shown.starts_with('0') && shown.chars().all(|digit| digit.is_digit(8)) {
                    return number(u64::from_str_radix(&shown, 8).unwrap_or(0) as f64);
                }
                number(value.number())
            }
            "asort" | "asorti" => self.sorted(arguments, name == "asorti"),
            "typeof" | "isarray" => {
                let cell = match argument(0)? {
                    Expression::Variable(place) => self.cell(*place).clone(),
                    other => Cell::Scalar(self.value(other)?),
                };
                let kind = match &cell {
                    Cell::Array(_) => "array",
                    Cell::Untyped | Cell::Pending(_) => "untyped",
                    Cell::Scalar(Value::Unset) => "unassigned",
                    Cell::Scalar(Value::Number(_)) => "number",
                    Cell::Scalar(Value::Text(_)) => "string",
                    Cell::Scalar(value) if value.numeric().is_some() => "strnum",
                    Cell::Scalar(_) => "string",
                };
                if name == "isarray" { number(f64::from(u8::from(kind == "array"))) } else { Ok(text(kind)) }
            }
            other => Err(Flow::Failed(format!("function `{other}' is not supported"))),
        }
    }

    fn substr(&mut self, arguments: &'p [Expression]) -> Run<Value> {
        let [whole, start, rest @ ..] = arguments else {
            return Err("substr: too few arguments".to_owned().into());
        };
        let whole = self.bytes(whole)?;
        let start = self.value(start)?.number().round_ties_even();
        let length = match rest.first() {
            Some(length) => self.value(length)?.number().round_ties_even(),
            None => f64::INFINITY,
        };
        let first = start.max(1.0);
        let behind = start + length;
        if length.is_nan() || start.is_nan() || behind <= first {
            return Ok(text(""));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (from, to) = (first as usize - 1, (behind - 1.0).min(1e15) as usize);
        if whole.is_ascii() {
            let to = to.min(whole.len());
            return Ok(text(whole.get(from..to).unwrap_or_default()));
        }
        let mut at = 0;
        let mut begin = whole.len();
        let mut number = 0;
        while at < whole.len() && number < to {
            if number == from {
                begin = at;
            }
            at += character_length(whole.get(at..).unwrap_or_default());
            number += 1;
        }
        Ok(text(whole.get(begin.min(at)..at).unwrap_or_default()))
    }

    fn split_into(&mut self, arguments: &'p [Expression]) -> Run<Value> {
        let [whole, Expression::Variable(place), rest @ ..] = arguments else {
            return Err("split: second argument is not an array".to_owned().into());
        };
        let whole = self.bytes(whole)?;
        let separator = match rest.first() {
            Some(Expression::Regex(regex)) => Fields::Regex(Rc::clone(regex)),
            Some(other) => {
                let text = self.bytes(other)?;
                self.fields_of(&text)?
            }
            None => {
                let text = self.special(super::run::FS).bytes(&self.convert);
                self.fields_of(&text)?
            }
        };
        let gaps = match rest.get(1) {
            Some(Expression::Variable(place)) => Some(self.array(*place)?),
            Some(_) => return Err("split: fourth argument is not an array".to_owned().into()),
            None => None,
        };
        let array = self.array(*place)?;
        array.borrow_mut().clear();
        if let Some(gaps) = &gaps {
            gaps.borrow_mut().clear();
        }
        let mut number = 0usize;
        pieces(&whole, &separator, false, |piece, gap| {
            number += 1;
            let key = number.to_string().into_bytes();
            if let Some(gaps) = &gaps {
                gaps.borrow_mut().set(key.clone(), text(gap));
            }
            array.borrow_mut().set(key, Value::Input(Rc::new(piece.to_vec())));
        });
        #[allow(clippy::cast_precision_loss)]
        Ok(Value::Number(number as f64))
    }

    fn substitute(&mut self, arguments: &'p [Expression], global: bool) -> Run<Value> {
        let [pattern, replacement, rest @ ..] = arguments else {
            return Err("sub: too few arguments".to_owned().into());
        };
        let regex = self.regex(pattern)?;
        let replacement = self.bytes(replacement)?;
        let whole = match rest.first() {
            Some(target) => self.bytes(target)?,
            None => self.whole(),
        };
        let mut made = 0u32;
        let out = replaced(
            &whole,
            |at| regex.find_at(&whole, at).map(|span| vec![Some(span)]),
            |out, spans| {
                made += 1;
                let (from, to) = spans.first().copied().flatten().unwrap_or_default();
                let mut bytes = replacement.iter().copied().peekable();
                while let Some(byte) = bytes.next() {
                    match (byte, bytes.peek()) {
                        (b'\\', Some(b'&')) => {
                            bytes.next();
                            out.push(b'&');
                        }
                        (b'\\', Some(b'\\')) => {
                            bytes.next();
                            out.push(b'\\');
                        }
                        (b'&', _) => out.extend_from_slice(whole.get(from..to).unwrap_or_default()),
                        _ => out.push(byte),
                    }
                }
                true
            },
            global,
        );
        if made > 0 {
            match rest.first() {
                Some(target) => self.assign_to(target, text(out))?,
                None => self.set_record(out),
            }
        }
        Ok(Value::Number(f64::from(made)))
    }

    fn gensub(&mut self, arguments: &'p [Expression]) -> Run<Value> {
        let [pattern, replacement, how, rest @ ..] = arguments else {
            return Err("gensub: too few arguments".to_owned().into());
        };
        let regex = self.regex(pattern)?;
        let replacement = self.bytes(replacement)?;
        let how = self.value(how)?;
        let global = how.bytes(&self.convert).first().is_some_and(|byte| matches!(byte, b'g' | b'G'));
        let wanted = if global { 1.0 } else { how.number().max(1.0) };
        let whole = match rest.first() {
            Some(target) => self.bytes(target)?,
            None => self.whole(),
        };
        let mut number = 0.0;
        let out = replaced(
            &whole,
            |at| regex.captures_at(&whole, at),
            |out, spans| {
                number += 1.0;
                let piece = |group: usize| {
                    let (from, to) = spans.get(group).copied().flatten().unwrap_or_default();
                    whole.get(from..to).unwrap_or_default()
                };
                if !global && number < wanted {
                    out.extend_from_slice(piece(0));
                    return false;
                }
                let mut bytes = replacement.iter().copied().peekable();
                while let Some(byte) = bytes.next() {
                    match (byte, bytes.peek().copied()) {
                        (b'\\', Some(digit @ b'0'..=b'9')) => {
                            bytes.next();
                            out.extend_from_slice(piece(usize::from(digit - b'0')));
                        }
                        (b'\\', Some(other @ (b'&' | b'\\'))) => {
                            bytes.next();
                            out.push(other);
                        }
                        (b'&', _) => out.extend_from_slice(piece(0)),
                        _ => out.push(byte),
                    }
                }
                true
            },
            global,
        );
        Ok(text(out))
    }

    fn matches(&mut self, arguments: &'p [Expression]) -> Run<Value> {
        let [whole, pattern, rest @ ..] = arguments else {
            return Err("match: too few arguments".to_owned().into());
        };
        let whole = self.bytes(whole)?;
        let regex = self.regex(pattern)?;
        let found = if rest.is_empty() {
            regex.find_at(&whole, 0).map(|span| vec![Some(span)])
        } else {
            regex.captures_at(&whole, 0)
        };
        #[allow(clippy::cast_precision_loss)]
        let place = |(from, to): (usize, usize)| {
            let start = characters(whole.get(..from).unwrap_or_default()) + 1;
            (start as f64, characters(whole.get(from..to).unwrap_or_default()) as f64)
        };
        if let Some(array) = rest.first() {
            let Expression::Variable(array) = array else {
                return Err("match: third argument is not an array".to_owned().into());
            };
            let array = self.array(*array)?;
            let mut array = array.borrow_mut();
            array.clear();
            for (group, span) in found.iter().flatten().enumerate() {
                let Some((from, to)) = *span else { continue };
                let key = group.to_string().into_bytes();
                let (start, length) = place((from, to));
                for (name, value) in [("start", start), ("length", length)] {
                    let mut key = key.clone();
                    key.push(0x1c);
                    key.extend_from_slice(name.as_bytes());
                    array.set(key, Value::Number(value));
                }
                let piece = whole.get(from..to).unwrap_or_default();
                array.set(key, Value::Input(Rc::new(piece.to_vec())));
            }
        }
        let (start, length) = match found.and_then(|spans| spans.first().copied().flatten()) {
            Some(span) => place(span),
            None => (0.0, -1.0),
        };
        self.set_number(RSTART, start);
        self.set_number(RLENGTH, length);
        Ok(Value::Number(start))
    }

    fn sorted(&mut self, arguments: &'p [Expression], by_key: bool) -> Run<Value> {
        if arguments.len() > 2 {
            return Err("asort: a third argument is not supported".to_owned().into());
        }
        let place = |argument: Option<&Expression>| match argument {
            Some(Expression::Variable(place)) => Ok(Some(*place)),
            None => Ok(None),
            Some(_) => Err(Flow::Failed("asort: an argument is not an array".to_owned())),
        };
        let Some(source) = place(arguments.first())? else { return Ok(Value::Number(0.0)) };
        let source = self.array(source)?;
        let mut values: Vec<Value> = source
            .borrow()
            .keys()
            .into_iter()
            .filter_map(|key| if by_key { Some(Value::Text(key)) } else { source.borrow().get(&key).cloned() })
            .collect();
        let convert = Rc::clone(&self.convert);
        values.sort_by(|left, right| match (left.numeric(), right.numeric()) {
            (Some(left), Some(right)) => left.total_cmp(&right),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => left.bytes(&convert).cmp(&right.bytes(&convert)),
        });
        let target = match place(arguments.get(1))? {
            Some(target) => self.array(target)?,
            None => source,
        };
        let mut target = target.borrow_mut();
        target.clear();
        let count = values.len();
        for (at, value) in values.into_iter().enumerate() {
            target.set((at + 1).to_string().into_bytes(), value);
        }
        #[allow(clippy::cast_precision_loss)]
        Ok(Value::Number(count as f64))
    }
}

/// A text with its matches replaced: all, or those up to the first for which `put` says so.
fn replaced(
    whole: &[u8],
    mut find: impl FnMut(usize) -> Option<Vec<Span>>,
    mut put: impl FnMut(&mut Vec<u8>, &[Span]) -> bool,
    global: bool,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut ended = None;
    while at <= whole.len() {
        let Some(spans) = find(at) else { break };
        let Some((from, to)) = spans.first().copied().flatten() else { break };
        out.extend_from_slice(whole.get(at..from).unwrap_or_default());
        let mut done = false;
        if !(from == to && ended == Some(from)) {
            done = put(&mut out, &spans) && !global;
        }
        ended = Some(to);
        at = to;
        if from == to {
            let length = character_length(whole.get(at..).unwrap_or_default()).max(1);
            out.extend_from_slice(whole.get(at..(at + length).min(whole.len())).unwrap_or_default());
            at += length;
        }
        if done {
            break;
        }
    }
    out.extend_from_slice(whole.get(at.min(whole.len())..).unwrap_or_default());
    out
}

fn characters(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    let (mut at, mut count) = (0, 0);
    while at < text.len() {
        at += character_length(text.get(at..).unwrap_or_default());
        count += 1;
    }
    count
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bits(number: f64) -> u64 {
    number as u64
}

fn made_time(parts: &[i64]) -> Option<f64> {
    let [year, month, day, hour, minute, second, ..] = parts else { return None };
    let date = jiff::civil::Date::new(i16::try_from(*year).ok()?, i8::try_from(*month).ok()?, i8::try_from(*day).ok()?).ok()?;
    let time = date.at(i8::try_from(*hour).ok()?, i8::try_from(*minute).ok()?, i8::try_from(*second).ok()?, 0);
    let zoned = time.to_zoned(crate::time::zone()).ok()?;
    #[allow(clippy::cast_precision_loss)]
    Some(zoned.timestamp().as_second() as f64)
}
