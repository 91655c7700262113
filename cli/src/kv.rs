//! `gristmill kv`: the key/value store of the coordinators, from a shell.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use gristmill_model::KvEvents;
use gristmill_protocol::limits::KV_VALUE_BYTES_MAX;
use gristmill_protocol::{KvClient, Mismatch};
use serde_json::{Value, json};

use crate::arguments::{AskArguments, KvCommand, ValueArguments};
use crate::failure::{Failure, Outcome};
use crate::inspect::{call_failed, client};
use crate::output;
use crate::render::{self, Listed, shown_key};

/// Does one thing with the store.
pub(crate) async fn kv(command: KvCommand) -> Outcome {
    match command {
        KvCommand::Get { key, ask } => get(&store(&ask)?, key.as_bytes(), ask.json).await,
        KvCommand::Put { key, value, ask } => {
            let value = read(value)?;
            let written = store(&ask)?.put(key.as_bytes(), &value).await.map_err(call_failed)?;
            tell(render::written(written), ask.json)
        }
        KvCommand::Append { key, value, ask } => {
            let value = read(value)?;
            let written = store(&ask)?.append(key.as_bytes(), &value).await.map_err(call_failed)?;
            tell(render::written(written), ask.json)
        }
        KvCommand::Cas { key, version, value, ask } => {
            let value = read(value)?;
            let written = store(&ask)?.cas(key.as_bytes(), version, &value).await.map_err(call_failed)?;
            let written = written.map_err(|mismatch| other_version(key.as_bytes(), version, mismatch))?;
            tell(render::written(written), ask.json)
        }
        KvCommand::Delete { key, version, ask } => {
            let existed = delete(&store(&ask)?, key.as_bytes(), version).await?;
            let text = format!("existed {}\n", if existed { "yes" } else { "no" });
            tell(Listed { text, json: json!({ "existed": existed }) }, ask.json)
        }
        KvCommand::List { prefix, ask } => list(&store(&ask)?, prefix.as_bytes(), ask.json).await,
        KvCommand::Watch { prefix, from_revision, count, ask } => {
            watch(&store(&ask)?, &prefix, from_revision, count, ask.json).await
        }
    }
}

fn store(ask: &AskArguments) -> Outcome<KvClient> {
    Ok(client(&ask.coordinator)?.kv())
}

fn tell(listed: Listed, as_json: bool) -> Outcome {
    output::result(&if as_json { render::json(&listed.json) } else { listed.text })
}

async fn get(store: &KvClient, key: &[u8], as_json: bool) -> Outcome {
    let entry = store.get(key).await.map_err(call_failed)?;
    let entry = entry.ok_or_else(|| Failure::failed(anyhow!("there is no key `{}`", shown_key(key))))?;
    if as_json {
        output::result(&render::json(&render::entry_json(&entry)))
    } else {
        output::bytes(&entry.value.0)
    }
}

async fn delete(store: &KvClient, key: &[u8], version: Option<u64>) -> Outcome<bool> {
    let Some(version) = version else { return store.delete(key).await.map_err(call_failed) };
    let deleted = store.delete_version(key, version).await.map_err(call_failed)?;
    deleted.map(|()| true).map_err(|mismatch| other_version(key, version, mismatch))
}

fn other_version(key: &[u8], wanted: u64, Mismatch { version }: Mismatch) -> Failure {
    let key = shown_key(key);
    Failure::failed(match version {
        0 => anyhow!("there is no key `{key}`, so none with version {wanted}; nothing was changed"),
        _ if wanted == 0 => anyhow!("key `{key}` is there, with version {version}; nothing was changed"),
        _ => anyhow!("key `{key}` has version {version}, not {wanted}; nothing was changed"),
    })
}

