//! What is said of a document: its name, the length of that, its size, and a word that is always the same.

use gristmill_sdk::prelude::*;

/// Emits the facts of a document.
pub(crate) fn emit<A: App<Key = str, Value = Bytes>>(split: &Split<'_>, emit: &mut Emit<'_, A>) {
    let number = |number: usize| Bytes(number.to_string().into_bytes());
    emit.pair("name", Bytes::from(split.document()));
    emit.pair("length", number(split.document().len()));
    emit.pair("bytes", number(split.bytes().len()));
    emit.pair("word", Bytes::from(b"same".as_slice()));
}

/// Writes one fact of all documents, sorted.
pub(crate) fn write(key: &str, values: Values<'_, Bytes>, out: &mut Output<'_>) {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    out.pair(key, values.join(&b' ').as_slice());
}
