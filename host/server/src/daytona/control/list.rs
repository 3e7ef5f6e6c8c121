//! Lists sandboxes, page by page.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Extracted;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::view::{Host, TARGET, View};
use crate::daytona::State;
use crate::daytona::extract::Asked;
use crate::daytona::fault::Fault;

/// Sandboxes of a page where nobody says how many, and the most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 200;

/// A page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    items: Vec<View>,
    next_cursor: Option<String>,
}

/// By what sandboxes are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Name,
    CreatedAt,
    LastActivityAt,
    Cpu,
    Memory,
    Disk,
}

/// What is asked for. A list that is empty asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Query {
    limit: usize,
    cursor: Option<String>,
    id: Option<String>,
    name: Option<String>,
    labels: BTreeMap<String, String>,
    states: Vec<String>,
    snapshots: Vec<String>,
    targets: Vec<String>,
    /// Field, lowest and highest: of `cpu`, `memory` and `disk`.
    sizes: [(u64, u64); 3],
    sort: Sort,
    descending: bool,
}

impl Query {
    fn parse(asked: Vec<(String, String)>) -> Result<Self, Fault> {
        let mut query = Self {
            limit: PAGE,
            cursor: None,
            id: None,
            name: None,
            labels: BTreeMap::new(),
            states: Vec::new(),
            snapshots: Vec::new(),
            targets: Vec::new(),
            sizes: [(0, u64::MAX); 3],
            sort: Sort::CreatedAt,
            descending: true,
        };
        for (key, value) in asked {
            query.take(&key, value)?;
        }
        Ok(query)
    }

    fn take(&mut self, key: &str, value: String) -> Result<(), Fault> {
        let wrong =
            |expected: &str| Fault::bad_request(format!("`{key}` cannot be `{value}`, expected {expected}"));
        let number = || value.parse::<u64>().map_err(|_| wrong("a number"));
        let list = || value.split(',').filter(|part| !part.is_empty()).map(str::to_owned);
        match key {
            "limit" => {
                self.limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
                    .ok_or_else(|| wrong("1 to 200"))?;
            }
            "cursor" => self.cursor = Some(value).filter(|cursor| !cursor.is_empty()),
            "id" => self.id = Some(value),
            "name" => self.name = Some(value),
            "labels" => {
                self.labels = serde_json::from_str(&value).map_err(|_| wrong("a JSON object of strings"))?;
            }
            "states" => self.states.extend(list()),
            "snapshots" => self.snapshots.extend(list()),
            "regionIds" => self.targets.extend(list()),
            "minCpu" => self.sizes[0].0 = number()?,
            "maxCpu" => self.sizes[0].1 = number()?,
            "minMemoryGiB" => self.sizes[1].0 = number()?,
            "maxMemoryGiB" => self.sizes[1].1 = number()?,
            "minDiskGiB" => self.sizes[2].0 = number()?,
            "maxDiskGiB" => self.sizes[2].1 = number()?,
            "sort" => {
                self.sort = match value.as_str() {
                    "name" => Sort::Name,
                    "createdAt" => Sort::CreatedAt,
                    "lastActivityAt" => Sort::LastActivityAt,
                    "cpu" => Sort::Cpu,
                    "memoryGib" => Sort::Memory,
                    "diskGib" => Sort::Disk,
                    _ => return Err(wrong("name, createdAt, lastActivityAt, cpu, memoryGib or diskGib")),
                };
            }
            "order" => {
                self.descending = match value.as_str() {
                    "asc" => false,
                    "desc" => true,
                    _ => return Err(wrong("asc or desc")),
                };
            }
            // Neither is ever there.
            "includeErroredDeleted" | "includeWarm" => {}
            _ => return Err(Fault::bad_request(format!("a list of sandboxes is not asked by `{key}` here"))),
        }
        Ok(())
    }

    fn asks_for(&self, view: &View, state: &str) -> bool {
        let among = |list: &[String], own: &str| list.is_empty() || list.iter().any(|one| one == own);
        let within = [view.cpu, view.memory, view.disk].into_iter().zip(self.sizes);
        self.id.as_deref().is_none_or(|id| view.id.starts_with(id))
            && self.name.as_deref().is_none_or(|name| view.name.starts_with(name))
            && self.labels.iter().all(|(name, value)| view.labels.get(name) == Some(value))
            && among(&self.states, state)
            && among(&self.snapshots, &view.snapshot)
            && among(&self.targets, TARGET)
            && within.into_iter().all(|(size, (least, most))| (least..=most).contains(&size))
    }

