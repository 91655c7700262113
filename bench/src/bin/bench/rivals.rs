//! Other systems: what is installed of them, installed if it can be, and the commands of ours that run them.
//!
//! Everything goes into a cache directory of its own. What cannot be had is skipped, with one line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fingerprint::Form;
use crate::program::{Order, Program};
use crate::setting::Setting;

/// The job a rival is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Wordcount,
    Index,
    Sort,
}

impl Job {
    fn script(self) -> &'static str {
        match self {
            Self::Wordcount => "wordcount",
            Self::Index => "index",
            Self::Sort => "sort",
        }
    }
}

pub(crate) struct Rivals<'a> {
    setting: &'a Setting,
    cache: PathBuf,
    /// What was looked for: its version, or why it is not there.
    found: RefCell<BTreeMap<&'static str, Result<String, String>>>,
}

impl<'a> Rivals<'a> {
    pub(crate) fn new(setting: &'a Setting) -> Self {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        let cache = caches.unwrap_or_else(|| setting.root.join("target")).join("gristmill-bench");
        Self { setting, cache, found: RefCell::default() }
    }

    /// All that can do a job on `inputs`, which are named from `directory`; and a line on each, versions or reasons.
    pub(crate) fn of(&self, job: Job, directory: &Path, inputs: &[OsString]) -> (Vec<Program>, Vec<String>) {
        let mut programs = Vec::new();
        let mut notes = Vec::new();
        if !self.setting.rivals {
            return (programs, vec!["Rivals were not asked for.".to_owned()]);
        }
        let mut take =
            |name: &str, found: Result<String, String>, made: &dyn Fn() -> Vec<Program>| match found {
                Ok(version) => {
                    programs.extend(made());
                    notes.push(format!("{name}: {version}."));
                }
                Err(reason) => {
                    crate::say(&format!("{name} skipped: {reason}"));
                    notes.push(format!("{name} was skipped: {reason}."));
                }
            };
        if job != Job::Index {
            take("GNU coreutils", self.coreutils(), &|| vec![self.coreutils_program(job, directory, inputs)]);
        }
        if job == Job::Wordcount {
            take("Renoir", self.renoir(), &|| self.renoir_programs(directory, inputs));
        }
        for (name, package) in [("Polars", "polars"), ("DuckDB", "duckdb"), ("Spark", "pyspark")] {
            let made = || vec![self.python_program(name, package, job, directory, inputs)];
            take(name, self.python(package), &made);
        }
        (programs, notes)
    }

    /// ripgrep, for a pattern in the files `inputs`.
    pub(crate) fn ripgrep(
        &self,
        pattern: &str,
        directory: &Path,
        inputs: &[OsString],
    ) -> Result<(Program, String), String> {
        let known = self.once("ripgrep", || {
            version("rg", &["--version"])
                .or_else(|_| version(self.cache.join("bin/rg"), &["--version"]))
                .or_else(|_| {
                    let root = self.cache.display().to_string();
                    done(Command::new("cargo").args(["install", "--quiet", "ripgrep", "--root", &root]))?;
                    version(self.cache.join("bin/rg"), &["--version"])
                })
        })?;
        let mut program = Program::rival(self.setting, "ripgrep", directory);
        let installed = version("rg", &["--version"]).is_ok();
        program.command = vec![if installed { "rg".into() } else { self.cache.join("bin/rg").into() }];
        let program =
            program.with(&["-j2", "--no-config", "--no-heading", "--no-line-number", "-H", "-e", pattern]);
        Ok((Program { command: [program.command.clone(), inputs.to_vec()].concat(), ..program }, known))
    }

    fn once(
        &self,
        name: &'static str,
        look: impl FnOnce() -> Result<String, String>,
    ) -> Result<String, String> {
        if let Some(found) = self.found.borrow().get(name) {
            return found.clone();
        }
        let found = look();
        self.found.borrow_mut().insert(name, found.clone());
        found
    }

    fn script(&self, path: &str) -> OsString {
        self.setting.root.join("bench/rivals").join(path).into()
    }

