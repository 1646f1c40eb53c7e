//! JSON from outside, read as what it should be.

mod strict;

use serde::{Deserialize, Deserializer};
use strict::Strict;

/// Why a text could not be read, with the path to the place: `tags[1]: invalid type: integer …`.
pub type Error = serde_path_to_error::Error<serde_json::Error>;

/// Reads a struct from an object, and all structs in it from objects: serde by itself also takes a list for a struct, with
/// its fields in order.
///
/// What serde reads twice lies outside of that: a type with `untagged`, `tag` or `flatten` must hold no structs.
///
/// # Errors
/// When it is no JSON, or not of this shape.
pub fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(Strict(&mut deserializer), &mut track);
    let read = T::deserialize(tracked).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| Error::new(track.path(), error))
}

/// A struct that is read like that by whoever reads it.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(Strict(deserializer)).map(Self)
    }
}

#[cfg(test)]
mod tests;
