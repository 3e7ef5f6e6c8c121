//! `umask` and `ulimit`.

use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::system;

fn current() -> u32 {
    let mask = system::mode_of_new(0o22);
    system::mode_of_new(mask);
    mask
}

pub fn umask(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (letters, rest) = match shell.builtin_letters(arguments, b"pS", "umask [-p] [-S] [mode]") {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let symbolic = letters.contains(&b'S');
    let mask = current();
    let Some(mode) = rest.first() else {
        let prefix = match (letters.contains(&b'p'), symbolic) {
            (true, true) => "umask -S ",
            (true, false) => "umask ",
            _ => "",
        };
        let text = if symbolic { symbols(mask) } else { format!("{mask:04o}") };
        shell.put(format!("{prefix}{text}\n"));
        return Ok(0);
    };
    let text = crate::bytes::text(mode).into_owned();
    let new = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        u32::from_str_radix(&text, 8).ok().filter(|mask| *mask <= 0o777)
    } else {
        from_symbols(&text, mask)
    };
    let Some(new) = new else {
        let what = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            "octal number out of range"
        } else {
            "invalid symbolic mode operator"
        };
        shell.complain_as("umask", format!("{text}: {what}"));
        return Ok(1);
    };
    system::mode_of_new(new);
    if symbolic {
        let text = symbols(new);
        shell.put(format!("{text}\n"));
    }
    Ok(0)
}

fn symbols(mask: u32) -> String {
    let class = |shift: u32| {
        let bits = !mask >> shift & 7;
        let mut text = String::new();
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            if bits & bit != 0 {
                text.push(letter);
            }
        }
        text
    };
    format!("u={},g={},o={}", class(6), class(3), class(0))
}

/// `u=rwx,g-w`, over the permissions that the mask leaves.
fn from_symbols(text: &str, mask: u32) -> Option<u32> {
    let mut allowed = !mask & 0o777;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let mut shifts = Vec::new();
        for letter in who.chars() {
            match letter {
                'u' => shifts.push(6),
                'g' => shifts.push(3),
                'o' => shifts.push(0),
                'a' => shifts.extend([6, 3, 0]),
                _ => return None,
            }
        }
        if who.is_empty() {
            shifts.extend([6, 3, 0]);
        }
        let operator = rest.chars().next()?;
        let mut bits = 0;
        for letter in rest[1..].chars() {
            bits |= match letter {
                'r' => 4,
                'w' => 2,
                'x' | 'X' => 1,
                _ => return None,
            };
        }
        for shift in shifts {
            match operator {
                '+' => allowed |= bits << shift,
                '-' => allowed &= !(bits << shift),
                _ => allowed = allowed & !(7 << shift) | bits << shift,
            }
        }
    }
    Some(!allowed & 0o777)
}

/// The limits are the sandbox's: they are shown as unlimited where they are not bash's to set.
pub fn ulimit(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let mut letter = b'f';
    let mut value = None;
    for argument in &arguments[1..] {
        if argument.first() == Some(&b'-') && argument.len() > 1 {
            for &option in &argument[1..] {
                match option {
                    b'H' | b'S' => {}
                    b'a' => return Ok(shell.unsupported("ulimit -a")),
                    b'c' | b'd' | b'e' | b'f' | b'i' | b'l' | b'm' | b'n' | b'p' | b'q' | b'r' | b's'
                    | b't' | b'u' | b'v' | b'x' => {
                        letter = option;
                    }
                    _ => {
                        shell.complain_as("ulimit", format!("-{}: invalid option", char::from(option)));
                        return Ok(shell.usage("ulimit [-SHabcdefiklmnpqrstuvxPRT] [limit]"));
                    }
                }
            }
        } else {
            value = Some(argument.clone());
        }
    }
    match value {
        None => {
            let shown = match letter {
                b'c' => "0",
                b'n' => "1024",
                b'p' => "8",
                b's' => "8192",
                _ => "unlimited",
            };
            shell.put(format!("{shown}\n"));
            Ok(0)
        }
        // Nothing is made wider, and no core files are written anyway.
        Some(value) if value == b"unlimited" || (letter == b'c' && value == b"0") => Ok(0),
        Some(_) => Ok(shell.unsupported(&format!("ulimit -{} with a value", char::from(letter)))),
    }
}
