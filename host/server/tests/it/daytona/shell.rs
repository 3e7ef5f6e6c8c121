//! The double's shell of a session: it understands the lines that the server sends, and plays the commands.

use sandpiper_core::{Exit, Stream};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::double::Play;

pub async fn run(play: &Play, stdin: Box<dyn AsyncRead + Send + Unpin>) -> Exit {
    let mut lines = BufReader::new(stdin).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with("exec ") || line.is_empty() {
            continue;
        }
        let (command, rest) = line.strip_prefix("eval -- $'").unwrap().split_once("' <&60 ").unwrap();
        let mark = rest.split_once("printf '").unwrap().1.split_once("%03d").unwrap().0.to_owned();
        let mut code = 0;
        for command in command.replace("\\n", "; ").split("; ") {
            match command.split(' ').collect::<Vec<_>>()[..] {
                ["read"] => {
                    let read = lines.next_line().await.unwrap().unwrap_or_default();
                    play.say(Stream::Stdout, &format!("read {read}\n")).await;
                }
                ["false"] => code = 1,
                _ => {
                    if let Some(exit) = play.command(command, &mut tokio::io::empty()).await {
                        return exit;
                    }
                }
            }
        }
        for stream in [Stream::Stderr, Stream::Stdout] {
            play.say(stream, &format!("{mark}{code:03}")).await;
        }
        while lines.next_line().await.unwrap().is_some_and(|line| line != mark) {}
    }
    Exit::Code { code: 0 }
}
