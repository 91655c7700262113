//! The key/value store of a group of coordinators, for the programs that drive jobs.

use std::time::Duration;

use gristmill_model::{Blob, KvAnswer, KvEntry, KvEvents, KvOp, Refusal};

use crate::Client;
use crate::limits::{KV_KEY_BYTES_MAX, KV_PAGE, KV_VALUE_BYTES_MAX};
use crate::redial::CallError;

/// The store as a client uses it: linearizable, every change executed at most once however often it is sent. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use gristmill_protocol::{Client, Endpoint, Mismatch};
///
/// let group = Endpoint::parse("127.0.0.1:7071,127.0.0.1:7072,127.0.0.1:7073")?;
/// let kv = Client::new(group, Duration::from_secs(10)).kv();
/// // A counter that any number of programs may count up at once.
/// loop {
///     let entry = kv.get(b"visits").await?;
///     let (visits, version) = match &entry {
///         Some(entry) => (String::from_utf8_lossy(&entry.value.0).parse::<u64>()?, entry.version),
///         None => (0, 0),
///     };
///     match kv.cas(b"visits", version, (visits + 1).to_string().as_bytes()).await? {
///         Ok(_) => break,
///         Err(Mismatch { .. }) => {} // another was faster: look again
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KvClient {
    client: Client,
}

/// A value that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The key's version now. It grows with each write and never comes twice, not even when the key was removed meanwhile.
    pub version: u64,
    /// The store's revision now.
    pub revision: u64,
}

/// A key has another version than was asked for, so nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key has version {version}; 0 means that it is not there")]
pub struct Mismatch {
    /// The version that it has; 0 when it is not there.
    pub version: u64,
}

impl KvClient {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// What a key holds; `None` when it is not there.
    pub async fn get(&self, key: &[u8]) -> Result<Option<KvEntry>, CallError> {
        check_key(key)?;
        let (link, patience) = (self.client.kv_link(), self.client.patience());
        link.call("get", Duration::ZERO, patience, |c, context| {
            let key = Blob(key.to_vec());
            async move { c.get(context, key).await }
        })
        .await
    }

    /// Gives a key this value, whatever it has.
    pub async fn put(&self, key: &[u8], value: &[u8]) -> Result<Written, CallError> {
        let op = KvOp::Put { key: Blob(key.to_vec()), value: Blob(value.to_vec()) };
        written(self.write("put", op).await?)
    }

    /// Adds to the end of a key's value; a key that is not there gets this value.
    pub async fn append(&self, key: &[u8], value: &[u8]) -> Result<Written, CallError> {
        let op = KvOp::Append { key: Blob(key.to_vec()), value: Blob(value.to_vec()) };
        written(self.write("append", op).await?)
    }

    /// Gives a key this value if it has this version; with 0, if it is not there.
    pub async fn cas(
        &self,
        key: &[u8],
        version: u64,
        value: &[u8],
    ) -> Result<Result<Written, Mismatch>, CallError> {
        let op = KvOp::Cas { key: Blob(key.to_vec()), version, value: Blob(value.to_vec()) };
        match self.write("cas", op).await? {
            KvAnswer::Mismatch { version } => Ok(Err(Mismatch { version })),
            answer => written(answer).map(Ok),
        }
    }

    /// Removes a key; says whether it was there.
    pub async fn delete(&self, key: &[u8]) -> Result<bool, CallError> {
        let op = KvOp::Delete { key: Blob(key.to_vec()), version: None };
        deleted(self.write("delete", op).await?)
    }

    /// Removes a key if it has this version.
    pub async fn delete_version(&self, key: &[u8], version: u64) -> Result<Result<(), Mismatch>, CallError> {
        let op = KvOp::Delete { key: Blob(key.to_vec()), version: Some(version) };
        match self.write("delete", op).await? {
            KvAnswer::Mismatch { version } => Ok(Err(Mismatch { version })),
            answer => deleted(answer).map(|_| Ok(())),
        }
    }

