//! One iteration of k-means: each point is given to the nearest centroid, and each centroid moves to the middle of its points.
//!
//! A line of the input is a point, such as `1.5,-2`; empty lines are skipped. The output has a line `number count x,y` for each
//! centroid that was given points. Coordinates are sums of millionths, so the result is the same in whatever order they are added.
//! `kmeans-driver` runs iterations until nothing moves any more.
#![forbid(unsafe_code)]

mod point;

pub use point::{NoPoint, Point, millionths};

use gristmill_sdk::prelude::*;

/// The app.
#[derive(Default)]
pub struct KMeans {
    centroids: Vec<Point>,
}

/// How many points, and what their coordinates add up to.
type Sum = (u64, Vec<i128>);

fn add(total: &mut Sum, next: Sum) {
    total.0 += next.0;
    total.1.resize(total.1.len().max(next.1.len()), 0);
    for (sum, more) in total.1.iter_mut().zip(next.1) {
        *sum += more;
    }
}

impl KMeans {
    fn read(&self, line: &[u8]) -> Result<Option<Point>> {
        let text = std::str::from_utf8(line).map_err(|_| Error::new("a line is not UTF-8"))?.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let point: Point = text.parse().map_err(Error::new)?;
        let dimensions = self.centroids.first().map_or(0, |first| first.0.len());
        if point.0.len() != dimensions {
            let found = point.0.len();
            return Err(Error::new(format_args!(
                "a point has {found} coordinates, the centroids {dimensions}"
            )));
        }
        Ok(Some(point))
    }
}

impl App for KMeans {
    type Key = u32;
    type Value = Sum;
    const PARAMS: &'static [Param] =
        &[Param::required("centroids", "points separated by `;`, such as 0,0;1.5,2")];
    const COMBINE: Option<Combine<Self>> = Some(add);

    fn setup(&mut self, params: &Params) -> Result<()> {
        let centroids = Point::parse_list(params.required("centroids")?);
        self.centroids =
            centroids.map_err(|wrong| Error::new(format_args!("parameter `centroids`: {wrong}")))?;
        Ok(())
    }

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for line in split.lines() {
            let Some(point) = self.read(line)? else { continue };
            let nearest = point.nearest(&self.centroids).unwrap_or_default();
            let sums = point.0.iter().map(|value| i128::from(*value)).collect::<Vec<_>>();
            emit.pair(&u32::try_from(nearest).unwrap_or(u32::MAX), (1, sums));
        }
        Ok(())
    }

    fn reduce(&mut self, centroid: &u32, sums: Values<'_, Sum>, out: &mut Output<'_>) -> Result<()> {
        let mut total = (0, Vec::new());
        sums.for_each(|sum| add(&mut total, sum));
        let (count, middle) = (total.0, Point::middle(total.0, &total.1));
        out.line(format!("{centroid} {count} {middle}"));
        Ok(())
    }
}

gristmill_sdk::export!(KMeans);

#[cfg(test)]
mod tests {
    use gristmill_sdk::testing::{TestJob, run_every_way};

    use super::*;

    const POINTS: &str = "0,0\n0,2\n\n10,10\n10.5,11\n100,100\n";

    fn moved(centroids: &str) -> String {
        let job = TestJob::new().input("points", POINTS).arg("centroids", centroids);
        run_every_way::<KMeans>(&job).unwrap().text()
    }

    #[test]
    fn centroids_move_to_the_middle_of_their_points() {
        assert_eq!(moved("1,1;12,12"), "0 2 0,1\n1 3 40.166667,40.333333\n");
        assert_eq!(moved("0,1;10,10;90,90"), "0 2 0,1\n1 2 10.25,10.5\n2 1 100,100\n");
    }

    #[test]
    fn a_centroid_without_points_has_no_line() {
        assert_eq!(moved("5,5;-1000,-1000"), "0 5 24.1,24.6\n");
    }

    #[test]
    fn what_is_no_point_is_named() {
        let failure = |points: &str, centroids: &str| {
            let job = TestJob::new().input("points", points).arg("centroids", centroids);
            run_every_way::<KMeans>(&job).unwrap_err().to_string()
        };
        assert!(failure("1,2\n1,x\n", "0,0").contains("`x` is not a number"));
        assert!(failure("1,2\n1\n", "0,0").contains("1 coordinates, the centroids 2"));
        assert!(failure("1,2\n", "0,0;1").contains("parameter `centroids`"));
        assert!(failure("1,2\n", "").contains("parameter `centroids`"));
    }
}
