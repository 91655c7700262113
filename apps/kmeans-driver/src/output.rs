//! Reads what an iteration has made: the lines `number count x,y` of its output directory.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use kmeans::Point;
use serde::Deserialize;

/// What the driver looks at of the manifest of a job.
#[derive(Deserialize)]
struct Manifest {
    params: BTreeMap<String, String>,
    outputs: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    name: String,
}

/// The name of the app's parameter.
pub(crate) const CENTROIDS: &str = "centroids";

/// The output directory of an iteration.
pub(crate) fn directory(all: &Path, iteration: u32) -> PathBuf {
    all.join(format!("iteration-{iteration:05}"))
}

/// Where the centroids came to be, by their numbers; `None` when the output is not complete or is that of another iteration, which began
/// elsewhere.
pub(crate) fn read(directory: &Path, began: &[Point]) -> anyhow::Result<Option<Vec<(usize, Point)>>> {
    let path = directory.join("_SUCCESS");
    let manifest = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let manifest: Manifest =
        serde_json::from_slice(&manifest).with_context(|| format!("understand {}", path.display()))?;
    if manifest.params.get(CENTROIDS) != Some(&Point::list(began)) {
        return Ok(None);
    }
    let mut moves = Vec::new();
    for part in manifest.outputs {
        let name = Path::new(&part.name).file_name().ok_or_else(|| anyhow!("an output without a name"))?;
        let path = directory.join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        for line in text.lines() {
            let moved = read_line(line).with_context(|| format!("understand `{line}` in {}", path.display()));
            moves.push(moved?);
        }
    }
    Ok(Some(moves))
}

fn read_line(line: &str) -> anyhow::Result<(usize, Point)> {
    let mut words = line.split(' ');
    let number = words.next().and_then(|word| word.parse().ok()).context("it has no number")?;
    let point = words.nth(1).context("it has no point")?;
    Ok((number, point.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str) -> Vec<Point> {
        Point::parse_list(text).unwrap()
    }

    #[test]
    fn only_the_complete_output_of_this_very_iteration_counts() {
        let place = tempfile::tempdir().unwrap();
        let began = points("0,0;1,1;2,2");
        assert_eq!(read(place.path(), &began).unwrap(), None);
        fs::write(place.path().join("mr-out-00000"), "0 3 0.5,0\n2 1 7,8\n").unwrap();
        assert_eq!(read(place.path(), &began).unwrap(), None, "it may be half of it");
        let manifest = r#"{"format":1,"params":{"centroids":"0,0;1,1;2,2"},"outputs":[{"name":"mr-out-00000","bytes":22}]}"#;
        fs::write(place.path().join("_SUCCESS"), manifest).unwrap();
        let moves = vec![(0, points("0.5,0").remove(0)), (2, points("7,8").remove(0))];
        assert_eq!(read(place.path(), &began).unwrap(), Some(moves));
        assert_eq!(read(place.path(), &points("0,0;1,1")).unwrap(), None, "it began elsewhere");
    }

    #[test]
    fn a_line_that_cannot_be_understood_is_named() {
        for line in ["", "x 1 0,0", "1", "1 2", "1 2 x"] {
            assert!(read_line(line).is_err(), "{line}");
        }
    }
}
