//! The page on all results, and its pictures.

mod bars;
mod page;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cases;
use crate::results::Results;

/// Written by hand: what is measured by the benches of other crates, and what is known of aims that are missed.
const CONTROL_PLANE: &str = "control-plane.md";
const MISSED: &str = "missed.md";

/// Writes `benchmarks.md` and a picture a case into `docs`, from all results that are kept there.
pub(crate) fn write(docs: &Path) -> Result<()> {
    let kept = docs.join("benchmarks");
    let mut all = Vec::new();
    for name in cases::NAMES {
        all.extend(Results::load(&kept, name)?);
    }
    for results in &all {
        let path = kept.join(format!("{}.svg", results.case));
        fs::write(&path, bars::picture(results)).with_context(|| format!("write {}", path.display()))?;
    }
    let by_hand = |name| fs::read_to_string(kept.join(name)).unwrap_or_default();
    let path = docs.join("benchmarks.md");
    fs::write(&path, page::page(&all, &by_hand(MISSED), &by_hand(CONTROL_PLANE)))
        .with_context(|| format!("write {}", path.display()))
}
