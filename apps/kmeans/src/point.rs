//! Points: decimal numbers, kept in millionths so that sums are exact and their order does not matter.

use std::fmt;
use std::str::FromStr;

/// Millionths in one.
const SCALE: i64 = 1_000_000;
/// Digits after the point; further ones are cut off.
const FRACTION_DIGITS: usize = 6;
/// The largest absolute value of a coordinate: so squares of differences, and sums of very many, stay exact.
const LARGEST: i64 = 1_000_000_000;
/// Coordinates of one point.
const DIMENSIONS_MAX: usize = 1024;

/// A point, in millionths. Written as `1.5,-2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point(pub Vec<i64>);

/// A text that is no point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPoint(String);

impl fmt::Display for NoPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoPoint {}

impl Point {
    /// The square of the distance to another, in millionths of millionths; missing coordinates count as 0.
    pub fn distance_squared(&self, other: &Self) -> u128 {
        let count = self.0.len().max(other.0.len());
        let at = |point: &Self, index: usize| point.0.get(index).copied().unwrap_or(0);
        (0..count)
            .map(|index| {
                let difference = u128::from(at(self, index).abs_diff(at(other, index)));
                difference * difference
            })
            .sum()
    }

    /// The largest difference of a coordinate, in millionths.
    pub fn largest_difference(&self, other: &Self) -> u64 {
        self.0.iter().zip(&other.0).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
    }

    /// The nearest of these; of several the first. `None` if there is none.
    pub fn nearest(&self, centroids: &[Self]) -> Option<usize> {
        let distance = |(_, centroid): &(usize, &Self)| self.distance_squared(centroid);
        centroids.iter().enumerate().min_by_key(distance).map(|(index, _)| index)
    }

    /// The middle of points of which there are `count` and whose coordinates add up to `sums`; halves are rounded away from 0.
    pub fn middle(count: u64, sums: &[i128]) -> Self {
        let count = i128::from(count.max(1));
        let rounded = |sum: &i128| {
            let doubled = sum.unsigned_abs() * 2 + count.unsigned_abs();
            let middle = i64::try_from(doubled / (count.unsigned_abs() * 2)).unwrap_or(i64::MAX);
            if *sum < 0 { -middle } else { middle }
        };
        Self(sums.iter().map(rounded).collect())
    }

    /// Points separated by `;`, all with the same number of coordinates.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, NoPoint> {
        let points: Vec<Self> = text.split(';').map(str::parse).collect::<Result<_, _>>()?;
        let dimensions = points.first().map_or(0, |first| first.0.len());
        match points.iter().find(|point| point.0.len() != dimensions) {
            Some(odd) => {
                Err(NoPoint(format!("`{odd}` has not {dimensions} coordinates, as the first point has")))
            }
            None => Ok(points),
        }
    }

    /// As [`parse_list`](Self::parse_list) reads them.
    pub fn list(points: &[Self]) -> String {
        let texts: Vec<String> = points.iter().map(ToString::to_string).collect();
        texts.join(";")
    }
}

/// A decimal number in millionths, such as `-1.25`.
pub fn millionths(text: &str) -> Result<i64, NoPoint> {
    let wrong =
        || NoPoint(format!("`{text}` is not a number between -{LARGEST} and {LARGEST}, such as -1.25"));
    let plain = text.trim();
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return Err(wrong());
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
    let kept = fraction.get(..fraction.len().min(FRACTION_DIGITS)).unwrap_or_default();
    let fraction: i64 = format!("{kept:0<FRACTION_DIGITS$}").parse().map_err(|_| wrong())?;
    if whole > LARGEST || (whole == LARGEST && fraction > 0) {
        return Err(wrong());
    }
    let value = whole * SCALE + fraction;
    Ok(if negative { -value } else { value })
}

impl FromStr for Point {
    type Err = NoPoint;

    fn from_str(text: &str) -> Result<Self, NoPoint> {
        let coordinates: Vec<i64> = text.split(',').map(millionths).collect::<Result<_, _>>()?;
        if coordinates.len() > DIMENSIONS_MAX {
            return Err(NoPoint(format!("a point has at most {DIMENSIONS_MAX} coordinates")));
        }
        Ok(Self(coordinates))
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, value) in self.0.iter().enumerate() {
            let sign = if *value < 0 { "-" } else { "" };
            let value = value.unsigned_abs();
            let (whole, fraction) = (value / SCALE.unsigned_abs(), value % SCALE.unsigned_abs());
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{sign}{whole}")?;
            if fraction > 0 {
                let digits = format!("{fraction:0FRACTION_DIGITS$}");
                write!(f, ".{}", digits.trim_end_matches('0'))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(text: &str) -> Point {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_read_to_the_millionth() {
        assert_eq!(point("1.5,-2, .25,3.").0, [1_500_000, -2_000_000, 250_000, 3_000_000]);
        assert_eq!(point("0.0000019").0, [1], "what is smaller is cut off");
        assert_eq!(point("-1000000000").0, [-1_000_000_000_000_000]);
        for wrong in
            ["", "x", "1,", "1e3", "--1", "1.2.3", "+1", "-", ".", "1000000000.5", "99999999999999999999"]
        {
            assert!(wrong.parse::<Point>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_several_nearest_the_first_is_taken() {
        let centroids = Point::parse_list("0,0;2,0;10,10").unwrap();
        assert_eq!(point("1,0").nearest(&centroids), Some(0));
        assert_eq!(point("1.1,0").nearest(&centroids), Some(1));
        assert_eq!(point("7,7").nearest(&centroids), Some(2));
        assert_eq!(point("7,7").nearest(&[]), None);
    }

    #[test]
    fn the_middle_is_exact_and_halves_go_away_from_zero() {
        assert_eq!(Point::middle(2, &[3, -3, 4]).0, [2, -2, 2]);
        assert_eq!(Point::middle(3, &[4, 5, -4]).0, [1, 2, -1]);
        assert_eq!(Point::middle(0, &[4]).0, [4]);
    }

    #[test]
    fn a_list_has_points_of_one_kind() {
        assert_eq!(Point::list(&Point::parse_list("1,2;3,4.5").unwrap()), "1,2;3,4.5");
        assert!(Point::parse_list("1,2;3").unwrap_err().to_string().contains("`3` has not 2"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in proptest::collection::vec(-1_000_000_000_000_000_i64..=1_000_000_000_000_000, 1..5)) {
            let point = Point(values);
            prop_assert_eq!(point.to_string().parse(), Ok(point));
        }

        #[test]
        fn no_centroid_is_nearer_than_the_nearest(
            values in proptest::collection::vec(any::<i32>().prop_map(i64::from), 2),
            others in proptest::collection::vec(proptest::collection::vec(any::<i32>().prop_map(i64::from), 2), 1..8),
        ) {
            let (point, centroids) = (Point(values), others.into_iter().map(Point).collect::<Vec<_>>());
            let nearest = point.nearest(&centroids).unwrap();
            let distance = point.distance_squared(&centroids[nearest]);
            prop_assert!(centroids.iter().all(|other| point.distance_squared(other) >= distance));
        }
    }
}
