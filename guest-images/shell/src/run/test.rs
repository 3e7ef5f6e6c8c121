//! Conditions: `[[ ]]`, and what it shares with `test`.

use super::Shell;
use crate::flow::{Result, Status};
use crate::pattern::Pattern;
use crate::regex::{Regex, Wrong};
use crate::syntax::ast::{Bytes, Command, Test};
use crate::system::{self, Access, FileKind};
use crate::variables::split_subscript;

/// Kept regular expressions; when there are more, all are forgotten.
const REGEXES_MAX: usize = 100;

impl Shell {
    pub(super) fn run_test(&mut self, test: &Test, command: &Command) -> Result<Status> {
        self.debug(command)?;
        Ok(match self.evaluate_test(test)? {
            Some(holds) => u8::from(!holds),
            // bash says nothing about an expression that is none.
            None if self.test_failed_badly => 2,
            None => 1,
        })
    }

    /// None when a number or a regular expression was wrong, which ends the condition.
    fn evaluate_test(&mut self, test: &Test) -> Result<Option<bool>> {
        self.test_failed_badly = false;
        let holds = match test {
            Test::And(left, right) => match self.evaluate_test(left)? {
                Some(true) => return self.evaluate_test(right),
                other => return Ok(other),
            },
            Test::Or(left, right) => match self.evaluate_test(left)? {
                Some(false) => return self.evaluate_test(right),
                other => return Ok(other),
            },
            Test::Not(inner) => return Ok(self.evaluate_test(inner)?.map(|holds| !holds)),
            Test::Group(inner) => return self.evaluate_test(inner),
            Test::NonEmpty(word) => {
                let value = self.expand_to_string(word)?;
                if self.options.xtrace {
                    self.trace_line(&[b"[[ -n ", shown(&value).as_slice(), b" ]]"].concat());
                }
                Ok(!value.is_empty())
            }
            Test::Unary(operator, word) => {
                let value = self.expand_to_string(word)?;
                if self.options.xtrace {
                    self.trace_line(&[b"[[ ", operator.as_slice(), b" ", &shown(&value), b" ]]"].concat());
                }
                self.unary_test(operator[1], &value)
            }
            Test::Binary(operator, left, right) => {
                let left = self.expand_to_string(left)?;
                match operator.as_slice() {
                    b"=~" => {
                        let pattern = self.expand_regex(right)?;
                        self.trace_binary(&left, operator, &pattern);
                        return self.match_regex(&left, &pattern);
                    }
                    b"==" | b"=" | b"!=" => {
                        let pattern = self.expand_pattern(right)?;
                        self.trace_binary(&left, operator, &pattern);
                        let matches = Pattern::new(&pattern, true, self.shopt.nocasematch).matches(&left);
                        Ok(matches == (operator != b"!="))
                    }
                    b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge" => {
                        let right = self.expand_to_string(right)?;
                        self.trace_binary(&left, operator, &right);
                        return self.with_context("[[: ", |shell| {
                            let left = shell.evaluate_text(&left, 0)?;
                            let right = shell.evaluate_text(&right, 0)?;
                            Ok(compare(operator, left, right))
                        });
                    }
                    _ => {
                        let right = self.expand_to_string(right)?;
                        self.trace_binary(&left, operator, &right);
                        Ok(text_test(operator, &left, &right).unwrap_or(false))
                    }
                }
            }
        };
        holds.map(Some)
    }

    fn trace_binary(&mut self, left: &[u8], operator: &[u8], right: &[u8]) {
        if self.options.xtrace {
            self.trace_line(
                &[b"[[ ", shown(left).as_slice(), b" ", operator, b" ", &shown_pattern(right), b" ]]"]
                    .concat(),
            );
        }
    }

    fn match_regex(&mut self, text: &[u8], pattern: &[u8]) -> Result<Option<bool>> {
        let key = [if self.shopt.nocasematch { b"i" } else { b"c" }.as_slice(), pattern].concat();
        let regex = match self.patterns.get(&key) {
            Some(regex) => regex.clone(),
            None => match Regex::new(pattern, self.shopt.nocasematch) {
                Ok(regex) => {
                    if self.patterns.len() >= REGEXES_MAX {
                        self.patterns.clear();
                    }
                    let regex = std::rc::Rc::new(regex);
                    self.patterns.insert(key, regex.clone());
                    regex
                }
                Err(wrong) => {
                    if wrong == Wrong::Reference {
                        self.unsupported("a reference to a group in a regular expression");
                    }
                    self.test_failed_badly = true;
                    return Ok(None);
                }
            },
        };
        let groups = regex.find(text);
        let values: Vec<Bytes> = match &groups {
            None => Vec::new(),
            Some(groups) => groups
                .iter()
                .map(|group| group.map(|(from, to)| text[from..to].to_vec()).unwrap_or_default())
                .collect(),
        };
        self.set_array(b"BASH_REMATCH", values).ok();
        Ok(Some(groups.is_some()))
    }

    pub fn unary_test(&mut self, operator: u8, value: &[u8]) -> Result<bool> {
        let kind = |wanted: FileKind| system::metadata(value).is_some_and(|metadata| metadata.kind == wanted);
        Ok(match operator {
            b'n' => !value.is_empty(),
            b'z' => value.is_empty(),
            b'a' | b'e' => self.file_exists(value),
            b'f' => kind(FileKind::Regular),
            b'd' => kind(FileKind::Directory),
            b'L' | b'h' => {
                system::link_metadata(value).is_some_and(|metadata| metadata.kind == FileKind::Link)
            }
            b'p' => match device_fd(value) {
                Some(fd) => {
                    self.descriptors.open.contains(&fd)
                        && system::metadata(value).is_some_and(|found| found.kind == FileKind::Pipe)
                }
                None => kind(FileKind::Pipe),
            },
            b'S' => kind(FileKind::Socket),
            b'b' => kind(FileKind::Block),
            b'c' => kind(FileKind::Character),
            b's' => system::metadata(value).is_some_and(|metadata| metadata.size > 0),
            b'r' => system::may(value, Access::Read),
            b'w' => system::may(value, Access::Write),
            b'x' => system::may(value, Access::Execute),
            b'g' => system::metadata(value).is_some_and(|metadata| metadata.mode & 0o2000 != 0),
            b'u' => system::metadata(value).is_some_and(|metadata| metadata.mode & 0o4000 != 0),
            b'k' => system::metadata(value).is_some_and(|metadata| metadata.mode & 0o1000 != 0),
            b'O' => system::metadata(value).is_some_and(|metadata| metadata.owner.0 == system::user()),
            b'G' => system::metadata(value).is_some_and(|metadata| metadata.owner.1 == system::group()),
            b'N' => system::metadata(value).is_some_and(|metadata| metadata.modified > metadata.accessed),
            b't' => crate::bytes::decimal(value)
                .and_then(|fd| u32::try_from(fd).ok())
                .is_some_and(system::is_terminal),
            b'o' => self.options.get(&crate::bytes::text(value)).unwrap_or(false),
            b'v' => self.is_set(value)?,
            b'R' => self
                .variables
                .get(value)
                .is_some_and(|variable| variable.attributes.nameref && variable.first().is_some()),
            _ => false,
        })
    }

    fn file_exists(&self, path: &[u8]) -> bool {
        match device_fd(path) {
            Some(fd) => self.descriptors.open.contains(&fd),
            None => system::metadata(path).is_some(),
        }
    }

    /// `-v`: is the variable, or the element, set?
    pub fn is_set(&mut self, name: &[u8]) -> Result<bool> {
        if let Some((name, subscript)) = split_subscript(name) {
            let name = name.to_vec();
            if subscript == b"@" || subscript == b"*" {
                return Ok(!self.all_values(&name).is_empty());
            }
            let subscript = self.expanded_subscript(&name, subscript)?;
            return Ok(self.element_value(&name, &subscript)?.is_some());
        }
        if name.iter().all(u8::is_ascii_digit) && !name.is_empty() {
            let number = crate::bytes::decimal(name)
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or(usize::MAX);
            return Ok(number <= self.positional.len());
        }
        Ok(self.variable_value(name).is_some())
    }
}

