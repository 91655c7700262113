//! Questions to a running coordinator: jobs, job, cancel, explain, logs, workers, drain, history.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gristmill_coordinator::{HistoryLine, Summary};
use gristmill_model::{AttemptLog, NotFound, Refusal, Timestamp};
use gristmill_protocol::{CallError, Client, Endpoint};
use serde_json::{Value, json};

use crate::arguments::{
    AskArguments, CoordinatorAddress, DrainArguments, ExplainArguments, HistoryArguments, JobIdArguments,
    LogsArguments,
};
use crate::failure::{Exit, Failure, Outcome};
use crate::follow;
use crate::output;
use crate::render::{self, Listed};

/// How long a coordinator that does not answer is looked for: it may just be starting, or its group choosing a leader.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the coordinator at the addresses given. Connects with the first call.
pub(crate) fn client(coordinator: &CoordinatorAddress) -> Outcome<Client> {
    let endpoint = Endpoint::tcp(&coordinator.addresses).map_err(Failure::usage)?;
    Ok(Client::new(endpoint, PATIENCE))
}

/// What the lack of an answer means to the caller.
pub(crate) fn call_failed(error: CallError) -> Failure {
    let hint = match &error {
        // What is missing is a majority, which the error says.
        CallError::Leaderless { .. } => None,
        // It is there, and another one is no cure.
        CallError::Unreachable { source, .. } if source.is_full() => None,
        CallError::NoMember { .. } => Some("give the addresses of its members as --coordinator"),
        error if error.is_unreachable() => {
            Some("start one with `gristmill coordinator --listen ADDR`, or check --coordinator")
        }
        CallError::Refused(Refusal::NotFound(NotFound::Job(_))) => Some("`gristmill jobs` lists the jobs"),
        CallError::Refused(Refusal::NotFound(NotFound::Worker(_))) => {
            Some("`gristmill workers` lists the workers")
        }
        CallError::Refused(Refusal::NotFound(NotFound::Task(_))) => {
            Some("`gristmill job ID` tells how many tasks there are")
        }
        _ => None,
    };
    let exit = match &error {
        CallError::Unsendable { .. } | CallError::Undecided { .. } => Exit::Failed,
        CallError::Refused(Refusal::UnknownClient | Refusal::NotDone(_)) => Exit::Failed,
        CallError::Refused(Refusal::Unavailable(_)) => Exit::NoCoordinator,
        CallError::Refused(_) => Exit::Usage,
        _ => Exit::NoCoordinator,
    };
    Failure { exit, error: error.into(), hint: hint.map(str::to_owned) }
}

/// Now, as the coordinator counts time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// `gristmill jobs`.
pub(crate) async fn jobs(arguments: &AskArguments) -> Outcome {
    let jobs = client(&arguments.coordinator)?.jobs().await.map_err(call_failed)?;
    let now = now();
    let listed = jobs.iter().map(|status| Listed::from(&Summary::of(status, now)));
    tell("jobs", listed, arguments.json)
}

/// `gristmill job`. The exit status is that of the job, as far as it is known.
pub(crate) async fn job(arguments: &JobIdArguments) -> Outcome {
    let client = client(&arguments.ask.coordinator)?;
    let status = client.job(arguments.job, 0, Duration::ZERO).await.map_err(call_failed)?;
    follow::tell(&status, arguments.ask.json)
}

/// `gristmill cancel`.
pub(crate) async fn cancel(arguments: &JobIdArguments) -> Outcome {
    let client = client(&arguments.ask.coordinator)?;
    client.cancel(arguments.job).await.map_err(call_failed)?;
    let status = client.job(arguments.job, 0, Duration::ZERO).await.map_err(call_failed)?;
    let summary = Summary::of(&status, now());
    let listed = Listed::from(&summary);
    output::result(&if arguments.ask.json { render::json(&listed.json) } else { listed.text })
}

/// `gristmill explain`.
pub(crate) async fn explain(arguments: &ExplainArguments) -> Outcome {
    let client = client(&arguments.ask.coordinator)?;
    let subject = arguments.subject;
    let explanations = client.explain(subject.job, subject.task).await.map_err(call_failed)?;
    let now = now();
    let listed = explanations.iter().map(|one| render::explanation(subject.job, one, now));
    tell("explanations", listed, arguments.ask.json)
}

