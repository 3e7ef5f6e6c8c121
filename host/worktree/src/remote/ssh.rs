//! `ssh://` and `user@host:path`, by the user's `ssh` program: agents, keys and known hosts are its matter.

use std::ffi::OsString;
use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use super::address::SshAddress;
use super::program::{Conversation, Invocation};
use super::session::Session;
use super::settings::{Owner, Settings};
use super::utf8::Utf8;
use super::{Access, RemoteError, Ssh};

/// The options are those of OpenSSH. Nothing prompts, and what follows `--` is no option.
pub(super) fn invocation(ssh: &Ssh, address: &SshAddress, service: &str) -> Invocation {
    let host = match &address.user {
        Some(user) => format!("{user}@{}", address.host),
        None => address.host.clone(),
    };
    let port = address.port.map(|port| port.to_string());
    let command = format!("{service} {}", quoted(&address.path));
    let mut arguments = vec!["-o", "BatchMode=yes"];
    if let Some(port) = &port {
        arguments.extend(["-p", port]);
    }
    arguments.extend(["--", &host, &command]);
    match ssh {
        Ssh::Program(program) => Invocation {
            name: program.to_string_lossy().into_owned(),
            program: program.clone(),
            arguments: arguments.into_iter().map(OsString::from).collect(),
        },
        Ssh::Command(line) => Invocation::of_shell("ssh", line, &arguments),
    }
}

/// The program that is to be used.
///
/// # Errors
/// [`RemoteError::Refused`] for a command of the repository's configuration, and for other variants of `ssh`.
pub(super) fn program(access: &Access, settings: &Settings) -> Result<Ssh, RemoteError> {
    if let Some(variant) = settings.last("ssh.variant")
        && !matches!(variant, "ssh" | "auto")
    {
        let reason = "only OpenSSH's options are known; unset it, or use git itself";
        return Err(RemoteError::refused(format!("ssh.variant = {variant}"), reason));
    }
    if let Some(ssh) = &access.ssh {
        return Ok(ssh.clone());
    }
    match settings.all("core.sshcommand").last() {
        Some((line, Owner::User)) => Ok(Ssh::Command((*line).to_owned())),
        Some((_, Owner::Repository)) => Err(RemoteError::refused(
            "core.sshCommand of the repository's configuration",
            "commands are taken from the user's own configuration only; move it there, or name the program",
        )),
        None => Ok(Ssh::Program("ssh".into())),
    }
}

/// One word for the shell of the other side, as git quotes it.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\\''").replace('!', "'\\!'"))
}

/// The pipes to the program on the other side.
pub(super) struct Stream {
    session: Arc<Session>,
    conversation: Conversation,
    /// What libgit2 is to read first.
    advertised: Cursor<Vec<u8>>,
    utf8: Option<Utf8>,
}

impl Stream {
    pub(super) fn start(session: Arc<Session>, address: &SshAddress, service: &str) -> std::io::Result<Self> {
        let conversation = program(&session.access, &session.settings).and_then(|ssh| {
            let invocation = invocation(&ssh, address, service);
            Conversation::start(
                &invocation,
                &session.directory,
                &session.address.to_string(),
                &session.access,
            )
        });
        let conversation = conversation.map_err(|err| session.fail(err))?;
        Ok(Self { session, conversation, advertised: Cursor::default(), utf8: None })
            .map(|stream| stream.for_service(service))
    }

    /// git2 takes what is said about a push for text.
    fn for_service(mut self, service: &str) -> Self {
        self.utf8 = (service == "git-receive-pack").then(Utf8::default);
        self
    }

    pub(super) fn after(mut self, advertised: Cursor<Vec<u8>>) -> Self {
        self.advertised = advertised;
        self
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.advertised.read(buffer)?;
        if count > 0 {
            return Ok(count);
        }
        let (conversation, session) = (&mut self.conversation, &self.session);
        let mut read = |buffer: &mut [u8]| conversation.read(buffer).map_err(|err| session.fail(err));
        let count = match &mut self.utf8 {
            Some(utf8) => utf8.read(&mut read, buffer)?,
            None => read(buffer)?,
        };
        if count == 0 {
            // What it says last comes with its end.
            let _ = self.conversation.end();
        }
        self.session.note(self.conversation.messages());
        Ok(count)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.conversation.write(bytes).map_err(|err| self.session.fail(err))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It has been said good-bye to; it is not killed while it still writes down what it got.
        let _ = self.conversation.end();
        self.session.note(self.conversation.messages());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(ssh: &Ssh, address: &SshAddress) -> Vec<String> {
        let invocation = invocation(ssh, address, "git-upload-pack");
        invocation.arguments.into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn the_host_comes_after_the_options_and_the_path_is_one_word() {
        let address = SshAddress {
            user: Some("git".to_owned()),
            host: "h".to_owned(),
            port: Some(22),
            path: "/it's; rm -rf $HOME!".to_owned(),
        };
        let path = r"git-upload-pack '/it'\''s; rm -rf $HOME'\!''";
        let plain = ["-o", "BatchMode=yes", "-p", "22", "--", "git@h", path];
        assert_eq!(arguments(&Ssh::Program("ssh".into()), &address), plain);
        let shell = ["-c", "ssh -i key \"$@\"", "ssh"].iter().chain(&plain).copied().collect::<Vec<_>>();
        assert_eq!(arguments(&Ssh::Command("ssh -i key".to_owned()), &address), shell);
    }
}
