//! The outputs of jobs: staged by workers, made visible by whoever leads, also over the death of a leader between any two steps.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gristmill_model::{AttemptId, JobId, JobPhase, JobSpec, Outcome, PathBytes, Report, Timestamp};
use gristmill_scheduler::Effect;
use gristmill_storage::{Faulty, Output, SUCCESS, Staged, Storage, StorageError, output_name};

use super::group::MainLoop;
use super::life::{Life, step_ms};

/// A storage operation behind the last of any commit.
const STEPS_MAX: u64 = 40;

/// An output that is to be made visible, when, and what came of it.
#[derive(Debug)]
pub(crate) struct CommitWork {
    at: Timestamp,
    result: Option<Result<(), String>>,
}

/// A process that stands still in the middle of a commit, which it holds locked.
pub(super) struct StuckCommit {
    m: usize,
    job: JobId,
    until: Timestamp,
}

/// What becomes of one try to make an output visible.
#[derive(Clone, Copy, Debug)]
pub(super) enum CommitFate {
    Succeeds,
    /// After so many operations the process dies, alone or with all others and the power.
    Dies {
        steps: u64,
        power: bool,
    },
    /// After so many it stands still for a while.
    StandsStill {
        steps: u64,
    },
    /// After so many there is no space left.
    Fails {
        steps: u64,
    },
}

/// What is to be made visible.
struct Commit {
    directory: PathBuf,
    spec: Arc<JobSpec>,
    files: Vec<Staged>,
    manifest: Vec<u8>,
}

impl Life {
    fn output(&self, storage: Arc<dyn Storage>, job: JobId, spec: &JobSpec) -> Output {
        Output::new(storage, &spec.output.to_path(), &format!("gristmill-{job}"), spec.overwrite)
    }

    fn staging(&self, job: JobId) -> Option<PathBuf> {
        let spec = self.state.spec(job)?;
        Some(self.output(Arc::new(self.files.clone()), job, spec).staging().to_owned())
    }

    /// An attempt of the last stage writes what it made, if the place for it is there.
    pub(super) fn stage(&mut self, attempt: AttemptId, report: &mut Report) -> bool {
        let Some(staging) = self.staging(attempt.task.job) else { return false };
        let (staged, content) = (staging.join(attempt.to_string()), attempt.to_string());
        let name = PathBytes::from(staged.as_path());
        match &mut report.outcome {
            Outcome::Mapped(made) => (made.path, made.bytes) = (name, content.len() as u64),
            Outcome::Reduced(made) => (made.path, made.bytes) = (name, content.len() as u64),
            _ => {}
        }
        self.files.write(&staged, content.as_bytes()).is_ok()
    }

