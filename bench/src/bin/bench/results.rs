//! What was measured, as it is kept beside the page it is shown on.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::program::Kind;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    /// Of the largest process.
    pub(crate) peak_process_bytes: u64,
    /// Of all its processes together.
    pub(crate) peak_tree_bytes: u64,
    pub(crate) peak_slot_bytes: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Memory that a slot may use, if that is what is looked at.
    pub(crate) budget_bytes: Option<u64>,
    pub(crate) runs: Vec<Run>,
}

/// All of one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) case: String,
    pub(crate) title: String,
    pub(crate) about: String,
    pub(crate) input_bytes: u64,
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) machine: Machine,
    pub(crate) series: Vec<Series>,
    /// What was skipped and why, and what else is to be said.
    pub(crate) notes: Vec<String>,
    /// Seconds that two passes of writing, syncing and reading as many bytes took.
    pub(crate) disk_s: Option<f64>,
    /// The same job on less, in the same turns.
    pub(crate) smaller: Option<Smaller>,
}

/// A program on an input of another size than that of its case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Smaller {
    pub(crate) input_bytes: u64,
    pub(crate) series: Series,
}

impl Smaller {
    pub(crate) fn seconds_per_byte(&self) -> f64 {
        self.series.wall() / self.input_bytes as f64
    }
}

impl Series {
    pub(crate) fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => f64::NAN,
            even if even.is_multiple_of(2) => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        }
    }

    pub(crate) fn wall(&self) -> f64 {
        self.median(|run| run.wall_s)
    }

    pub(crate) fn cpu(&self) -> f64 {
        self.median(|run| run.cpu_s)
    }

    /// The largest of all runs.
    pub(crate) fn peak(&self, of: impl Fn(&Run) -> u64) -> u64 {
        self.runs.iter().map(of).max().unwrap_or(0)
    }
}

impl Results {
    pub(crate) fn series(&self, name: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.name == name && !series.runs.is_empty())
    }

    pub(crate) fn wall(&self, name: &str) -> Option<f64> {
        self.series(name).map(Series::wall)
    }

    pub(crate) fn save(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{}.json", self.case));
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    /// What an earlier run kept of a case.
    pub(crate) fn load(directory: &Path, case: &str) -> Result<Option<Self>> {
        let path = directory.join(format!("{case}.json"));
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read(&path)?;
        serde_json::from_slice(&text).map(Some).with_context(|| format!("read {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_runs_lies_between_the_middle_ones() {
        let run = |wall_s| Run {
            wall_s,
            cpu_s: 0.0,
            peak_process_bytes: 0,
            peak_tree_bytes: 0,
            peak_slot_bytes: None,
        };
        let series = |walls: &[f64]| Series {
            name: String::new(),
            kind: Kind::Rival,
            budget_bytes: None,
            runs: walls.iter().map(|&wall| run(wall)).collect(),
        };
        assert_eq!(series(&[5.0, 1.0, 2.0]).wall(), 2.0);
        assert_eq!(series(&[5.0, 1.0, 2.0, 3.0]).wall(), 2.5);
        assert!(series(&[]).wall().is_nan());
    }
}
