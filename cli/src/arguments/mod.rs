//! The command line as people and scripts see it: commands, options, help.

mod coordinator;
mod examples;
mod job;
mod kv;
mod members;
pub(crate) mod units;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use gristmill_model::{JobId, TaskId, WorkerId};
use gristmill_protocol::{AddressError, parse_address};

pub(crate) use coordinator::CoordinatorArguments;
pub(crate) use job::{JobArguments, params};
pub(crate) use kv::{KvArguments, KvCommand, ValueArguments};
pub(crate) use members::MembersArguments;

/// MapReduce over as much text or binary data as you have, with the same bytes at the end whatever dies on the way.
#[derive(Parser, Debug)]
#[command(name = "gristmill", version, max_term_width = 100, disable_help_subcommand = true, after_help = examples::ALL)]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a job here: coordinator, worker and client in one process
    #[command(after_help = examples::RUN)]
    Run(RunArguments),
    /// Start a coordinator, which owns jobs and hands out tasks
    #[command(after_help = examples::COORDINATOR)]
    Coordinator(CoordinatorArguments),
    /// Start a worker, which runs tasks for a coordinator
    #[command(after_help = examples::WORKER)]
    Worker(WorkerArguments),
    /// Give a job to a running coordinator
    #[command(after_help = examples::SUBMIT)]
    Submit(SubmitArguments),
    /// List the jobs of a coordinator
    #[command(after_help = examples::JOBS)]
    Jobs(AskArguments),
    /// Show one job: how far it is, its figures, its warnings
    #[command(after_help = examples::JOB)]
    Job(JobIdArguments),
    /// Cancel a job
    #[command(after_help = examples::CANCEL)]
    Cancel(JobIdArguments),
    /// Say what a job, or one task of it, waits for
    #[command(after_help = examples::EXPLAIN)]
    Explain(ExplainArguments),
    /// Show what the app printed, attempt by attempt
    #[command(after_help = examples::LOGS)]
    Logs(LogsArguments),
    /// List the workers of a coordinator
    #[command(after_help = examples::WORKERS)]
    Workers(AskArguments),
    /// Let a worker finish what it runs and leave
    #[command(after_help = examples::DRAIN)]
    Drain(DrainArguments),
    /// Print the jobs that are over, one JSON document a line
    #[command(after_help = examples::HISTORY)]
    History(HistoryArguments),
    /// List the members of a group of coordinators, or change them
    #[command(after_help = examples::MEMBERS)]
    Members(MembersArguments),
    /// Read and write the key/value store of the coordinators
    #[command(after_help = examples::KV)]
    Kv(KvArguments),
    /// Show what is in a coordinator's log, and cut off what is damaged
    #[command(after_help = examples::REPAIR)]
    Repair(RepairArguments),
    /// Write a new app: a crate that builds and runs at once
    #[command(after_help = examples::NEW)]
    New(NewArguments),
    /// Try an app and say what is wrong with it
    #[command(after_help = examples::CHECK)]
    Check(CheckArguments),
    /// Print a completion script for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// `gristmill run`.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// The job.
    #[command(flatten)]
    pub job: JobArguments,

    /// How many attempts run at once [default: number of processors]; 0 leaves all work to workers that join (see --listen)
    #[arg(long, value_name = "N", value_parser = units::whole::<u32>(0..=SLOTS_MAX))]
    pub slots: Option<u32>,

    /// Let workers from outside join at this address
    #[arg(long, value_name = "ADDR", value_parser = parse_address, value_hint = ValueHint::Hostname)]
    pub listen: Option<SocketAddr>,

    /// Directory for intermediate files [default: a temporary directory]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub work_dir: Option<PathBuf>,

    /// Directory for all that is needed to go on with the job should this process die
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "sequential")]
    pub state_dir: Option<PathBuf>,

    /// Go on with the job in --state-dir if there is one: give the same command again with this option, and unchanged inputs
    #[arg(long, requires = "state_dir")]
    pub resume: bool,

    /// One process, one thread, no coordinator: slow, simple, and by definition right
    #[arg(long, conflicts_with = "listen")]
    pub sequential: bool,

    /// How to tell about it.
    #[command(flatten)]
    pub telling: TellArguments,
}

/// How progress and results are told.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct TellArguments {
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,

    /// Print the result as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `gristmill worker`.
#[derive(Args, Debug)]
pub(crate) struct WorkerArguments {
    /// The coordinator; several addresses are tried in turn
    #[command(flatten)]
    pub coordinator: CoordinatorAddress,

    /// How many attempts run at once [default: number of processors]
    #[arg(long, value_name = "N", value_parser = units::whole::<u32>(1..=SLOTS_MAX))]
    pub slots: Option<u32>,

    /// Directory for intermediate files [default: gristmill-UID in the system's directory for temporary files]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub work_dir: Option<PathBuf>,

    /// What the worker is called in lists [default: HOSTNAME-PID]
    #[arg(long, value_name = "NAME", value_parser = worker_name)]
    pub name: Option<String>,
}

/// Which coordinator to talk to.
#[derive(Args, Clone, Debug)]
pub(crate) struct CoordinatorAddress {
    /// Address of the coordinator; several, separated by commas, are tried in turn
    #[arg(
        long = "coordinator",
        value_name = "ADDR[,ADDR…]",
        required = true,
        value_delimiter = ',',
        value_parser = coordinator_address,
        value_hint = ValueHint::Hostname
    )]
    pub addresses: Vec<SocketAddr>,
}

