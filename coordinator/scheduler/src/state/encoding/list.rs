//! Lists: a length, then each element.

use std::fmt;
use std::marker::PhantomData;

use imbl::Vector;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<T: Clone + Serialize, S: Serializer>(
    list: &Vector<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut written = serializer.serialize_seq(Some(list.len()))?;
    list.iter().try_for_each(|element| written.serialize_element(element))?;
    written.end()
}

pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vector<T>, D::Error>
where
    T: Clone + Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(Elements(PhantomData))
}

struct Elements<T>(PhantomData<T>);

impl<'de, T: Clone + Deserialize<'de>> Visitor<'de> for Elements<T> {
    type Value = Vector<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vector<T>, A::Error> {
        let mut list = Vector::new();
        while let Some(element) = elements.next_element()? {
            list.push_back(element);
        }
        Ok(list)
    }
}
