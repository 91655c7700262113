//! Where reduce, or a map without one, writes its output.

use crate::ToText;
use crate::counters::Counters;
use crate::host::Host;

/// How much is gathered before it goes to the host, in bytes.
const FLUSH_BYTES: usize = 64 << 10;

/// Takes the output of an attempt.
///
/// Nothing here returns a result: when the host cannot take more, what follows is dropped and the attempt ends as
/// soon as the app's method returns.
pub struct Output<'a> {
    pub(crate) buffer: &'a mut OutputBuffer,
    pub(crate) counters: &'a mut Counters,
    pub(crate) host: &'a Host<'a>,
}

/// What is on its way to the host, and how many records end in it.
#[derive(Debug, Default)]
pub(crate) struct OutputBuffer {
    bytes: Vec<u8>,
    records: u64,
}

impl Output<'_> {
    /// Writes the line `key value`. Whatever is in an output line, such as a key with a space or a newline, is written as it is.
    #[inline]
    pub fn pair(&mut self, key: impl ToText, value: impl ToText) {
        self.put(key);
        self.buffer.bytes.push(b' ');
        self.put(value);
        self.buffer.bytes.push(b'\n');
        self.record_written();
    }

    /// Writes a line; the newline is added.
    #[inline]
    pub fn line(&mut self, line: impl ToText) {
        self.put(line);
        self.buffer.bytes.push(b'\n');
        self.record_written();
    }

    /// Writes a record of any form: these bytes and nothing else.
    #[inline]
    pub fn write(&mut self, record: &[u8]) {
        self.put(record);
        self.record_written();
    }

    /// The same for a record that lies in several parts, which need not be joined.
    #[inline]
    pub fn write_parts(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.put(part));
        self.record_written();
    }

    #[inline]
    fn put(&mut self, part: impl ToText) {
        match part.lend() {
            Some(bytes) if bytes.len() >= FLUSH_BYTES => self.put_long(bytes),
            Some(bytes) => self.buffer.bytes.extend_from_slice(bytes),
            None => part.to_text(&mut self.buffer.bytes),
        }
    }

    /// It goes to the host without a copy, so that a record of any length takes no more memory here.
    #[cold]
    fn put_long(&mut self, bytes: &[u8]) {
        self.buffer.flush(self.host);
        self.host.write(bytes, 0);
    }

    #[inline]
    fn record_written(&mut self) {
        self.buffer.records += 1;
        if self.buffer.bytes.len() >= FLUSH_BYTES {
            self.buffer.flush(self.host);
        }
    }

    /// Adds to a counter of the job. Counters of attempts that do not count are forgotten.
    pub fn count(&mut self, name: &str, delta: i64) {
        self.counters.add(name, delta, self.host);
    }

    /// Says that the attempt is alive. Taking values says so too; this is for a key that takes seconds without.
    pub fn progress(&mut self) {
        self.host.progress();
    }

    /// Whether the attempt is to end, so that a long loop may as well stop.
    #[inline]
    pub fn is_stopping(&self) -> bool {
        self.host.failed()
    }
}

impl OutputBuffer {
    #[cold]
    pub(crate) fn flush(&mut self, host: &Host<'_>) {
        if self.records > 0 || !self.bytes.is_empty() {
            host.write(&self.bytes, self.records);
        }
        self.clear();
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(2 * FLUSH_BYTES);
        self.records = 0;
    }
}
