//! What a job must look like whose coordinators were in trouble, and nobody else.

use serde_json::Value;

/// Every task has one winner, no finished task ran again, and no attempt was ended by what befell the coordinators: those beside the
/// winners can only be backups of slow ones. `status` is the JSON document of the job.
pub fn assert_undisturbed(status: &Value) {
    let attempts = |outcome: &str| status["attempts"][outcome].as_u64().expect("a number of attempts");
    let tasks = ["maps", "reduces"].map(|stage| status[stage]["total"].as_u64().expect("a number of tasks"));
    assert_eq!(attempts("won"), tasks.iter().sum::<u64>(), "winners of {status}");
    for outcome in ["failed", "timed_out", "worker_lost", "runs_lost"] {
        assert_eq!(attempts(outcome), 0, "attempts {outcome} of {status}");
    }
    let beaten = attempts("lost") + attempts("cancelled");
    assert_eq!(beaten, attempts("backups"), "attempts beside the winners of {status}");
}
