//! What goes over the wire, as the API names it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The label by which a sandbox is found whose creation was not answered.
pub(super) const CREATION_LABEL: &str = "sandpiper-creation";

/// The label that official clients set for themselves.
pub(super) const LANGUAGE_LABEL: &str = "code-toolbox-language";

/// `POST /sandbox`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateSandbox {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) snapshot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) build_info: Option<BuildInfo>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disk: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auto_stop_interval: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl_minutes: Option<u64>,
    pub(super) network_block_all: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network_allow_list: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) domain_allow_list: Option<String>,
}

/// What a sandbox is built of, where it is not made of a snapshot.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildInfo {
    pub(super) dockerfile_content: String,
}

/// A sandbox, of which only this is looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sandbox {
    pub(super) id: String,
    #[serde(default)]
    pub(super) state: State,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) snapshot: Option<String>,
    #[serde(default)]
    pub(super) network_block_all: bool,
    pub(super) network_allow_list: Option<String>,
    pub(super) domain_allow_list: Option<String>,
    pub(super) error_reason: Option<String>,
    pub(super) created_at: Option<String>,
    pub(super) auto_destroy_at: Option<String>,
    #[serde(default)]
    pub(super) toolbox_proxy_url: String,
}

/// A sandbox's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Started,
    Stopped,
    Archived,
    Paused,
    Error,
    BuildFailed,
    Destroying,
    Destroyed,
    Snapshotting,
    /// On its way from one to another.
    #[default]
    #[serde(other)]
    Changing,
}

/// `GET /sandbox`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) items: Vec<Sandbox>,
    #[serde(default)]
    pub(super) next_cursor: Option<String>,
}

/// `PUT /sandbox/{id}/labels`.
#[derive(Debug, Serialize)]
pub(super) struct Labels {
    pub(super) labels: BTreeMap<String, String>,
}

/// `POST /sandbox/{id}/snapshot` and `.../fork`.
#[derive(Debug, Serialize)]
pub(super) struct Named {
    pub(super) name: String,
}

/// `GET /sandbox/{id}/toolbox-proxy-url`.
#[derive(Debug, Deserialize)]
pub(super) struct ToolboxUrl {
    pub(super) url: String,
}

/// `GET /sandbox/{id}/ports/{port}/preview-url`.
#[derive(Deserialize)]
pub(super) struct PreviewUrl {
    pub(super) url: String,
    pub(super) token: String,
}

/// `POST /process/session`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateSession {
    pub(super) session_id: String,
}

/// `POST /process/session/{s}/exec`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionCommand {
    pub(super) command: String,
    pub(super) run_async: bool,
    pub(super) suppress_input_echo: bool,
}

/// What a session says of a command that was started.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StartedCommand {
    pub(super) cmd_id: String,
}

/// `GET /process/session/{s}/command/{c}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommandState {
    pub(super) exit_code: Option<i64>,
}

/// `POST .../input`.
#[derive(Debug, Serialize)]
pub(super) struct SessionInput {
    pub(super) data: String,
}

/// `POST /process/execute`.
#[derive(Debug, Serialize)]
pub(super) struct Execute {
    pub(super) command: String,
    /// In seconds.
    pub(super) timeout: u64,
}

/// How a program of `/process/execute` ended.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Executed {
    exit_code: Option<i64>,
    // Older daemons call it so.
    code: Option<i64>,
    #[serde(default)]
    pub(super) result: String,
}

impl Executed {
    pub(super) fn code(&self) -> Option<i64> {
        self.exit_code.or(self.code)
    }
}

/// `POST /files/bulk-download`.
#[derive(Debug, Serialize)]
pub(super) struct Paths<'a> {
    pub(super) paths: &'a [&'a str],
}

/// `GET /system/metrics`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SystemMetrics {
    pub(super) cpu_count: Option<f64>,
    pub(super) cpu_used_pct: Option<f64>,
    pub(super) mem_used: Option<u64>,
    pub(super) mem_total: Option<u64>,
    pub(super) disk_used: Option<u64>,
    pub(super) disk_total: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_is_not_known_is_a_change() {
        let state = |text: &str| serde_json::from_str::<State>(text).unwrap();
        assert_eq!(state("\"started\""), State::Started);
        assert_eq!(state("\"build_failed\""), State::BuildFailed);
        assert_eq!(state("\"pulling_snapshot\""), State::Changing);
    }

    #[test]
    fn a_code_has_two_names() {
        let code = |text: &str| serde_json::from_str::<Executed>(text).unwrap().code();
        assert_eq!((code(r#"{"exitCode":3,"result":""}"#), code(r#"{"code":4}"#)), (Some(3), Some(4)));
    }
}
