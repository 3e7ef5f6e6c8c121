//! Users and groups: a sandbox has one, `user`, whose number is 1000, unless its files say more.

use std::fs;

/// The number of the only user, and of its group.
pub const USER: u32 = 1000;
const NAME: &str = "user";

/// The user that this process runs as.
pub fn current() -> u32 {
    #[cfg(unix)]
    // SAFETY: this cannot fail.
    return unsafe { libc::geteuid() };
    #[cfg(not(unix))]
    USER
}

/// Its group.
pub fn current_group() -> u32 {
    #[cfg(unix)]
    // SAFETY: this cannot fail.
    return unsafe { libc::getegid() };
    #[cfg(not(unix))]
    USER
}

pub fn user_name(number: u32) -> Option<String> {
    name("/etc/passwd", number)
}

pub fn group_name(number: u32) -> Option<String> {
    name("/etc/group", number)
}

pub fn user_number(name: &str) -> Option<u32> {
    number("/etc/passwd", name)
}

pub fn group_number(name: &str) -> Option<u32> {
    number("/etc/group", name)
}

fn name(file: &str, number: u32) -> Option<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = entries(&text).find(|(_, of)| *of == number).map(|(name, _)| name.to_owned());
    found.or_else(|| (number == USER && cfg!(not(unix))).then(|| NAME.to_owned()))
}

fn number(file: &str, name: &str) -> Option<u32> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = entries(&text).find(|(of, _)| *of == name).map(|(_, number)| number);
    found.or_else(|| (name == NAME && cfg!(not(unix))).then_some(USER))
}

fn entries(text: &str) -> impl Iterator<Item = (&str, u32)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?.parse().ok()?;
        Some((name, number))
    })
}
