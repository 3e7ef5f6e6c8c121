//! The JSON Schema of policy files, for editors: made of the same list of keys as the parser.

use serde_json::{Map, Value as Json, json};

use crate::entries::EntryKey;
use crate::settings::{Entries, Setting, Settings, Visitor};
use crate::value::Value;

/// The JSON Schema (2020-12) of a policy file, as pretty-printed JSON.
///
/// What a schema cannot say is left to the parser: values that contradict each other, and profiles that
/// extend each other in a circle.
pub fn json_schema() -> String {
    let mut schema = Schema::default();
    Settings::default().visit(&mut schema);
    let names: Vec<String> = schema.definitions.keys().cloned().collect();
    let mut tables: Map<String, Json> =
        names.iter().map(|name| (name.clone(), json!({ "$ref": format!("#/$defs/{name}") }))).collect();
    let mut profile = tables.clone();
    let extends = json!({ "type": "string", "description": "The profile that this one begins with." });
    profile.insert("extends".to_owned(), extends);
    schema.definitions.insert("profile".to_owned(), object(&profile, "What is different in this profile."));
    let profiles = json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/profile" } });
    tables.insert("profile".to_owned(), profiles);
    let mut root = object(&tables, "What a person allows sandboxes to do.");
    if let Json::Object(root) = &mut root {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".to_owned(), json!(crate::FILE_NAME));
        root.insert("$defs".to_owned(), Json::Object(schema.definitions));
    }
    format!("{root:#}\n")
}

fn object(properties: &Map<String, Json>, about: &str) -> Json {
    json!({ "type": "object", "description": about, "properties": properties, "additionalProperties": false })
}

#[derive(Default)]
struct Schema {
    definitions: Map<String, Json>,
    table: (&'static str, &'static str),
    properties: Map<String, Json>,
}

impl Visitor for Schema {
    fn begin(&mut self, name: &'static str, about: &'static str) {
        self.table = (name, about);
    }

    fn end(&mut self) {
        let (name, about) = self.table;
        let table = object(&std::mem::take(&mut self.properties), about);
        self.definitions.insert(name.to_owned(), table);
    }

    fn setting<T: Value>(&mut self, name: &'static str, about: &'static str, setting: &mut Setting<T>) {
        let mut schema = T::schema();
        if let Json::Object(schema) = &mut schema {
            let default =
                setting.value.write().map_or_else(|| "not set".to_owned(), |default| default.clone());
            schema.insert("description".to_owned(), json!(format!("{about} Default: {default}.")));
        }
        self.properties.insert(name.to_owned(), schema);
    }

    fn entries<K: EntryKey, V: Value>(
        &mut self,
        name: &'static str,
        about: &'static str,
        _: &mut Entries<K, V>,
    ) {
        let value = json!({ "anyOf": [V::schema(), { "const": false }] });
        let table = json!({
            "type": "object", "description": about, "propertyNames": K::schema(), "additionalProperties": value,
        });
        self.definitions.insert(name.to_owned(), table);
    }
}
