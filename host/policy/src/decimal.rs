//! Decimal numbers with a fixed unit: money and processors, exact where a float is not.

use std::fmt;

use serde_json::json;
use toml::de::DeValue;

use crate::read::{Node, Reading};
use crate::value::{Value, quoted};

/// US dollars, exact to a millionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd {
    micros: u64,
}

impl Usd {
    const PLACES: u32 = 6;

    /// Millionths of a dollar.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// Millionths of a dollar.
    pub const fn micros(self) -> u64 {
        self.micros
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&write_decimal(self.micros, Self::PLACES))
    }
}

impl Value for Usd {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let expected = "US dollars such as \"2.50\", with at most 6 decimals";
        read_decimal(node, reading, Self::PLACES, expected).map(Self::from_micros)
    }

    fn write(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [
            { "type": "number", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,6})?$", "examples": ["2.50"] },
        ] })
    }
}

/// Processors, exact to a thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus {
    thousandths: u64,
}

impl Cpus {
    const PLACES: u32 = 3;

    /// Thousandths of a processor.
    pub const fn from_thousandths(thousandths: u64) -> Self {
        Self { thousandths }
    }

    /// Thousandths of a processor.
    pub const fn thousandths(self) -> u64 {
        self.thousandths
    }
}

impl Value for Cpus {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let expected = "a number of processors more than 0, such as 1.5";
        let thousandths = read_decimal(node, reading, Self::PLACES, expected)?;
        if thousandths == 0 {
            reading.expected(node, expected);
            return None;
        }
        Some(Self { thousandths })
    }

    fn write(&self) -> Option<String> {
        Some(write_decimal(self.thousandths, Self::PLACES))
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [
            { "type": "number", "exclusiveMinimum": 0 },
            { "type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,3})?$" },
        ] })
    }
}

fn read_decimal(node: &Node<'_>, reading: &mut Reading<'_>, places: u32, expected: &str) -> Option<u64> {
    let number = match node.value.get_ref() {
        DeValue::String(text) => parse_decimal(text, places),
        DeValue::Float(float) => parse_decimal(float.as_str(), places),
        DeValue::Integer(integer) if integer.radix() == 10 => parse_decimal(integer.as_str(), places),
        _ => None,
    };
    if number.is_none() {
        reading.expected(node, expected);
    }
    number
}

/// Digits, and a point with digits where there is one; no sign, no exponent.
fn parse_decimal(text: &str, places: u32) -> Option<u64> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction_places = u32::try_from(fraction.len()).ok().filter(|length| *length <= places)?;
    let fraction: u64 = fraction.parse().ok()?;
    let scaled = fraction.checked_mul(10_u64.checked_pow(places - fraction_places)?)?;
    whole.parse::<u64>().ok()?.checked_mul(10_u64.checked_pow(places)?)?.checked_add(scaled)
}

fn write_decimal(number: u64, places: u32) -> String {
    let unit = 10_u64.saturating_pow(places);
    let width = usize::try_from(places).unwrap_or_default();
    let fraction = format!("{:0width$}", number % unit);
    match fraction.trim_end_matches('0') {
        "" => (number / unit).to_string(),
        fraction => format!("{}.{fraction}", number / unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_exact() {
        for (text, micros) in [("0", 0), ("2.50", 2_500_000), ("0.000001", 1), ("10", 10_000_000)] {
            assert_eq!(parse_decimal(text, 6), Some(micros), "{text}");
            assert_eq!(parse_decimal(&write_decimal(micros, 6), 6), Some(micros), "{text}");
        }
        for text in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "0.0000001", "18446744073709551615", "inf"]
        {
            assert_eq!(parse_decimal(text, 6), None, "{text}");
        }
    }
}
