//! A WebSocket of a client, by its bytes (RFC 6455).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{KEY, Served};

/// What the server sends.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Close(u16, String),
}

pub struct Socket {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Socket {
    pub async fn open(served: &Served, line: &str) -> Self {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        // The key and the answer to it are the standard's example.
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            served.address
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut socket = Self { stream, read: Vec::new() };
        let end = loop {
            if let Some(end) = socket.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            socket.read_more().await;
        };
        let head = String::from_utf8(socket.read.drain(..end + 4).collect()).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        socket
    }

    /// Sends a text, masked with zeros.
    pub async fn send(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap();
        let head: Vec<u8> = match u8::try_from(length) {
            Ok(short @ ..126) => vec![0x81, 0x80 | short],
            _ => [&[0x81, 0xfe][..], &length.to_be_bytes()].concat(),
        };
        self.stream.write_all(&[&head, &[0; 4][..], text.as_bytes()].concat()).await.unwrap();
    }

    /// All frames up to the close.
    pub async fn rest(mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while !matches!(frames.last(), Some(Frame::Close(..))) {
            frames.push(self.frame().await);
        }
        frames
    }

    pub async fn frame(&mut self) -> Frame {
        self.need(2).await;
        let (kind, short) = (self.read[0] & 0x0f, self.read[1]);
        let (head, length) = match short {
            ..126 => (2, usize::from(short)),
            126 => {
                self.need(4).await;
                (4, usize::from(u16::from_be_bytes([self.read[2], self.read[3]])))
            }
            _ => panic!("a frame is larger than any of these tests"),
        };
        self.need(head + length).await;
        let body: Vec<u8> = self.read.drain(..head + length).skip(head).collect();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match kind {
            1 => Frame::Text(text(&body)),
            2 => Frame::Binary(body),
            8 => Frame::Close(u16::from_be_bytes([body[0], body[1]]), text(&body[2..])),
            kind => panic!("{kind}"),
        }
    }

    async fn need(&mut self, length: usize) {
        while self.read.len() < length {
            self.read_more().await;
        }
    }

    async fn read_more(&mut self) {
        let mut buffer = vec![0; 4096];
        let size = self.stream.read(&mut buffer).await.unwrap();
        assert!(size > 0, "the connection ends");
        self.read.extend_from_slice(&buffer[..size]);
    }
}
