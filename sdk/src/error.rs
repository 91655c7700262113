//! The one error type of an app: a message for the user and, where known, a place in the input.

use std::fmt;

/// What the methods of an app return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an app could not go on. Every error type converts with `?`; a text becomes one with [`Error::new`] or
/// [`bail!`](crate::bail).
///
/// The user reads the message together with the task, the document and the offset of the record that was being
/// mapped, so it need not repeat those.
pub struct Error {
    // Boxed, so that a result of `()` is one pointer wide.
    inner: Box<Inner>,
}

struct Inner {
    message: String,
    consumed: Option<u64>,
}

impl Error {
    /// An error with this message.
    pub fn new(message: impl fmt::Display) -> Self {
        Self { inner: Box::new(Inner { message: message.to_string(), consumed: None }) }
    }

    /// The same error, placed: `consumed` bytes of the current block come before what is wrong.
    ///
    /// The iterators of [`Split`](crate::Split) place errors by themselves; this is for apps that cut a block up in
    /// their own way.
    #[must_use]
    pub fn at(mut self, consumed: usize) -> Self {
        self.inner.consumed = Some(consumed as u64);
        self
    }

    /// How many bytes of the block come before what is wrong, if that was said.
    pub(crate) fn consumed(&self) -> Option<u64> {
        self.inner.consumed
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// `Error` itself is no `std::error::Error`: the blanket conversion would overlap with `From<T> for T`.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(message)
    }
}

/// Returns from the function with an [`Error`] whose message is formatted as by [`format!`].
///
/// ```
/// use gristmill_sdk::prelude::*;
/// fn even(n: u32) -> Result<u32> {
///     if n % 2 != 0 { bail!("{n} is odd") }
///     Ok(n)
/// }
/// assert_eq!(even(3).unwrap_err().to_string(), "3 is odd");
/// ```
#[macro_export]
macro_rules! bail {
    ($($message:tt)+) => {
        return ::core::result::Result::Err($crate::Error::new(::core::format_args!($($message)+)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_converted_error_tells_its_causes_once() {
        let cause = "x".parse::<u32>().unwrap_err();
        assert_eq!(Error::from(cause).to_string(), "invalid digit found in string");
    }

    #[test]
    fn a_result_of_nothing_is_one_pointer() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