/// `gristmill logs`. Text is printed page by page: all logs of a large job together may be large.
pub(crate) async fn logs(arguments: &LogsArguments) -> Outcome {
    let job = arguments.subject.job;
    let task = match (arguments.subject.task, arguments.task) {
        (Some(one), Some(other)) if one != other => {
            return Err(Failure::wrong(format!("{one} and {other} are two tasks; name one")));
        }
        (None, Some(task)) if task.job != job => {
            return Err(Failure::wrong(format!("{task} is not a task of {job}")));
        }
        (one, other) => one.or(other),
    };
    let client = client(&arguments.ask.coordinator)?;
    let mut after = None;
    let mut all: Vec<Value> = Vec::new();
    loop {
        let page: Vec<AttemptLog> = client.logs_page(job, task, after).await.map_err(call_failed)?;
        let Some(last) = page.last() else { break };
        after = Some(last.attempt);
        for listed in page.iter().map(render::attempt_log) {
            if arguments.ask.json {
                all.push(listed.json);
            } else {
                output::result(&listed.text)?;
            }
        }
    }
    if arguments.ask.json { output::result(&render::json(&json!({ "logs": all }))) } else { Ok(()) }
}

/// `gristmill workers`.
pub(crate) async fn workers(arguments: &AskArguments) -> Outcome {
    let workers = client(&arguments.coordinator)?.workers().await.map_err(call_failed)?;
    tell("workers", workers.iter().map(render::worker), arguments.json)
}

/// `gristmill drain`.
pub(crate) async fn drain(arguments: &DrainArguments) -> Outcome {
    let worker = arguments.worker;
    client(&arguments.ask.coordinator)?.drain(worker).await.map_err(call_failed)?;
    output::result(&if arguments.ask.json {
        render::json(&json!({ "draining": worker.to_string() }))
    } else {
        format!("draining {worker}\n")
    })
}

/// `gristmill history`: the summary of each job that is over, and when that was.
pub(crate) async fn history(arguments: &HistoryArguments) -> Outcome {
    let client = client(&arguments.coordinator)?;
    let cluster = client.info().await.map_err(call_failed)?.cluster;
    let jobs = client.jobs().await.map_err(call_failed)?;
    for line in jobs.iter().filter_map(|status| HistoryLine::of(cluster, status)) {
        output::result(&render::json(&line))?;
    }
    Ok(())
}

/// Prints all that is listed, in lines or as one JSON document.
fn tell(name: &str, listed: impl Iterator<Item = Listed>, as_json: bool) -> Outcome {
    if as_json {
        let all: Vec<Value> = listed.map(|one| one.json).collect();
        return output::result(&render::json(&json!({ name: all })));
    }
    output::result(&listed.map(|one| one.text).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_model::JobId;
    use gristmill_protocol::{ConnectError, PreambleError};

    #[test]
    fn a_coordinator_that_says_no_is_not_a_missing_coordinator() {
        let failure = call_failed(CallError::Refused(Refusal::NotFound(NotFound::Job(JobId(9)))));
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("there is no job j9"), "{failure}");
        let ending = call_failed(CallError::Refused(Refusal::Unavailable("it is ending".to_owned())));
        assert_eq!(ending.exit, Exit::NoCoordinator);
    }

    #[test]
    fn a_group_without_a_leader_is_no_coordinator_and_starting_another_is_no_cure() {
        let failure = call_failed(CallError::Leaderless { endpoint: "127.0.0.1:1, 127.0.0.1:2".to_owned() });
        assert_eq!((failure.exit, &failure.hint), (Exit::NoCoordinator, &None));
        assert!(failure.to_string().contains("a majority of its members"), "{failure}");
        let undecided = call_failed(CallError::Undecided { call: "put" });
        assert_eq!(undecided.exit, Exit::Failed);
    }

    #[test]
    fn a_full_coordinator_is_there_and_starting_another_is_no_cure() {
        let address = "127.0.0.1:1".to_owned();
        let source = ConnectError::Preamble { address: address.clone(), source: PreambleError::Busy };
        let failure = call_failed(CallError::Unreachable { endpoint: address, source });
        assert_eq!((failure.exit, &failure.hint), (Exit::NoCoordinator, &None));
        assert!(failure.to_string().contains("too many connections; try again later"), "{failure}");
    }

    #[tokio::test]
    async fn nobody_there_is_told_apart() {
        let endpoint = Endpoint::tcp(&["127.0.0.1:1".parse().unwrap()]).unwrap();
        let error = Client::new(endpoint, Duration::ZERO).workers().await.unwrap_err();
        let failure = call_failed(error);
        assert_eq!(failure.exit, Exit::NoCoordinator);
        assert!(failure.to_string().contains("127.0.0.1:1") && failure.hint.is_some(), "{failure}");
    }
}
