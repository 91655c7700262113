//! A program that is measured: its command, where its results go, how they are read.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::fingerprint::Form;
use crate::setting::Setting;

/// Who a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Yardstick,
    Gristmill,
    Rival,
}

/// What order its results must be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Any,
    AllOutputs,
}

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) command: Vec<OsString>,
    pub(crate) environment: Vec<(String, String)>,
    /// Where it is started: results hold the names of documents as they were given.
    pub(crate) directory: PathBuf,
    /// The directory of its results.
    pub(crate) output: PathBuf,
    pub(crate) stdout: PathBuf,
    pub(crate) form: Form,
    pub(crate) order: Order,
    /// Memory that a slot of Gristmill may use.
    pub(crate) budget_bytes: Option<u64>,
}

impl Program {
    fn new(setting: &Setting, kind: Kind, name: &str, directory: &Path) -> Self {
        let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let output = setting.data.join("out").join(plain);
        let stdout = output.with_extension("stdout");
        Self {
            name: name.to_owned(),
            kind,
            command: Vec::new(),
            environment: Vec::new(),
            directory: directory.to_owned(),
            output,
            stdout,
            form: Form::Lines,
            order: Order::Any,
            budget_bytes: None,
        }
    }

    /// A yardstick: `inputs` are its arguments behind the name of the job.
    pub(crate) fn yardstick(setting: &Setting, job: &str, directory: &Path, inputs: &[OsString]) -> Self {
        let mut program = Self::new(setting, Kind::Yardstick, "yardstick", directory);
        program.command = vec![setting.beside("yardstick"), job.into()];
        program.command.extend_from_slice(inputs);
        program.command.extend(["-o".into(), program.output.clone().into()]);
        program
    }

    /// Gristmill with an app that lies beside it, two slots and two outputs.
    pub(crate) fn gristmill(
        setting: &Setting,
        name: &str,
        app: &str,
        directory: &Path,
        inputs: &[OsString],
    ) -> Self {
        let mut program = Self::new(setting, Kind::Gristmill, name, directory);
        let library = format!("{}{app}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        program.command = vec![setting.beside("gristmill"), "run".into(), "--app".into()];
        program.command.push(setting.beside(&library));
        program.command.extend(["--json", "--quiet", "--slots", "2", "-r", "2", "-o"].map(OsString::from));
        program.command.push(program.output.clone().into());
        program.command.extend_from_slice(inputs);
        program
    }

    pub(crate) fn rival(setting: &Setting, name: &str, directory: &Path) -> Self {
        Self::new(setting, Kind::Rival, name, directory)
    }

    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.command.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Gristmill with so much memory for a slot.
    pub(crate) fn within(mut self, budget_bytes: u64) -> Self {
        self.budget_bytes = Some(budget_bytes);
        self.with(&["--memory", &budget_bytes.to_string()])
    }

    pub(crate) fn ordered(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    pub(crate) fn of_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.output.with_extension("stderr")
    }

    /// Removes the results of an earlier run.
    pub(crate) fn clear(&self) -> Result<()> {
        match fs::remove_dir_all(&self.output) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", self.output.display()))
            }
            _ => Ok(()),
        }
    }

    /// Peak memory of the largest slot, as Gristmill tells it.
    pub(crate) fn peak_slot(&self) -> Result<Option<u64>> {
        if self.kind != Kind::Gristmill {
            return Ok(None);
        }
        let json = fs::read(&self.stdout)?;
        let result: serde_json::Value = serde_json::from_slice(&json)
            .with_context(|| format!("{}: its result is not JSON", self.name))?;
        Ok(result.get("memory_peak_bytes").and_then(serde_json::Value::as_u64))
    }
}
