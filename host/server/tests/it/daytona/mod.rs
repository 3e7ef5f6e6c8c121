//! Daytona's face.

mod control;
mod files;
mod git;
mod interpreter;
mod process;
mod session;
pub mod shell;
mod socket;

use serde_json::{Value, json};

use crate::client::{Answer, KEY, Served};

/// A sandbox, as this face names it.
pub struct Box<'a> {
    pub served: &'a Served,
    pub id: String,
}

/// A request with the key.
pub async fn call(served: &Served, line: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    raw(served, line, &[("Content-Type", "application/json")], body.as_bytes()).await
}

pub async fn raw(served: &Served, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let key = format!("Bearer {KEY}");
    served.request(line, &[&[("Authorization", &*key)], headers].concat(), body).await
}

pub async fn create(served: &Served, body: Value) -> Box<'_> {
    let answer = call(served, "POST /api/sandbox", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    Box { served, id: answer.json()["id"].as_str().unwrap().to_owned() }
}

pub async fn base(served: &Served) -> Box<'_> {
    create(served, json!({})).await
}

impl Box<'_> {
    /// A request of the toolbox: a method and a path.
    pub async fn toolbox(&self, line: &str, body: &Value) -> Answer {
        call(self.served, &self.line("toolbox", line), body).await
    }

    /// A request of the control plane, below the sandbox.
    pub async fn api(&self, line: &str, body: &Value) -> Answer {
        call(self.served, &self.line("api/sandbox", line), body).await
    }

    pub fn line(&self, under: &str, line: &str) -> String {
        let (method, path) = line.split_once(' ').unwrap();
        format!("{method} /{under}/{}{path}", self.id)
    }
}

/// That an answer is a fault with these, in Daytona's form.
#[track_caller]
pub fn is_fault(answer: &Answer, status: u16, code: &str, message: &str) {
    let body = answer.json();
    let told = (answer.status, body["statusCode"].as_u64(), body["code"].as_str(), body["message"].as_str());
    assert_eq!(told, (status, Some(status.into()), Some(code), Some(message)));
}
