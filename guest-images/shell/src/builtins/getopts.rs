//! `getopts`.

use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;

pub fn getopts(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let rest =
        if arguments.get(1).is_some_and(|first| first == b"--") { &arguments[2..] } else { &arguments[1..] };
    let [known, name, given @ ..] = rest else {
        return Ok(shell.usage("getopts optstring name [arg ...]"));
    };
    let words = if given.is_empty() { shell.positional.clone() } else { given.to_vec() };
    let index = crate::bytes::decimal(&shell.value_or_empty(b"OPTIND")).unwrap_or(1).max(1);
    let mut index = usize::try_from(index).unwrap_or(1);
    let silent = known.first() == Some(&b':');
    let loud = !silent && shell.variable_value(b"OPTERR").is_none_or(|value| value != b"0");
    let mut offset = shell.options_offset;
    let word = words.get(index - 1);
    if offset == 0 {
        let ends = match word {
            None => true,
            Some(word) => word.len() < 2 || word[0] != b'-',
        };
        if ends {
            return end(shell, name, index);
        }
        if word.is_some_and(|word| word == b"--") {
            return end(shell, name, index + 1);
        }
        offset = 1;
    }
    let Some(word) = word.filter(|word| offset < word.len()) else { return end(shell, name, index) };
    let letter = word[offset];
    let place = known.iter().position(|&other| other == letter).filter(|_| letter != b':');
    let takes = place.is_some_and(|at| known.get(at + 1) == Some(&b':'));
    let mut argument = None;
    let mut found = letter;
    let last = offset + 1 >= word.len();
    if place.is_none() {
        found = b'?';
        if silent {
            argument = Some(vec![letter]);
        } else if loud {
            let message = format!("illegal option -- {}", char::from(letter));
            report(shell, &message);
        }
    }
    if takes {
        if !last {
            argument = Some(word[offset + 1..].to_vec());
            index += 1;
        } else if let Some(next) = words.get(index) {
            argument = Some(next.clone());
            index += 2;
        } else {
            index += 1;
            if silent {
                found = b':';
                argument = Some(vec![letter]);
            } else {
                found = b'?';
                if loud {
                    let message = format!("option requires an argument -- {}", char::from(letter));
                    report(shell, &message);
                }
            }
        }
        offset = 0;
    } else if last {
        index += 1;
        offset = 0;
    } else {
        offset += 1;
    }
    set_index(shell, index)?;
    shell.options_offset = offset;
    match argument {
        Some(argument) => shell.assign(b"OPTARG", argument)?,
        None => shell.variables.unset(b"OPTARG"),
    }
    assign_name(shell, name, found)
}

fn report(shell: &mut Shell, message: &str) {
    let name = shell.name.clone();
    shell.flush_to(1);
    crate::system::write_all(2, &[name.as_slice(), b": ", message.as_bytes(), b"\n"].concat()).ok();
}

fn set_index(shell: &mut Shell, index: usize) -> Result<()> {
    shell.assign(b"OPTIND", index.to_string().into_bytes())
}

fn assign_name(shell: &mut Shell, name: &[u8], letter: u8) -> Result<Status> {
    if !crate::bytes::is_name(name) {
        shell.complain_as("getopts", [b"`", name, b"': not a valid identifier"].concat());
        return Ok(1);
    }
    shell.assign(name, vec![letter])?;
    Ok(0)
}

fn end(shell: &mut Shell, name: &[u8], index: usize) -> Result<Status> {
    set_index(shell, index)?;
    shell.options_offset = 0;
    shell.variables.unset(b"OPTARG");
    assign_name(shell, name, b'?')?;
    Ok(1)
}