/// Text is printed page by page: all entries together may be large.
async fn list(store: &KvClient, prefix: &[u8], as_json: bool) -> Outcome {
    let mut after: Option<Vec<u8>> = None;
    let mut all: Vec<Value> = Vec::new();
    loop {
        let page = store.list_page(prefix, after.as_deref(), u32::MAX).await.map_err(call_failed)?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.0.clone());
        if as_json {
            all.extend(page.iter().map(render::entry_json));
        } else {
            output::result(&page.iter().map(render::entry_line).collect::<String>())?;
        }
    }
    if as_json { output::result(&render::json(&json!({ "entries": all }))) } else { Ok(()) }
}

async fn watch(
    store: &KvClient,
    prefix: &OsStr,
    from_revision: Option<u64>,
    count: Option<u64>,
    as_json: bool,
) -> Outcome {
    let mut watch = store.watch(prefix.as_bytes(), from_revision);
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        match watch.next().await.map_err(call_failed)? {
            KvEvents::Events { events, .. } => {
                for event in &events {
                    let told = match as_json {
                        true => render::json(&render::change_json(event)),
                        false => render::change_line(event),
                    };
                    if !output::wanted(told.as_bytes())? {
                        return Ok(());
                    }
                    left -= 1;
                    if left == 0 {
                        break;
                    }
                }
            }
            KvEvents::Compacted { oldest } => {
                let lost = "earlier changes are no longer remembered; list the keys to see how things are";
                output::error(&format!("gristmill: warning: goes on from revision {oldest}: {lost}"));
            }
        }
    }
    Ok(())
}

/// The value that the arguments name.
fn read(arguments: ValueArguments) -> Outcome<Vec<u8>> {
    match arguments {
        ValueArguments { from: Some(path), .. } => read_file(&path),
        ValueArguments { value: Some(value), .. } if value == "-" => {
            read_bounded(io::stdin().lock(), "standard input")
        }
        ValueArguments { value, .. } => Ok(value.unwrap_or_else(OsString::new).as_bytes().to_vec()),
    }
}

fn read_file(path: &Path) -> Outcome<Vec<u8>> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("open {name}")).map_err(Failure::usage)?;
    read_bounded(file, &name)
}

/// Not more than a value may be: what is larger would be refused anyway.
fn read_bounded(source: impl Read, name: &str) -> Outcome<Vec<u8>> {
    let mut value = Vec::new();
    let bytes_max = KV_VALUE_BYTES_MAX as u64;
    let read = source.take(bytes_max + 1).read_to_end(&mut value);
    read.with_context(|| format!("read {name}")).map_err(Failure::usage)?;
    if value.len() > KV_VALUE_BYTES_MAX {
        return Err(Failure::wrong(format!("{name} is larger than a value may be, {bytes_max} bytes")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(failure: &Failure) -> String {
        failure.to_string()
    }

    #[test]
    fn a_value_comes_from_an_argument_or_a_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("value");
        std::fs::write(&path, b"\xffx\n").unwrap();
        let from = |value: Option<&str>, from| read(ValueArguments { value: value.map(Into::into), from });
        assert_eq!(from(Some("v"), None).unwrap(), b"v");
        assert_eq!(from(Some(""), None).unwrap(), b"");
        assert_eq!(from(None, Some(path)).unwrap(), b"\xffx\n");
        let missing = from(None, Some(place.path().join("missing"))).unwrap_err();
        assert!(message(&missing).contains("missing"), "{missing}");
    }

    #[test]
    fn what_is_larger_than_a_value_is_refused_before_it_is_read_whole() {
        assert_eq!(read_bounded(io::repeat(7).take(KV_VALUE_BYTES_MAX as u64), "f").unwrap().len(), 1 << 20);
        let endless = read_bounded(io::repeat(7), "/dev/zero").unwrap_err();
        assert!(message(&endless).contains("/dev/zero is larger"), "{endless}");
    }

    #[test]
    fn a_version_that_does_not_match_is_told_as_what_it_is() {
        let told = |wanted, version| message(&other_version(b"k", wanted, Mismatch { version }));
        assert!(told(3, 4).contains("key `k` has version 4, not 3; nothing was changed"));
        assert!(told(3, 0).contains("there is no key `k`"));
        assert!(told(0, 4).contains("key `k` is there"));
    }
}
