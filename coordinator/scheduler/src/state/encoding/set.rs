//! Sets: a length, then each element, ascending.

use std::fmt;
use std::marker::PhantomData;

use imbl::OrdSet;
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<T: Ord + Serialize, S: Serializer>(
    set: &OrdSet<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut written = serializer.serialize_seq(Some(set.len()))?;
    set.iter().try_for_each(|element| written.serialize_element(element))?;
    written.end()
}

pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<OrdSet<T>, D::Error>
where
    T: Ord + Clone + Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(Elements(PhantomData))
}

struct Elements<T>(PhantomData<T>);

impl<'de, T: Ord + Clone + Deserialize<'de>> Visitor<'de> for Elements<T> {
    type Value = OrdSet<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set with ascending elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<OrdSet<T>, A::Error> {
        let mut set = OrdSet::new();
        while let Some(element) = elements.next_element()? {
            if set.get_max().is_some_and(|last| *last >= element) {
                return Err(A::Error::custom("the elements of a set are not in order"));
            }
            set.insert(element);
        }
        Ok(set)
    }
}
