//! The command line: which points, how many centroids, where to, and which coordinators.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Parser;
use gristmill_protocol::parse_address;
use gristmill_storage::{Input, Local, list_inputs};
use kmeans::{NoPoint, Point, millionths};

/// Find the middles of clusters of points: one job for each iteration, until nothing moves any more.
///
/// May be killed and started again at any time: it goes on where it was, by what is in the store of the coordinators.
#[derive(Parser, Debug)]
#[command(name = "kmeans-driver", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Address of the coordinator; several, separated by commas, are those of a group
    #[arg(long, value_name = "ADDR[,ADDR…]", required = true, value_delimiter = ',', value_parser = parse_address)]
    pub coordinator: Vec<SocketAddr>,

    /// What this run is called in the store; another name is another run
    #[arg(long, value_name = "NAME", default_value = "kmeans")]
    pub name: String,

    /// How many centroids; they begin at the first different points
    #[arg(long, value_name = "N", required_unless_present = "centroids", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    k: Option<u32>,

    /// Where the centroids begin, such as `0,0;1.5,2`
    #[arg(long, value_name = "POINTS", conflicts_with = "k", allow_hyphen_values = true, value_parser = centroids)]
    centroids: Option<Centroids>,

    /// Directory for the outputs of the iterations
    #[arg(short, long, value_name = "DIR", default_value = "kmeans-out")]
    pub output: PathBuf,

    /// End when no coordinate of a centroid moves by more than this
    #[arg(long, value_name = "X", default_value = "0.001", value_parser = tolerance)]
    pub tolerance: u64,

    /// End after so many iterations in any case
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub iterations_max: u32,

    /// The library of the app `kmeans` [default: beside this program]
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,

    /// Files of points, one a line, such as `1.5,-2`; globs or directories of them
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<OsString>,
}

/// Points that are one argument.
#[derive(Clone, Debug)]
struct Centroids(Vec<Point>);

fn centroids(text: &str) -> Result<Centroids, NoPoint> {
    Point::parse_list(text).map(Centroids)
}

fn tolerance(text: &str) -> Result<u64, String> {
    let value = millionths(text).map_err(|wrong| wrong.to_string())?;
    u64::try_from(value).map_err(|_| "it is not negative".to_owned())
}

impl Arguments {
    pub(crate) fn list_inputs(&self) -> anyhow::Result<Vec<Input>> {
        list_inputs(&Local, &self.inputs).context("list the inputs")
    }

    /// Where the centroids are before the first iteration.
    pub(crate) fn begin(&self, inputs: &[Input]) -> anyhow::Result<Vec<Point>> {
        match (&self.centroids, self.k) {
            (Some(Centroids(centroids)), _) => Ok(centroids.clone()),
            (None, Some(k)) => first_points(inputs.iter().map(|input| input.path.as_path()), k as usize),
            (None, None) => bail!("neither --k nor --centroids"),
        }
    }

    pub(crate) fn plugin(&self) -> anyhow::Result<PathBuf> {
        if let Some(plugin) = &self.plugin {
            return Ok(plugin.clone());
        }
        let program = std::env::current_exe().context("find this program")?;
        let name = format!("{}kmeans{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let beside = program.parent().map(|directory| directory.join(&name)).filter(|path| path.is_file());
        beside.ok_or_else(|| anyhow!("{name} is not beside {}; name it by --plugin", program.display()))
    }
}

/// The first `count` points that differ.
fn first_points<'p>(files: impl Iterator<Item = &'p Path>, count: usize) -> anyhow::Result<Vec<Point>> {
    let (mut points, mut seen) = (Vec::new(), BTreeSet::new());
    for path in files {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        for line in BufReader::new(file).lines() {
            let line = line.with_context(|| format!("read {}", path.display()))?;
            if line.trim().is_empty() {
                continue;
            }
            let point: Point = line.parse().with_context(|| {
                format!("read the first points of {}; or say where to begin by --centroids", path.display())
            })?;
            if seen.insert(point.clone()) {
                points.push(point);
            }
            if points.len() == count {
                return Ok(points);
            }
        }
    }
    bail!("the input has only {} different points, fewer than {count} centroids", points.len())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_first_different_points_are_taken() {
        let place = tempfile::tempdir().unwrap();
        let (one, two) = (place.path().join("one"), place.path().join("two"));
        std::fs::write(&one, "1,1\n\n1,1\n1.0,1\n2,2\n").unwrap();
        std::fs::write(&two, "3,3\nrubbish\n").unwrap();
        let first = |count| first_points([one.as_path(), two.as_path()].into_iter(), count);
        assert_eq!(Point::list(&first(3).unwrap()), "1,1;2,2;3,3");
        assert!(format!("{:#}", first(4).unwrap_err()).contains("--centroids"));
        let few = first_points([one.as_path()].into_iter(), 3).unwrap_err();
        assert!(few.to_string().contains("only 2 different"), "{few}");
    }

    #[test]
    fn wrong_usage_is_refused() {
        let parse = |line: &str| Arguments::try_parse_from(line.split_whitespace());
        let to = "kmeans-driver --coordinator 127.0.0.1:1";
        assert_eq!(parse(&format!("{to} --k 3 points")).unwrap().tolerance, 1000);
        assert!(parse(&format!("{to} --centroids -1,0;2,2 points")).is_ok());
        for wrong in [
            "points",
            "--k 3",
            "--k 0 points",
            "--k 3 --centroids 0,0 points",
            "--centroids 0;1,2 points",
            "--k 3 --tolerance -1 points",
        ] {
            assert!(parse(&format!("{to} {wrong}")).is_err(), "{wrong}");
        }
    }
}
