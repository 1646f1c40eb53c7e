//! JSON from outside, read as what it should be.

use serde::Deserialize;
use serde::de::Error;

/// Reads an object, and nothing else: serde by itself also takes a list for a struct, with its fields in order.
///
/// # Errors
/// When it is no JSON, no object, or not of this shape.
pub fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, serde_json::Error> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(Error::custom("it is no object"));
    }
    serde_json::from_slice(json)
}

#[cfg(test)]
mod tests {
    use super::object;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: u8,
        y: u8,
    }

    #[test]
    fn an_object_is_read_and_a_list_of_its_fields_is_not() {
        assert_eq!(object::<Point>(b" \n{\"y\":2,\"x\":1}").unwrap(), Point { x: 1, y: 2 });
        assert_eq!(serde_json::from_str::<Point>("[1,2]").unwrap(), Point { x: 1, y: 2 }, "serde takes it");
        for text in ["[1,2]", " [1,2]", "", "null", "7", "\"x\"", "{", "{\"x\":1}"] {
            assert!(object::<Point>(text.as_bytes()).is_err(), "{text}");
        }
    }
}