/// `gristmill submit`.
#[derive(Args, Debug)]
pub(crate) struct SubmitArguments {
    /// The coordinator.
    #[command(flatten)]
    pub coordinator: CoordinatorAddress,

    /// The job.
    #[command(flatten)]
    pub job: JobArguments,

    /// Wait for the end of the job and show its summary; Ctrl-C then cancels it
    #[arg(long)]
    pub wait: bool,

    /// How to tell about it.
    #[command(flatten)]
    pub telling: TellArguments,
}

/// A question to a coordinator.
#[derive(Args, Debug)]
pub(crate) struct AskArguments {
    /// The coordinator.
    #[command(flatten)]
    pub coordinator: CoordinatorAddress,

    /// Print the answer as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// A question about one job.
#[derive(Args, Debug)]
pub(crate) struct JobIdArguments {
    /// The job, such as j7
    #[arg(value_name = "JOB")]
    pub job: JobId,

    /// Whom to ask, and how to tell the answer.
    #[command(flatten)]
    pub ask: AskArguments,
}

/// `gristmill explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// A job, such as j7, or one task of it, such as j7.m12 or j7.r3
    #[arg(value_name = "ID", value_parser = Subject::parse)]
    pub subject: Subject,

    /// Whom to ask, and how to tell the answer.
    #[command(flatten)]
    pub ask: AskArguments,
}

/// `gristmill logs`.
#[derive(Args, Debug)]
pub(crate) struct LogsArguments {
    /// A job, such as j7, or one task of it, such as j7.m12 or j7.r3
    #[arg(value_name = "ID", value_parser = Subject::parse)]
    pub subject: Subject,

    /// One task of the job
    #[arg(value_name = "TASK")]
    pub task: Option<TaskId>,

    /// Whom to ask, and how to tell the answer.
    #[command(flatten)]
    pub ask: AskArguments,
}

/// `gristmill drain`.
#[derive(Args, Debug)]
pub(crate) struct DrainArguments {
    /// The worker, such as w4
    #[arg(value_name = "WORKER")]
    pub worker: WorkerId,

    /// Whom to ask, and how to tell the answer.
    #[command(flatten)]
    pub ask: AskArguments,
}

/// `gristmill history`.
#[derive(Args, Debug)]
pub(crate) struct HistoryArguments {
    /// The coordinator.
    #[command(flatten)]
    pub coordinator: CoordinatorAddress,

    /// Changes nothing: each line is a JSON document in any case
    #[arg(long)]
    json: bool,
}

/// A job as a whole, or one task of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The job.
    pub job: JobId,
    /// One task of it.
    pub task: Option<TaskId>,
}

impl Subject {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(job) = text.parse::<JobId>() {
            return Ok(Self { job, task: None });
        }
        match text.parse::<TaskId>() {
            Ok(task) => Ok(Self { job: task.job, task: Some(task) }),
            Err(_) => Err("write a job id, such as j7, or a task id, such as j7.m12 or j7.r3".to_owned()),
        }
    }
}

/// `gristmill repair`.
#[derive(Args, Debug)]
pub(crate) struct RepairArguments {
    /// The coordinator's --data-dir; no coordinator may be using it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: PathBuf,

    /// Take everything away from the first damage on; it is kept beside the log
    #[arg(long)]
    pub cut: bool,

    /// Cut also what this member has acknowledged to others of its group: only where no majority without it is sound
    #[arg(long, requires = "cut")]
    pub forget_acknowledged: bool,
}

/// `gristmill new`.
#[derive(Args, Debug)]
pub(crate) struct NewArguments {
    /// Directory to make; its last part names the crate and the app
    #[arg(value_name = "NAME", value_hint = ValueHint::DirPath)]
    pub name: PathBuf,

    /// Depend on the sdk in this directory instead of on a copy inside the new crate
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub path: Option<PathBuf>,
}

/// `gristmill check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    /// The app: a crate directory, a library file, or the name of a bundled app
    #[arg(value_name = "APP")]
    pub app: PathBuf,

    /// Files, globs or directories of your own to try it with, besides the odd inputs that are made up
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,

    /// Parameter for the app; may be given several times
    #[arg(long = "arg", value_name = "KEY=VALUE", value_parser = job::param)]
    pub params: Vec<(String, String)>,

    /// Print the findings as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// More slots than this on one machine are a typing error.
const SLOTS_MAX: i128 = 4096;

/// Loopback is checked where it is read; port 0 means something only to who listens.
fn coordinator_address(text: &str) -> Result<SocketAddr, String> {
    let address = parse_address(text).map_err(|error: AddressError| error.to_string())?;
    if address.port() == 0 {
        return Err(
            "port 0 is nobody's; give the address that the coordinator printed when it started".to_owned()
        );
    }
    Ok(address)
}

fn worker_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 100 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("a name has 1 to 100 bytes and neither blanks nor control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads the arguments. An error has been told, and its exit status is given back.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine, u8> {
    CommandLine::try_parse_from(arguments).map_err(|error| tell(&error))
}

/// Help and version are answers and go to stdout; everything else is an error and looks like all others.
fn tell(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        let _ = error.print();
        return 0;
    }
    let text = error.render().to_string();
    match text.strip_prefix("error: ") {
        Some(text) => crate::output::error(&format!("gristmill: error: {}", text.trim_end())),
        None => crate::output::error(text.trim_end()),
    }
    2
}

#[cfg(test)]
mod tests;