    /// All entries whose keys begin with `prefix`, in the order of the keys. Asked for page by page: what is changed meanwhile may be seen
    /// or not.
    pub async fn list(&self, prefix: &[u8]) -> Result<Vec<KvEntry>, CallError> {
        let mut all: Vec<KvEntry> = Vec::new();
        loop {
            let after = all.last().map(|entry| entry.key.0.as_slice());
            let page = self.list_page(prefix, after, KV_PAGE as u32).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// At most `limit` entries whose keys begin with `prefix` and are above `after`; none at the end. A page is one moment of the store.
    pub async fn list_page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<KvEntry>, CallError> {
        check_prefix(prefix)?;
        let (link, patience) = (self.client.kv_link(), self.client.patience());
        link.call("list", Duration::ZERO, patience, |c, context| {
            let (prefix, after) = (Blob(prefix.to_vec()), after.map(|after| Blob(after.to_vec())));
            async move { c.list(context, prefix, after, limit).await }
        })
        .await
    }

    /// Follows the changes of keys that begin with `prefix`: from this revision on, or from now on. To miss nothing after a
    /// [`list`](Self::list), begin the watch first.
    pub fn watch(&self, prefix: &[u8], from_revision: Option<u64>) -> KvWatch {
        KvWatch { client: self.client.clone(), prefix: prefix.to_vec(), next: from_revision }
    }

    async fn write(&self, name: &'static str, op: KvOp) -> Result<KvAnswer, CallError> {
        let (key, value) = match &op {
            KvOp::Put { key, value } | KvOp::Append { key, value } | KvOp::Cas { key, value, .. } => {
                (key, Some(value))
            }
            KvOp::Delete { key, .. } => (key, None),
        };
        check_key(&key.0)?;
        value.map_or(Ok(()), |value| check_value(&value.0))?;
        let link = self.client.kv_link();
        self.client
            .once(name, |ticket| {
                let op = op.clone();
                async move {
                    let (key, done_below) = (ticket.key(), ticket.session.done_below());
                    let write = |c: crate::KvServiceClient, context| async move {
                        c.write(context, key, done_below, op).await
                    };
                    link.call_once(name, link.call_timeout(), write).await
                }
            })
            .await
    }
}

/// Checked by the store as well; here, because what is far too large could not even be sent.
fn check_key(key: &[u8]) -> Result<(), CallError> {
    check_prefix(key)?;
    if key.is_empty() {
        return Err(Refusal::Invalid("the key is empty; a key has at least one byte".to_owned()).into());
    }
    Ok(())
}

fn check_prefix(prefix: &[u8]) -> Result<(), CallError> {
    if prefix.len() <= KV_KEY_BYTES_MAX {
        return Ok(());
    }
    let text = format!("a key of {} bytes is longer than {KV_KEY_BYTES_MAX}", prefix.len());
    Err(Refusal::Invalid(text).into())
}

fn check_value(value: &[u8]) -> Result<(), CallError> {
    if value.len() <= KV_VALUE_BYTES_MAX {
        return Ok(());
    }
    let text = format!("a value of {} bytes is larger than {KV_VALUE_BYTES_MAX}", value.len());
    Err(Refusal::Invalid(text).into())
}

fn written(answer: KvAnswer) -> Result<Written, CallError> {
    match answer {
        KvAnswer::Written { version, revision } => Ok(Written { version, revision }),
        other => Err(senseless(&other)),
    }
}

fn deleted(answer: KvAnswer) -> Result<bool, CallError> {
    match answer {
        KvAnswer::Deleted { existed, .. } => Ok(existed),
        other => Err(senseless(&other)),
    }
}

fn senseless(answer: &KvAnswer) -> CallError {
    Refusal::Invalid(format!("the store's answer {answer:?} does not fit the change")).into()
}

/// The changes of some keys, as they happen.
pub struct KvWatch {
    client: Client,
    prefix: Vec<u8>,
    /// Where to go on; `None` until it is known where the present is.
    next: Option<u64>,
}

impl KvWatch {
    /// Finds out where the present is, if the watch is to begin there: changes from now on will be seen. Otherwise the first
    /// [`next`](Self::next) does.
    pub async fn begin(&mut self) -> Result<(), CallError> {
        if self.next.is_none() {
            self.ask(0).await?;
        }
        Ok(())
    }

    /// The next changes, at least one; or that some are no longer remembered, and what is oldest: the watch goes on from there. An error
    /// ends nothing: ask again to go on.
    pub async fn next(&mut self) -> Result<KvEvents, CallError> {
        self.begin().await?;
        loop {
            let answer = self.ask(self.next.unwrap_or(0)).await?;
            if !matches!(&answer, KvEvents::Events { events, .. } if events.is_empty()) {
                return Ok(answer);
            }
            self.client.keep_waiting().await;
        }
    }

    async fn ask(&mut self, from: u64) -> Result<KvEvents, CallError> {
        let link = self.client.kv_link();
        let wait = link.long_poll_max();
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let answer = link
            .call("watch", wait, self.client.patience(), |c, context| {
                let prefix = Blob(self.prefix.clone());
                async move { c.watch(context, prefix, from, wait_ms).await }
            })
            .await?;
        self.next = Some(match &answer {
            KvEvents::Events { next, .. } => *next,
            KvEvents::Compacted { oldest } => *oldest,
        });
        Ok(answer)
    }
}
