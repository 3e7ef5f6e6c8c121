//! Who makes a commit: what the guest's environment, `-c` and the user's configuration say, in that
//! order.

use super::Person;
use super::command::Context;
use super::failure::{Failure, Result};
use super::{Moment, dates::DateForm};

/// A name, an address and a time as they stand in a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) name: Vec<u8>,
    pub(super) email: Vec<u8>,
    pub(super) time: Moment,
}

impl Identity {
    /// Fills in what a person does not tell.
    pub(super) fn of(cx: &Context<'_>, person: &Person) -> Result<Self> {
        let known = |own: &Option<String>, key: &str| {
            let set = cx.settings.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.clone());
            own.clone().or(set).or_else(|| cx.session.config.get_string(key).ok())
        };
        let name = known(&person.name, "user.name").map(|name| clean(name.as_bytes())).unwrap_or_default();
        let email = known(&person.email, "user.email").map(|email| clean(email.as_bytes()));
        match email {
            Some(email) if !name.is_empty() => Ok(Self { name, email, time: person.time }),
            _ => Err(Failure::fatal("no name and address to commit with").hint(
                "git -c user.name=NAME -c user.email=ADDRESS commit …, or GIT_AUTHOR_NAME and the like",
            )),
        }
    }

    /// Reads `NAME <ADDRESS>`.
    pub(super) fn parse(text: &str, time: Moment) -> Result<Self> {
        let parts = text.split_once('<').and_then(|(name, rest)| Some((name, rest.split_once('>')?.0)));
        let (name, email) = parts.ok_or_else(|| {
            Failure::fatal(format!("--author '{text}' is not 'Name <email>' and matches no existing author"))
        })?;
        Ok(Self { name: clean(name.as_bytes()), email: clean(email.as_bytes()), time })
    }

    /// As in the header of a commit.
    pub(super) fn header(&self) -> Vec<u8> {
        let time = DateForm::Raw.print(self.time, self.time);
        [&self.name, &b" <"[..], &self.email, b"> ", time.as_bytes()].concat()
    }

    /// `NAME <ADDRESS>`
    pub(super) fn shown(&self) -> Vec<u8> {
        [&self.name, &b" <"[..], &self.email, b">"].concat()
    }
}

/// Takes out what would end a name early, and what git cuts from its ends.
fn clean(text: &[u8]) -> Vec<u8> {
    let is_crud = |byte: &u8| *byte <= b' ' || b".,:;<>\"\\'".contains(byte);
    let start = text.iter().position(|byte| !is_crud(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_crud(byte)).map_or(start, |at| at + 1);
    let inner = text.get(start..end).unwrap_or_default();
    inner.iter().copied().filter(|byte| !matches!(byte, b'<' | b'>' | b'\n' | 0)).collect()
}
