//! Parameters of a job (`--arg key=value`), checked against what the app declares.

use crate::{Error, Result};
use std::fmt::{Display, Write};
use std::str::FromStr;

/// A parameter that an app takes, declared in [`App::PARAMS`](crate::App::PARAMS).
#[derive(Clone, Copy, Debug)]
pub struct Param {
    name: &'static str,
    help: &'static str,
    presence: Presence,
}

#[derive(Clone, Copy, Debug)]
enum Presence {
    Required,
    Optional,
    Default(&'static str),
}

impl Param {
    /// One without which the app does not start.
    pub const fn required(name: &'static str, help: &'static str) -> Self {
        Self { name, help, presence: Presence::Required }
    }

    /// One that may be left out.
    pub const fn optional(name: &'static str, help: &'static str) -> Self {
        Self { name, help, presence: Presence::Optional }
    }

    /// One that has a value when it is left out.
    pub const fn with_default(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self { name, help, presence: Presence::Default(value) }
    }
}

/// The parameters of a job. Only what the app has declared is in them.
#[derive(Clone, Debug)]
pub struct Params {
    declared: &'static [Param],
    given: Vec<(String, String)>,
}

impl Params {
    /// Refuses parameters that are not declared, and misses those that are required.
    pub(crate) fn new(declared: &'static [Param], given: Vec<(String, String)>) -> Result<Self> {
        let unknown = given.iter().find(|(name, _)| declared.iter().all(|param| param.name != name));
        if let Some((name, _)) = unknown {
            return Err(Error::new(format_args!("unknown parameter `{name}`; {}", list(declared))));
        }
        let params = Self { declared, given };
        for param in declared.iter().filter(|param| matches!(param.presence, Presence::Required)) {
            params.required(param.name)?;
        }
        Ok(params)
    }

    /// The value of a parameter: as given, or its default.
    pub fn get(&self, name: &str) -> Option<&str> {
        let given = self.given.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
        given.or_else(|| match self.declared.iter().find(|param| param.name == name)?.presence {
            Presence::Default(value) => Some(value),
            Presence::Required | Presence::Optional => None,
        })
    }

    /// The value of a parameter that must be there.
    pub fn required(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| {
            let help = self.declared.iter().find(|param| param.name == name).map_or("", |param| param.help);
            Error::new(format_args!("parameter `{name}` is missing; add --arg {name}=… ({help})"))
        })
    }

    /// The value of a parameter that must be there, as a `T`.
    pub fn parse<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T> {
        self.required(name).and_then(|value| parsed(name, value))
    }

    /// The value of a parameter that may be absent, as a `T`.
    pub fn parse_optional<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>> {
        self.get(name).map(|value| parsed(name, value)).transpose()
    }
}

fn parsed<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|error| Error::new(format_args!("parameter `{name}` is `{value}`: {error}")))
}

fn list(declared: &[Param]) -> String {
    if declared.is_empty() {
        return "this app takes none".to_owned();
    }
    let mut list = "this app takes:".to_owned();
    for param in declared {
        let presence = match param.presence {
            Presence::Required => " (required)".to_owned(),
            Presence::Optional => String::new(),
            Presence::Default(value) => format!(" (default {value})"),
        };
        // Writing to a string cannot fail.
        let _ = write!(list, "\n  {}{presence}: {}", param.name, param.help);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &[Param] = &[
        Param::required("pattern", "what to look for"),
        Param::with_default("k", "10", "how many"),
        Param::optional("field", "which field"),
    ];

    fn params(given: &[(&str, &str)]) -> Result<Params> {
        Params::new(
            DECLARED,
            given.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        )
    }

    #[test]
    fn a_misspelt_parameter_is_refused_and_the_right_ones_are_told() {
        let message = params(&[("pattern", "x"), ("feild", "1")]).unwrap_err().to_string();
        assert_eq!(
            message,
            "unknown parameter `feild`; this app takes:\n  pattern (required): what to look for\n  \
             k (default 10): how many\n  field: which field"
        );
    }

    #[test]
    fn a_missing_parameter_is_named_with_its_purpose() {
        let message = params(&[("k", "1")]).unwrap_err().to_string();
        assert_eq!(message, "parameter `pattern` is missing; add --arg pattern=… (what to look for)");
    }

    #[test]
    fn defaults_hold_until_given() {
        assert_eq!(params(&[("pattern", "x")]).unwrap().parse::<u32>("k").unwrap(), 10);
        assert_eq!(params(&[("k", "3"), ("pattern", "x")]).unwrap().parse::<u32>("k").unwrap(), 3);
        assert_eq!(params(&[("pattern", "x")]).unwrap().parse_optional::<u32>("field").unwrap(), None);
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_shown() {
        let message =
            params(&[("k", "ten"), ("pattern", "x")]).unwrap().parse::<u32>("k").unwrap_err().to_string();
        assert_eq!(message, "parameter `k` is `ten`: invalid digit found in string");
    }
}
