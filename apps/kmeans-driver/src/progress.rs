//! How far a run is: what is kept in the store, and how it changes.

use anyhow::{Context, bail};
use gristmill_model::{ClientId, JobId, RequestId, RequestKey};
use kmeans::Point;
use serde::{Deserialize, Serialize};

/// Grows when what is stored changes its meaning.
const FORMAT: u32 = 1;

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Iterations that are over.
    pub iteration: u32,
    /// Where the centroids are after these.
    pub centroids: Vec<Point>,
    /// By how many millionths a coordinate moved at most in the last.
    pub moved: Option<u64>,
    /// What is being done about the next.
    pub step: Step,
}

/// What is being done about the next iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Nothing yet.
    Ready,
    /// Its job is submitted in this session, or will be, or would have been.
    Submitting {
        /// The session.
        session: u64,
    },
    /// This is its job.
    Running {
        /// Its number.
        job: u64,
    },
}

/// When a run is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    /// No coordinate moves by more millionths than this.
    pub tolerance: u64,
    /// Or so many iterations are over.
    pub iterations_max: u32,
}

/// As it is in the store.
#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    iteration: u32,
    centroids: String,
    moved: Option<u64>,
    step: Step,
}

impl Goal {
    pub(crate) fn is_converged(self, progress: &Progress) -> bool {
        progress.moved.is_some_and(|moved| moved <= self.tolerance)
    }

    pub(crate) fn is_reached(self, progress: &Progress) -> bool {
        self.is_converged(progress) || progress.iteration >= self.iterations_max
    }
}

impl Progress {
    /// Before the first iteration.
    pub(crate) fn begin(centroids: &[Point]) -> Self {
        Self { iteration: 0, centroids: centroids.to_vec(), moved: None, step: Step::Ready }
    }

    /// The iteration that something is done about.
    pub(crate) fn next(&self) -> u32 {
        self.iteration.saturating_add(1)
    }

    /// The request that submits its job in this session: the same whoever makes it, and whenever.
    pub(crate) fn request(&self, session: u64) -> RequestKey {
        RequestKey { client: ClientId(session), request: RequestId(u64::from(self.next())) }
    }

    pub(crate) fn at(&self, step: Step) -> Self {
        Self { step, ..self.clone() }
    }

    pub(crate) fn running(&self, JobId(job): JobId) -> Self {
        self.at(Step::Running { job })
    }

    /// After the next iteration, in which these centroids came to be there; the others stay.
    pub(crate) fn after(&self, moves: Vec<(usize, Point)>) -> anyhow::Result<Self> {
        let mut centroids = self.centroids.clone();
        for (number, point) in moves {
            let Some(centroid) = centroids.get_mut(number) else {
                bail!("the output has centroid {number}, but there are only {}", self.centroids.len());
            };
            *centroid = point;
        }
        let moved = self.centroids.iter().zip(&centroids).map(|(old, new)| old.largest_difference(new)).max();
        Ok(Self { iteration: self.next(), centroids, moved, step: Step::Ready })
    }

    pub(crate) fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let Self { iteration, ref centroids, moved, step } = *self;
        let stored = Stored { format: FORMAT, iteration, centroids: Point::list(centroids), moved, step };
        serde_json::to_vec(&stored).context("write down how far the run is")
    }

    /// What is in the store was written by anybody.
    pub(crate) fn from_bytes(bytes: &[u8]) -> anyhow::Result<Self> {
        let stored: Stored =
            serde_json::from_slice(bytes).context("it is not the progress of a run of k-means")?;
        let Stored { format, iteration, centroids, moved, step } = stored;
        if format != FORMAT {
            bail!("its format is {format}, this program knows {FORMAT}");
        }
        let centroids = Point::parse_list(&centroids).context("its centroids")?;
        Ok(Self { iteration, centroids, moved, step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str) -> Vec<Point> {
        Point::parse_list(text).unwrap()
    }

    #[test]
    fn centroids_without_points_stay_and_the_largest_move_counts() {
        let begun = Progress::begin(&points("0,0;5,5;9,9"));
        let moves = vec![(0, points("0,1").remove(0)), (2, points("6,9.5").remove(0))];
        let after = begun.after(moves).unwrap();
        assert_eq!(Point::list(&after.centroids), "0,1;5,5;6,9.5");
        assert_eq!((after.iteration, after.moved, after.step), (1, Some(3_000_000), Step::Ready));
        assert!(begun.after(vec![(3, points("0,0").remove(0))]).is_err());
    }

    #[test]
    fn a_run_is_over_when_nothing_moves_or_it_takes_too_long() {
        let goal = Goal { tolerance: 10, iterations_max: 3 };
        let begun = Progress::begin(&points("0,0"));
        assert!(!goal.is_reached(&begun), "nothing has been tried yet");
        assert!(!goal.is_reached(&Progress { iteration: 2, moved: Some(11), ..begun.clone() }));
        assert!(goal.is_reached(&Progress { iteration: 1, moved: Some(10), ..begun.clone() }));
        let late = Progress { iteration: 3, moved: Some(11), ..begun };
        assert!(goal.is_reached(&late) && !goal.is_converged(&late));
    }

    #[test]
    fn the_request_of_an_iteration_is_always_the_same() {
        let begun = Progress::begin(&points("0,0"));
        assert_eq!(begun.request(7), begun.at(Step::Submitting { session: 7 }).request(7));
        let after = begun.after(Vec::new()).unwrap();
        assert_ne!(begun.request(7), after.request(7));
    }

    #[test]
    fn what_is_stored_comes_back_and_rubbish_is_named() {
        let progress = Progress {
            iteration: 4,
            centroids: points("0.5,-1;2,3"),
            moved: Some(7),
            step: Step::Running { job: 9 },
        };
        let bytes = progress.to_bytes().unwrap();
        let golden =
            r#"{"format":1,"iteration":4,"centroids":"0.5,-1;2,3","moved":7,"step":{"Running":{"job":9}}}"#;
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), golden);
        assert_eq!(Progress::from_bytes(&bytes).unwrap(), progress);
        assert!(Progress::from_bytes(b"something else").is_err());
        let newer = golden.replace("\"format\":1", "\"format\":2");
        assert!(Progress::from_bytes(newer.as_bytes()).unwrap_err().to_string().contains("format is 2"));
    }
}
