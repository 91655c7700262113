//! Word count.