    pub(super) fn perform(&mut self, m: usize, main_loop: &mut MainLoop, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Place { job } => self.place(job),
                Effect::Commit { job, failures: _ } => {
                    let at = step_ms(self.now, self.rng.below(500));
                    main_loop.commits.insert(job, CommitWork { at, result: None });
                }
                Effect::JobEnded { job } => self.clear_away(m, job),
                Effect::Assign { .. }
                | Effect::Cancel { .. }
                | Effect::JobForgotten { .. }
                | Effect::WorkerLost { .. } => {}
            }
        }
    }

    fn place(&mut self, job: JobId) {
        if let Some(staging) = self.staging(job) {
            self.files.create_directory(&staging).expect("there is room");
        }
    }

    fn clear_away(&mut self, m: usize, job: JobId) {
        let state = self.member_state(m);
        if let Some(spec) = state.spec(job).filter(|_| state.phase(job) != Some(JobPhase::Done)) {
            let output = self.output(Arc::new(self.files.of(m)), job, spec);
            output.discard().expect("it can be removed");
        }
    }

    /// Goes on with the commits that are due; those that are finished are told to the scheduler.
    pub(super) fn finished_commits(
        &mut self,
        m: usize,
        main_loop: &mut MainLoop,
    ) -> Vec<(JobId, Result<(), String>)> {
        let now = self.now;
        let due: Vec<JobId> =
            main_loop.commits.iter().filter(|(_, work)| work.at <= now).map(|(job, _)| *job).collect();
        let mut finished = Vec::new();
        for job in due {
            let Some(mut work) = main_loop.commits.remove(&job) else { continue };
            if work.result.is_none() {
                work.result = self.try_commit(m, job);
            }
            match work.result.take() {
                Some(result) => finished.push((job, result)),
                None => {
                    work.at = step_ms(now, 200);
                    main_loop.commits.insert(job, work);
                }
            }
            if !self.members[m].acts(now) {
                return Vec::new();
            }
        }
        finished
    }

    /// Runs a commit, or so many steps of it. `None`: it is to be tried again, or the process has died.
    fn try_commit(&mut self, m: usize, job: JobId) -> Option<Result<(), String>> {
        let commit = self.commit_of(m, job)?;
        if self.files.removals_under_way(&commit.directory) > 0 {
            self.met.note("removed, and not durable");
        }
        let files = self.files.of(m);
        let faulty = |steps| Arc::new(Faulty::new(files.clone(), steps));
        let fate = self.commit_fates.pop_front().unwrap_or_else(|| self.draw_fate());
        let done = match fate {
            CommitFate::Succeeds => self.commit(Arc::new(files.clone()), job, &commit),
            CommitFate::Fails { steps } | CommitFate::Dies { steps, .. } => {
                self.commit(faulty(steps), job, &commit)
            }
            CommitFate::StandsStill { steps } => {
                files.stick(true);
                let done = self.commit(faulty(steps), job, &commit);
                files.stick(false);
                done
            }
        };
        if done.is_ok() && !matches!(fate, CommitFate::Succeeds) {
            self.met.note("ends behind a commit");
        }
        match (done, fate) {
            (_, CommitFate::Dies { power, .. }) => {
                self.met.note("dies in a commit");
                self.check_whole(&commit.directory);
                self.die_in_commit(m, power);
                None
            }
            (_, CommitFate::StandsStill { .. }) => {
                self.met.note("stands still in a commit");
                self.check_whole(&commit.directory);
                let until = step_ms(self.now, self.rng.between(200, 5_000));
                self.stuck.push(StuckCommit { m, job, until });
                None
            }
            (Ok(()), _) => Some(Ok(())),
            (Err(StorageError::OutputBusy(_)), _) => {
                self.met.note("commit waits");
                None
            }
            (Err(_), CommitFate::Fails { .. }) => Some(Err("no space left".to_owned())),
            (Err(error), CommitFate::Succeeds) => panic!("the commit of {job} cannot go on: {error}"),
        }
    }

    fn draw_fate(&mut self) -> CommitFate {
        let (fate, steps) = (self.rng.below(1_000), self.rng.below(STEPS_MAX));
        let (dies, sticks, fails) =
            (self.faults.crashed * 20, self.faults.paused * 10, self.faults.bad_commit);
        if fate < dies {
            CommitFate::Dies { steps, power: self.rng.chance(500) }
        } else if fate < dies + sticks {
            CommitFate::StandsStill { steps }
        } else if fate < dies + sticks + fails {
            CommitFate::Fails { steps }
        } else {
            CommitFate::Succeeds
        }
    }

    fn die_in_commit(&mut self, m: usize, power: bool) {
        if !power {
            return self.crash(m);
        }
        if self.files.moves_under_way() > 0 {
            self.met.note("power fails while outputs move");
        }
        self.lose_power();
    }

    fn commit_of(&mut self, m: usize, job: JobId) -> Option<Commit> {
        let state = self.member_state(m);
        let spec = state.spec(job)?.clone();
        let parts = state.outputs(job);
        if state.phase(job) == Some(JobPhase::Committing) {
            let known = &self.ledger.jobs[&job];
            let expected = if known.reduces == 0 { known.maps } else { known.reduces };
            assert_eq!(parts.len(), expected as usize, "an output for each task of the final stage");
        }
        for part in &parts {
            assert_eq!(self.ledger.winners[&part.attempt.task].0, part.attempt, "outputs are the winners'");
        }
        let staged = |(index, part): (u32, &gristmill_scheduler::OutputPart)| Staged {
            path: part.path.to_path(),
            name: output_name(index),
            bytes: part.bytes,
        };
        let files = (0..).zip(&parts).map(staged).collect();
        let manifest = format!("{job} by {m} at {}", self.now.ms).into_bytes();
        Some(Commit { directory: spec.output.to_path(), spec, files, manifest })
    }

    /// As the coordinator does: a manifest of this job that is there already counts.
    fn commit(&self, storage: Arc<dyn Storage>, job: JobId, commit: &Commit) -> Result<(), StorageError> {
        let known = read(&*storage, &commit.directory.join(SUCCESS))?;
        let ours = known.filter(|known| known.starts_with(format!("{job} ").as_bytes()));
        let manifest = ours.as_ref().unwrap_or(&commit.manifest);
        self.output(storage, job, &commit.spec).commit(&commit.files, manifest)
    }

    /// Processes that stood still go on, whether or not they lead.
    pub(super) fn go_on_with_commits(&mut self) {
        let now = self.now;
        let (go_on, stuck) =
            std::mem::take(&mut self.stuck).into_iter().partition(|stuck| stuck.until <= now);
        self.stuck = stuck;
        let go_on: Vec<StuckCommit> = go_on;
        for StuckCommit { m, job, until: _ } in go_on {
            let Some(commit) = self.commit_of(m, job) else { continue };
            let files = self.files.of(m);
            files.unlock(Some(&commit.directory));
            match self.commit(Arc::new(files), job, &commit) {
                Ok(()) | Err(StorageError::OutputBusy(_)) => {}
                Err(error) => panic!("the commit of {job} cannot go on: {error}"),
            }
        }
    }

    /// A process has ended, and its locks with it.
    pub(super) fn release_files(&mut self, m: usize) {
        self.stuck.retain(|stuck| stuck.m != m);
        self.files.of(m).unlock(None);
    }
}

fn read(storage: &dyn Storage, path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    if storage.stat(path)?.is_none() {
        return Ok(None);
    }
    let file = storage.open(path)?;
    let mut text = vec![0; file.bytes() as usize];
    file.read_at(&mut text, 0)?;
    Ok(Some(text))
}
