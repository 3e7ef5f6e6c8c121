//! `echo`.

use crate::expand::escape::{Style, one};
use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;

pub fn echo(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let mut rest = &arguments[1..];
    let mut newline = true;
    let mut escapes = shell.shopt.xpg_echo;
    while let Some(first) = rest.first()
        && first.len() > 1
        && first[0] == b'-'
        && first[1..].iter().all(|letter| b"neE".contains(letter))
    {
        for letter in &first[1..] {
            match letter {
                b'n' => newline = false,
                b'e' => escapes = true,
                _ => escapes = false,
            }
        }
        rest = &rest[1..];
    }
    for (at, word) in rest.iter().enumerate() {
        if at > 0 {
            shell.out.push(b' ');
        }
        if !escapes {
            shell.out.extend_from_slice(word);
            continue;
        }
        let mut at = 0;
        while at < word.len() {
            if word[at] == b'\\' && at + 1 < word.len() {
                let (length, ends) = one(&word[at + 1..], Style::Echo, &mut shell.out);
                if ends {
                    return Ok(0);
                }
                at += 1 + length;
            } else {
                shell.out.push(word[at]);
                at += 1;
            }
        }
    }
    if newline {
        shell.out.push(b'\n');
    }
    Ok(0)
}
