//! A job as a test asks for it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Ended, Output, Place, Process, Service, gristmill};

/// A job under construction. Each verb at the end gives it an output directory of its own, unless one was chosen.
#[derive(Clone)]
pub struct Job<'p> {
    place: &'p Place,
    app: PathBuf,
    inputs: Vec<PathBuf>,
    options: Vec<OsString>,
    slots: Option<u32>,
    work_dir: Option<PathBuf>,
    output: Option<PathBuf>,
    environment: Vec<(String, OsString)>,
    wrapper: Vec<OsString>,
    program: PathBuf,
}

impl<'p> Job<'p> {
    pub(crate) fn new(place: &'p Place, app: &Path) -> Self {
        Self {
            place,
            app: app.to_owned(),
            inputs: Vec::new(),
            options: Vec::new(),
            slots: None,
            work_dir: None,
            output: None,
            environment: Vec::new(),
            wrapper: Vec::new(),
            program: gristmill().to_owned(),
        }
    }

    /// One more input.
    pub fn input(mut self, path: impl Into<PathBuf>) -> Self {
        self.inputs.push(path.into());
        self
    }

    /// More inputs.
    pub fn inputs(mut self, paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.inputs.extend(paths.into_iter().map(Into::into));
        self
    }

    /// How many attempts `run` runs at once.
    pub fn slots(mut self, slots: u32) -> Self {
        self.slots = Some(slots);
        self
    }

    /// `--reduces`
    pub fn reduces(self, reduces: u32) -> Self {
        self.set("--reduces", reduces.to_string())
    }

    /// `--split-size`
    pub fn split_size(self, size: &str) -> Self {
        self.set("--split-size", size)
    }

    /// `--memory`
    pub fn memory(self, size: &str) -> Self {
        self.set("--memory", size)
    }

    /// `--arg KEY=VALUE`
    pub fn arg(self, key: &str, value: impl std::fmt::Display) -> Self {
        self.option("--arg").option(format!("{key}={value}"))
    }

    /// `--max-attempts`
    pub fn max_attempts(self, attempts: u32) -> Self {
        self.set("--max-attempts", attempts.to_string())
    }

    /// `--task-timeout`
    pub fn task_timeout(self, time: &str) -> Self {
        self.set("--task-timeout", time)
    }

    fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        if let Some(place) = self.options.iter().position(|option| option == name) {
            self.options.drain(place..place + 2);
        }
        self.option(name).option(value)
    }

    /// Any other option, word by word.
    pub fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Where intermediate files go, instead of below TMPDIR. Only `run` knows this option.
    pub fn work_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.work_dir = Some(directory.into());
        self
    }

    /// Where the output goes, instead of a directory of its own.
    pub fn output(mut self, directory: impl Into<PathBuf>) -> Self {
        self.output = Some(directory.into());
        self
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Runs through another program, such as `setpriv`, which is given these words and then the command.
    pub fn through(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(OsString::from).collect();
        self
    }

    /// Another copy of the binary.
    pub fn program(mut self, program: &Path) -> Self {
        self.program = program.to_owned();
        self
    }

    /// `gristmill run` to its end.
    pub fn run(&self) -> Ended {
        self.start().wait()
    }

    /// `gristmill run --sequential`, the oracle, to its end.
    pub fn sequential(&self) -> Ended {
        self.start_as("run", &["--sequential".into()]).wait()
    }

    /// Starts `gristmill run`.
    pub fn start(&self) -> Process {
        let mut own = Vec::new();
        if let Some(directory) = &self.work_dir {
            own.extend(["--work-dir".into(), directory.into()]);
        }
        self.start_as("run", &own)
    }

    /// Starts `gristmill run` without slots of its own; workers may join at `address`.
    pub fn start_listening(&self, address: &str) -> Process {
        self.clone().slots(0).start_as("run", &["--listen".into(), address.into()])
    }

    /// `gristmill submit --wait` to its end.
    pub fn submit(&self, service: &Service<'_>) -> Ended {
        self.start_submit(service).wait()
    }

    /// Starts `gristmill submit --wait`.
    pub fn start_submit(&self, service: &Service<'_>) -> Process {
        let own = ["--coordinator".into(), service.address().into(), "--wait".into()];
        self.clone().without_slots().start_as("submit", &own)
    }

    /// `gristmill submit` without waiting for the job: the job's id, and where its output will be.
    pub fn hand_in(&self, service: &Service<'_>) -> (String, PathBuf) {
        let own = ["--coordinator".into(), service.address().into()];
        let ended = self.clone().without_slots().start_as("submit", &own).wait().done();
        (ended.lines()["job"].clone(), ended.output)
    }

    /// Runs the job both ways and wants the same bytes in the same files; gives them back.
    pub fn run_like_sequential(&self) -> Output {
        let expected = self.sequential().done().output();
        let output = self.run().done().output();
        assert!(
            output.parts() == expected.parts(),
            "{output:?} instead of {expected:?} by {:?}",
            self.options
        );
        output
    }

    /// The same for a job without reduces, which makes a file for each map: all bytes in order must be the same.
    pub fn maps_like_sequential(&self) -> Output {
        let expected = self.sequential().done().output();
        let output = self.run().done().output();
        assert!(
            output.bytes() == expected.bytes(),
            "{output:?} instead of {expected:?} by {:?}",
            self.options
        );
        output
    }

    fn without_slots(mut self) -> Self {
        self.slots = None;
        self
    }

    fn start_as(&self, command: &str, own: &[OsString]) -> Process {
        let output = self.output.clone().unwrap_or_else(|| self.place.new_output());
        let mut process = self.command_through();
        process.arg(command).arg("--app").arg(&self.app).arg("--output").arg(&output);
        if let Some(slots) = self.slots {
            process.args(["--slots", &slots.to_string()]);
        }
        process.args(own).args(&self.options).arg("--").args(&self.inputs);
        process.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.place.start(command, process).writing_to(output)
    }

    fn command_through(&self) -> Command {
        let mut words = self.wrapper.iter().map(OsString::as_os_str).chain([OsStr::new(&self.program)]);
        let mut command = self.place.command(words.next().expect("there is a program"));
        command.args(words);
        command
    }
}
