//! JSON for signatures: read strictly (RFC 7493, I-JSON), written canonically (RFC 8785, JCS).
//!
//! A repeated key, or an integer that a double cannot hold, would let two readers of the same
//! signed bytes see different messages. The parser refuses both.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Largest magnitude of an integer (RFC 7493 section 2.2).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Reasons why bytes are not a JSON text that can be signed.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Longer than the caller allows.
    #[error("the JSON text is longer than {0} bytes")]
    TooLong(usize),
    /// Not JSON, a repeated key, an integer out of range, or nested more than 127 deep. The text
    /// names line and column.
    #[error("the JSON text is malformed: {0}")]
    Malformed(serde_json::Error),
    /// The value cannot be written canonically.
    #[error("the value has no canonical form: {0}")]
    NotCanonical(serde_json::Error),
}

/// Reads one JSON text of at most `len_max` bytes.
pub fn parse(text: &[u8], len_max: usize) -> Result<Value, JsonError> {
    if text.len() > len_max {
        return Err(JsonError::TooLong(len_max));
    }
    serde_json::from_slice::<Strict>(text)
        .map(|strict| strict.0)
        .map_err(JsonError::Malformed)
}

/// Returns the canonical form: keys sorted by UTF-16 code units, no white space, numbers and
/// escapes as ECMAScript writes them.
///
/// Integers beyond [`INTEGER_MAX`] are rounded to doubles, by RFC 8785; [`parse`] never accepts
/// one.
pub fn canonical(value: &impl Serialize) -> Result<Vec<u8>, JsonError> {
    serde_json_canonicalizer::to_vec(value).map_err(JsonError::NotCanonical)
}

/// A value read with the rules of this module.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(Value::Bool(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Strict, E> {
        in_range(value)?;
        Ok(Strict(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Strict, E> {
        in_range(value.unsigned_abs())?;
        Ok(Strict(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Strict, E> {
        // An integer too long for 64 bits arrives here as a double.
        if value.fract() == 0.0 && value.abs() > INTEGER_MAX as f64 {
            return Err(de::Error::custom("a number is too large"));
        }
        Number::from_f64(value)
            .map(|n| Strict(Value::Number(n)))
            .ok_or_else(|| de::Error::custom("a number is not finite"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(Value::String(value.to_owned())))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Strict, E> {
        Ok(Strict(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Strict(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Strict, A::Error> {
        let mut map = Map::new();
        while let Some((key, Strict(value))) = access.next_entry::<String, Strict>()? {
            if map.insert(key, value).is_some() {
                return Err(de::Error::custom("a key is repeated"));
            }
        }
        Ok(Strict(Value::Object(map)))
    }
}

fn in_range<E: de::Error>(magnitude: u64) -> Result<(), E> {
    if magnitude > INTEGER_MAX {
        Err(de::Error::custom("an integer is beyond 2^53 - 1"))
    } else {
        Ok(())
    }
}
