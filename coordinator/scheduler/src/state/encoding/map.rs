//! Maps: a length, then each key with its value, ascending.

use std::fmt;
use std::marker::PhantomData;

use imbl::OrdMap;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<K: Ord + Serialize, V: Serialize, S: Serializer>(
    map: &OrdMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut written = serializer.serialize_map(Some(map.len()))?;
    map.iter().try_for_each(|(key, value)| written.serialize_entry(key, value))?;
    written.end()
}

pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<OrdMap<K, V>, D::Error>
where
    K: Ord + Clone + Deserialize<'de>,
    V: Clone + Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(Entries(PhantomData))
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Entries<K, V>
where
    K: Ord + Clone + Deserialize<'de>,
    V: Clone + Deserialize<'de>,
{
    type Value = OrdMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with ascending keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<OrdMap<K, V>, A::Error> {
        let mut map = OrdMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            if map.get_max().is_some_and(|(last, _)| *last >= key) {
                return Err(A::Error::custom("the keys of a map are not in order"));
            }
            map.insert(key, value);
        }
        Ok(map)
    }
}