    fn coreutils(&self) -> Result<String, String> {
        self.once("coreutils", || version("sort", &["--version"]))
    }

    fn coreutils_program(&self, job: Job, directory: &Path, inputs: &[OsString]) -> Program {
        let mut program = Program::rival(self.setting, "GNU coreutils", directory);
        program.command = vec![self.script(&format!("coreutils/{}.sh", job.script()))];
        program.command.extend_from_slice(inputs);
        program.command.push(program.output.clone().into());
        match job {
            Job::Sort => program.ordered(Order::AllOutputs),
            _ => program.of_form(Form::CountsFirst),
        }
    }

    fn renoir(&self) -> Result<String, String> {
        self.once("renoir", || {
            crate::say("building Renoir's word count");
            let manifest = self.setting.root.join("bench/rivals/renoir/Cargo.toml");
            let mut build = Command::new("cargo");
            build.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]).arg(manifest);
            done(build.arg("--target-dir").arg(self.cache.join("renoir")))?;
            Ok("0.6.0, `keyed` as its users write it, `table` with a hash map of our own in `fold_assoc`"
                .to_owned())
        })
    }

    fn renoir_programs(&self, directory: &Path, inputs: &[OsString]) -> Vec<Program> {
        let program = |way: &str| {
            let mut program = Program::rival(self.setting, &format!("Renoir, {way}"), directory);
            let executable = self.cache.join("renoir/release/renoir-wordcount");
            program.command = vec![executable.into(), way.into()];
            program.command.extend_from_slice(inputs);
            program.command.push(program.output.clone().into());
            program
        };
        vec![program("keyed"), program("table")]
    }

    /// A package in a virtual environment, installed there if it is not yet.
    fn python(&self, package: &'static str) -> Result<String, String> {
        self.once(package, || {
            if package == "pyspark" {
                version("java", &["-version"]).map_err(|_| "there is no Java".to_owned())?;
            }
            let environment = self.cache.join("venv");
            let python = environment.join("bin/python");
            if !python.exists() {
                done(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
            }
            let ask = format!("import {package}; print({package}.__version__)");
            version(&python, &["-c", &ask]).or_else(|_| {
                crate::say(&format!("installing {package}"));
                done(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]))?;
                version(&python, &["-c", &ask])
            })
        })
    }

    fn python_program(
        &self,
        name: &str,
        package: &str,
        job: Job,
        directory: &Path,
        inputs: &[OsString],
    ) -> Program {
        let mut program = Program::rival(self.setting, name, directory);
        let executables = self.cache.join("venv/bin");
        let python = executables.join("python");
        program.command = if package == "pyspark" {
            let submit = vec![executables.join("spark-submit").into()];
            [submit, ["--master", "local[2]", "--driver-memory", "6g"].map(OsString::from).to_vec()].concat()
        } else {
            vec![python.clone().into()]
        };
        program.command.push(self.script(&format!("{package}/{}.py", job.script())));
        let output = [OsString::from(&program.output)];
        match job {
            Job::Index => program.command.extend(output.iter().chain(inputs).cloned()),
            _ => program.command.extend(inputs.iter().chain(&output).cloned()),
        }
        program.environment = vec![
            ("POLARS_MAX_THREADS".to_owned(), "2".to_owned()),
            ("PYSPARK_PYTHON".to_owned(), python.display().to_string()),
            ("SPARK_LOCAL_IP".to_owned(), "127.0.0.1".to_owned()),
        ];
        program.ordered(if job == Job::Sort { Order::AllOutputs } else { Order::Any })
    }
}

/// The first line that a program says of itself.
fn version(command: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Result<String, String> {
    let command = command.as_ref();
    let output = Command::new(command).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", command.display()))?;
    if !output.status.success() {
        return Err(format!("{}: {}", command.display(), output.status));
    }
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or("unknown").trim().to_owned())
}

fn done(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(errors.lines().next_back().unwrap_or("no message").trim().to_owned())
}
