//! A picture of one case: a bar a program, as long as its median wall time. Follows the reader's choice of light or dark.

use std::fmt::Write;

use crate::program::Kind;
use crate::results::Results;

const ROW: usize = 30;
const TOP: usize = 46;
const BOTTOM: usize = 12;
const NAMES_WIDTH: usize = 210;
const BARS_WIDTH: usize = 400;
const WIDTH: usize = NAMES_WIDTH + BARS_WIDTH + 110;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:15px}.value{font-variant-numeric:tabular-nums}
.yardstick{fill:#6e7781}.gristmill{fill:#bf6a02}.rival{fill:#8fb4dc}.ground{fill:#ffffff}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.yardstick{fill:#8b949e}.gristmill{fill:#f0883e}.rival{fill:#3b6ea5}.ground{fill:#0d1117}}";

pub(super) fn picture(results: &Results) -> String {
    let height = TOP + ROW * results.series.len() + BOTTOM;
    let longest = results.series.iter().map(|series| series.wall()).fold(f64::MIN_POSITIVE, f64::max);
    let title = escaped(&results.title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"16\" y=\"28\">{title}: seconds</text>\n"
    );
    for (number, series) in results.series.iter().enumerate() {
        let wall = series.wall();
        let top = TOP + ROW * number;
        let (text, bar) = (top + 16, top + 3);
        let length = (wall / longest * BARS_WIDTH as f64).max(1.0);
        let end = NAMES_WIDTH as f64 + length + 8.0;
        let class = match series.kind {
            Kind::Yardstick => "yardstick",
            Kind::Gristmill => "gristmill",
            Kind::Rival => "rival",
        };
        let (name, value, left) = (escaped(&series.name), super::page::seconds(wall), NAMES_WIDTH - 10);
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"{text}\" text-anchor=\"end\">{name}</text>\
             <rect class=\"{class}\" x=\"{NAMES_WIDTH}\" y=\"{bar}\" width=\"{length:.1}\" height=\"18\" rx=\"2\"/>\
             <text class=\"value\" x=\"{end:.1}\" y=\"{text}\">{value}</text>"
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
