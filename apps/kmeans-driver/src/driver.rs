//! The loop: looks how far the run is, does the next thing, writes that down.

use anyhow::{Context, bail};
use gristmill_model::{JobId, RequestId};
use kmeans::Point;

use crate::cluster::{Cluster, Ended, Submitted};
use crate::progress::{Goal, Progress, Step};

/// What comes after a step.
enum Next {
    /// This is how far the run is then.
    Goes(Progress),
    /// The iteration failed, for this reason; so is how far the run is then.
    Fails(Progress, String),
}

/// Runs until the goal is reached, beginning at `begin` if nobody has begun. `tell` hears of every iteration that ends.
pub(crate) async fn drive(
    cluster: &impl Cluster,
    begin: &[Point],
    goal: Goal,
    tell: &mut impl FnMut(&Progress),
) -> anyhow::Result<Progress> {
    loop {
        let (mut progress, mut version) = match cluster.read().await.context("read how far the run is")? {
            Some(known) => known,
            None => (Progress::begin(begin), 0),
        };
        loop {
            if goal.is_reached(&progress) {
                return Ok(progress);
            }
            let (next, failure) = match advance(cluster, &progress).await? {
                Next::Goes(next) => (next, None),
                Next::Fails(next, reason) => (next, Some(reason)),
            };
            let written = cluster.write(version, &next).await.context("write how far the run is")?;
            if let Some(reason) = failure {
                bail!("iteration {} failed: {reason}; another start tries it again", progress.next());
            }
            // Another driver of the same run was faster: what it has done is as good.
            let Some(new_version) = written else { break };
            if next.iteration > progress.iteration {
                tell(&next);
            }
            (progress, version) = (next, new_version);
        }
    }
}

async fn advance(cluster: &impl Cluster, progress: &Progress) -> anyhow::Result<Next> {
    let iteration = progress.next();
    match progress.step {
        Step::Ready => {
            let next = RequestId(u64::from(iteration));
            let session = cluster.session(next).await.context("open a session")?;
            Ok(Next::Goes(progress.at(Step::Submitting { session: session.0 })))
        }
        Step::Submitting { session } => {
            let submitted = cluster.submit(progress.request(session), iteration, &progress.centroids).await;
            match submitted.with_context(|| format!("submit the job of iteration {iteration}"))? {
                Submitted::Job(job) => Ok(Next::Goes(progress.running(job))),
                // Under another key it may be taken when the cause is mended.
                Submitted::Refused(reason) => Ok(Next::Fails(progress.at(Step::Ready), reason)),
                Submitted::SessionOver => from_output(cluster, progress).await,
            }
        }
        Step::Running { job } => {
            let job = JobId(job);
            match cluster.wait(job).await.with_context(|| format!("wait for {job}"))? {
                Ended::Done => match moves(cluster, progress).await? {
                    Some(next) => Ok(Next::Goes(next)),
                    None => bail!("{job} is done, but its output is not there (any more)"),
                },
                Ended::Failed(reason) => Ok(Next::Fails(progress.at(Step::Ready), reason)),
                Ended::Forgotten => from_output(cluster, progress).await,
            }
        }
    }
}

/// Nobody remembers a job of the next iteration: it is over if its output is there, or else begins anew.
async fn from_output(cluster: &impl Cluster, progress: &Progress) -> anyhow::Result<Next> {
    Ok(Next::Goes(moves(cluster, progress).await?.unwrap_or_else(|| progress.at(Step::Ready))))
}

async fn moves(cluster: &impl Cluster, progress: &Progress) -> anyhow::Result<Option<Progress>> {
    let iteration = progress.next();
    let output = cluster.output(iteration, &progress.centroids).await;
    let moves = output.with_context(|| format!("read the output of iteration {iteration}"))?;
    moves.map(|moves| progress.after(moves)).transpose()
}

#[cfg(test)]
mod tests;
