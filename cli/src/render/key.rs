//! Keys and values of the store: text where they are text, never what would garble a terminal or a line.
//!
//! Keys of `--json` are stable: add to them, never rename. What is not UTF-8 comes as `key_hex` and `value_hex`.

use gristmill_model::{Blob, KvChange, KvEntry, KvEvent};
use gristmill_protocol::Written;
use serde_json::{Map, Value, json};

use super::listing::Listed;

/// A key as people see it, on one line; what is not UTF-8 or would garble a terminal is escaped.
pub(crate) fn shown_key(key: &[u8]) -> String {
    gristmill_model::PathBytes(key.to_vec()).to_string()
}

/// What a change has made.
pub(crate) fn written(written: Written) -> Listed {
    let Written { version, revision } = written;
    Listed {
        text: format!("version {version}\nrevision {revision}\n"),
        json: json!({ "version": version, "revision": revision }),
    }
}

/// A key, in one line, without its value.
pub(crate) fn entry_line(KvEntry { key, value, version, revision }: &KvEntry) -> String {
    let bytes = value.0.len();
    format!("{} version={version} revision={revision} bytes={bytes}\n", shown_key(&key.0))
}

/// A key and its value. Costs a copy of the value, which may be large.
pub(crate) fn entry_json(KvEntry { key, value, version, revision }: &KvEntry) -> Value {
    let mut json = Map::new();
    put_bytes(&mut json, "key", key);
    json.insert("version".to_owned(), json!(version));
    json.insert("revision".to_owned(), json!(revision));
    put_bytes(&mut json, "value", value);
    Value::Object(json)
}

/// A change of a key, in one line, without the value.
pub(crate) fn change_line(KvEvent { revision, key, change }: &KvEvent) -> String {
    let shown = shown_key(&key.0);
    match change {
        KvChange::Put { value, version } => {
            format!("{shown} put version={version} revision={revision} bytes={}\n", value.0.len())
        }
        KvChange::Deleted => format!("{shown} deleted revision={revision}\n"),
    }
}

/// A change of a key, with the value. Costs a copy of that, which may be large.
pub(crate) fn change_json(KvEvent { revision, key, change }: &KvEvent) -> Value {
    let mut json = Map::new();
    put_bytes(&mut json, "key", key);
    json.insert("revision".to_owned(), json!(revision));
    match change {
        KvChange::Put { value, version } => {
            json.insert("change".to_owned(), json!("put"));
            json.insert("version".to_owned(), json!(version));
            put_bytes(&mut json, "value", value);
        }
        KvChange::Deleted => {
            json.insert("change".to_owned(), json!("deleted"));
        }
    }
    Value::Object(json)
}

fn put_bytes(json: &mut Map<String, Value>, name: &str, Blob(bytes): &Blob) {
    match std::str::from_utf8(bytes) {
        Ok(text) => json.insert(name.to_owned(), json!(text)),
        Err(_) => {
            let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            let hex: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
            json.insert(format!("{name}_hex"), json!(hex))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(key: &[u8], value: &[u8]) -> KvEntry {
        KvEntry { key: Blob(key.to_vec()), value: Blob(value.to_vec()), version: 3, revision: 17 }
    }

    #[test]
    fn a_key_is_one_line() {
        let one = some(b"a\nb\xff", b"value");
        assert_eq!(entry_line(&one), "a\\nb\\xff version=3 revision=17 bytes=5\n");
        assert_eq!(
            entry_json(&one).to_string(),
            r#"{"key_hex":"610a62ff","revision":17,"value":"value","version":3}"#
        );
        assert_eq!(entry_json(&some(b"k", b"\xff\0"))["value_hex"], "ff00");
    }

    #[test]
    fn what_was_written_is_told_by_version_and_revision() {
        let Listed { text, json } = written(Written { version: 3, revision: 17 });
        assert_eq!(text, "version 3\nrevision 17\n");
        assert_eq!(json.to_string(), r#"{"revision":17,"version":3}"#);
    }

    #[test]
    fn a_change_is_one_line() {
        let put = KvChange::Put { value: Blob(b"v".to_vec()), version: 2 };
        let event = |change| KvEvent { revision: 9, key: Blob(b"k".to_vec()), change };
        let put = event(put);
        assert_eq!(change_line(&put), "k put version=2 revision=9 bytes=1\n");
        assert_eq!(
            change_json(&put).to_string(),
            r#"{"change":"put","key":"k","revision":9,"value":"v","version":2}"#
        );
        let deleted = event(KvChange::Deleted);
        assert_eq!(change_line(&deleted), "k deleted revision=9\n");
        assert_eq!(change_json(&deleted).to_string(), r#"{"change":"deleted","key":"k","revision":9}"#);
    }
}