/// The descriptor that `/dev/fd/N` and its like name.
fn device_fd(path: &[u8]) -> Option<u32> {
    match path {
        b"/dev/stdin" => Some(0),
        b"/dev/stdout" => Some(1),
        b"/dev/stderr" => Some(2),
        _ => std::str::from_utf8(path.strip_prefix(b"/dev/fd/")?).ok()?.parse().ok(),
    }
}

fn shown(value: &[u8]) -> Bytes {
    if value.is_empty() { b"''".to_vec() } else { crate::expand::escape::quoted_for_set(value) }
}

fn shown_pattern(value: &[u8]) -> Bytes {
    if value.is_empty() { b"''".to_vec() } else { value.to_vec() }
}

pub fn compare(operator: &[u8], left: i64, right: i64) -> bool {
    match operator {
        b"-eq" => left == right,
        b"-ne" => left != right,
        b"-lt" => left < right,
        b"-le" => left <= right,
        b"-gt" => left > right,
        _ => left >= right,
    }
}

/// Comparisons of texts and files; none when the operator is not one.
pub fn text_test(operator: &[u8], left: &[u8], right: &[u8]) -> Option<bool> {
    let modified = |path: &[u8]| system::metadata(path).map(|metadata| metadata.modified);
    Some(match operator {
        b"=" | b"==" => left == right,
        b"!=" => left != right,
        b"<" => left < right,
        b">" => left > right,
        b"-nt" => match (modified(left), modified(right)) {
            (Some(left), Some(right)) => left > right,
            (left, _) => left.is_some(),
        },
        b"-ot" => match (modified(left), modified(right)) {
            (Some(left), Some(right)) => left < right,
            (_, right) => right.is_some(),
        },
        b"-ef" => match (system::metadata(left), system::metadata(right)) {
            (Some(left), Some(right)) => left.identity == right.identity,
            _ => false,
        },
        _ => return None,
    })
}