    /// A text that is in the order of what is sorted by, and where that is the same, of ids.
    fn key(&self, view: &View) -> String {
        let time = |time: crate::daytona::wire::Timestamp| {
            let since = time.0.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            format!("{:039}", since.as_nanos())
        };
        let own = match self.sort {
            Sort::Name => view.name.clone(),
            Sort::CreatedAt => time(view.created_at),
            Sort::LastActivityAt => time(view.last_activity_at),
            Sort::Cpu => format!("{:020}", view.cpu),
            Sort::Memory => format!("{:020}", view.memory),
            Sort::Disk => format!("{:020}", view.disk),
        };
        format!("{own}\0{}", view.id)
    }

    /// The page after the cursor, and the next cursor.
    fn page<T>(&self, mut keyed: Vec<(String, T)>) -> Result<(Vec<T>, Option<String>), Fault> {
        keyed.sort_by(
            |(left, _), (right, _)| {
                if self.descending { right.cmp(left) } else { left.cmp(right) }
            },
        );
        if let Some(cursor) = &self.cursor {
            let after = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let after =
                after.ok_or_else(|| Fault::bad_request(format!("`{cursor}` is no cursor of a list")))?;
            keyed.retain(|(key, _)| if self.descending { *key < after } else { *key > after });
        }
        let more = keyed.len() > self.limit;
        keyed.truncate(self.limit);
        let next = keyed.last().filter(|_| more).map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
        Ok((keyed.into_iter().map(|(_, item)| item).collect(), next))
    }
}

pub(super) async fn list(
    Extracted(state): Extracted<State>,
    Asked(asked): Asked<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Json<Page>, Fault> {
    let query = Query::parse(asked)?;
    let host = Host::of(&headers);
    let mut keyed = Vec::new();
    for held in state.app.registry.list(&BTreeMap::new()) {
        let view = View::of(&held, &host)?;
        if query.asks_for(&view, view.state.word()) {
            keyed.push((query.key(&view), view));
        }
    }
    let (items, next_cursor) = query.page(keyed)?;
    Ok(Json(Page { items, next_cursor }))
}

#[cfg(test)]
mod tests {
    use axum::extract::Query as UriQuery;

    use super::*;

    fn parsed(text: &str) -> Result<Query, Fault> {
        let UriQuery(asked) = UriQuery::try_from_uri(&format!("/?{text}").parse().unwrap()).unwrap();
        Query::parse(asked)
    }

    #[test]
    fn pages_follow_one_another_in_both_orders() {
        let keyed = || ["b", "a", "c"].map(|key| (key.to_owned(), key)).to_vec();
        for (order, expected) in [("asc", ["a", "b", "c"]), ("desc", ["c", "b", "a"])] {
            let first = parsed(&format!("limit=2&order={order}")).unwrap();
            let (items, next) = first.page(keyed()).unwrap();
            assert_eq!(items, expected[..2]);
            let rest = Query { cursor: next, ..first };
            assert_eq!(rest.page(keyed()).unwrap(), (vec![expected[2]], None));
        }
    }

    #[test]
    fn what_is_asked_wrongly_is_refused_by_name() {
        for (text, expected) in [
            ("limit=0", "`limit` cannot be `0`, expected 1 to 200"),
            ("labels=x", "`labels` cannot be `x`, expected a JSON object of strings"),
            ("order=up", "`order` cannot be `up`, expected asc or desc"),
            ("isPublic=true", "a list of sandboxes is not asked by `isPublic` here"),
        ] {
            assert_eq!(parsed(text), Err(Fault::bad_request(expected)), "{text}");
        }
        let broken = Query { cursor: Some("!".to_owned()), ..parsed("").unwrap() };
        assert_eq!(
            broken.page(vec![(String::new(), ())]),
            Err(Fault::bad_request("`!` is no cursor of a list"))
        );
    }

    #[test]
    fn lists_are_given_at_once_or_one_by_one() {
        let query = parsed("states=started,stopped&states=paused&labels=%7B%22a%22%3A%22b%22%7D").unwrap();
        assert_eq!(query.states, ["started", "stopped", "paused"]);
        assert_eq!(query.labels, [("a".to_owned(), "b".to_owned())].into());
    }
}
