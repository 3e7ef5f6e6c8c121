//! What dd tells of its work: records, bytes, time and speed.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::operands::Level;

/// Blocks that were whole and blocks that were not.
#[derive(Debug, Default)]
pub struct Records {
    pub full: u64,
    pub partial: u64,
}

/// What was done so far.
pub struct Report {
    level: Level,
    start: Instant,
    /// How many seconds have to be over until the next line of `status=progress`.
    next: u64,
    /// How long the line of `status=progress` is that stands there.
    shown: usize,
    pub read: Records,
    pub written: Records,
    pub bytes: u64,
}

impl Report {
    pub fn new(level: Level) -> Self {
        let (read, written) = (Records::default(), Records::default());
        Self { level, start: Instant::now(), next: 1, shown: 0, read, written, bytes: 0 }
    }

    /// Shows `status=progress`, once a second.
    pub fn progress(&mut self) {
        if self.level != Level::Progress {
            return;
        }
        let taken = self.start.elapsed();
        if taken.as_secs() < self.next {
            return;
        }
        self.next = taken.as_secs() + 1;
        let line = transfer(self.bytes, taken, &format!("{:.0} s", taken.as_secs_f64()));
        eprint!("\r{line:<width$}", width = self.shown);
        let _ = std::io::stderr().flush();
        self.shown = line.len();
    }

    /// Shows what there is to show at the end, or at an error that is gone over.
    pub fn show(&mut self) {
        if self.level == Level::None {
            return;
        }
        let mut text = if std::mem::take(&mut self.shown) > 0 { "\n".to_owned() } else { String::new() };
        let (read, written) = (&self.read, &self.written);
        text.push_str(&format!("{}+{} records in\n", read.full, read.partial));
        text.push_str(&format!("{}+{} records out\n", written.full, written.partial));
        if self.level != Level::NoTransfer {
            let taken = self.start.elapsed();
            text.push_str(&transfer(self.bytes, taken, &format!("{} s", general(taken.as_secs_f64()))));
            text.push('\n');
        }
        eprint!("{text}");
    }
}

fn transfer(bytes: u64, taken: Duration, time: &str) -> String {
    let (decimal, binary) = (size(bytes, 1000), size(bytes, 1024));
    let noun = if bytes == 1 { "byte" } else { "bytes" };
    let also = match (bytes < 1000, bytes < 1024) {
        (true, _) => String::new(),
        (false, true) => format!(" ({decimal})"),
        (false, false) => format!(" ({decimal}, {binary})"),
    };
    format!("{bytes} {noun}{also} copied, {time}, {}", speed(bytes, taken))
}

/// A size in the largest unit that it has one of, rounded to the nearest: `1.5 kB`, `15 MiB`.
pub fn size(bytes: u64, base: u64) -> String {
    let (mut unit, mut exponent) = (1u128, 0);
    while u128::from(bytes) >= unit * u128::from(base) {
        unit *= u128::from(base);
        exponent += 1;
    }
    if exponent == 0 {
        return format!("{bytes} B");
    }
    let tenths = nearest(u128::from(bytes) * 10, unit);
    if tenths < 100 {
        return format!("{}.{} {}", tenths / 10, tenths % 10, prefix(exponent, base));
    }
    match nearest(u128::from(bytes), unit) {
        whole if whole == u128::from(base) => format!("1.0 {}", prefix(exponent + 1, base)),
        whole => format!("{whole} {}", prefix(exponent, base)),
    }
}

/// A quotient, rounded to the nearest and from the middle to the even.
fn nearest(number: u128, unit: u128) -> u128 {
    let (whole, twice) = (number / unit, number % unit * 2);
    whole + u128::from(twice > unit || twice == unit && whole % 2 == 1)
}

fn prefix(exponent: usize, base: u64) -> String {
    let letter = if base == 1000 { "BkMGTPEZY" } else { "BKMGTPEZY" }.chars().nth(exponent).unwrap_or('?');
    if base == 1000 { format!("{letter}B") } else { format!("{letter}iB") }
}

/// Bytes in a second, in thousands at least as GNU has it.
fn speed(bytes: u64, taken: Duration) -> String {
    let seconds = taken.as_secs_f64();
    if seconds == 0.0 {
        return "Infinity B/s".to_owned();
    }
    // Only to be shown: what is beyond 53 bits is not.
    #[allow(clippy::cast_precision_loss)]
    let mut amount = bytes as f64 / seconds / 1000.0;
    let mut exponent = 1;
    while amount >= 1000.0 && exponent < 8 {
        amount /= 1000.0;
        exponent += 1;
    }
    let tenths = format!("{amount:.1}");
    let number = if tenths.len() > 3 { format!("{amount:.0}") } else { tenths };
    format!("{number} {}/s", prefix(exponent, 1000))
}

/// As C's `%g` has it: six digits without zeros at their end.
fn general(number: f64) -> String {
    let scientific = format!("{number:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(digits), exponent.abs());
    }
    let decimals = usize::try_from(5 - exponent).unwrap_or(0);
    trimmed(&format!("{number:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_to_the_nearest() {
        let decimal =
            [(1000, "1.0 kB"), (1500, "1.5 kB"), (9949, "9.9 kB"), (9951, "10 kB"), (999_999, "1.0 MB")];
        for (bytes, text) in decimal.into_iter().chain([(0, "0 B"), (999, "999 B"), (3_145_728, "3.1 MB")]) {
            assert_eq!(size(bytes, 1000), text);
        }
        for (bytes, text) in [(1023, "1023 B"), (1024, "1.0 KiB"), (3 << 20, "3.0 MiB"), (1 << 60, "1.0 EiB")]
        {
            assert_eq!(size(bytes, 1024), text);
        }
    }

    #[test]
    fn a_line_has_the_units_that_its_size_reaches() {
        let second = Duration::from_secs(2);
        assert_eq!(transfer(1, second, "2 s"), "1 byte copied, 2 s, 0.0 kB/s");
        assert_eq!(transfer(1000, second, "2 s"), "1000 bytes (1.0 kB) copied, 2 s, 0.5 kB/s");
        assert_eq!(
            transfer(30_000_000, second, "2 s"),
            "30000000 bytes (30 MB, 29 MiB) copied, 2 s, 15 MB/s"
        );
    }

    #[test]
    fn times_have_six_digits() {
        for (number, text) in
            [(0.0, "0"), (2.0, "2"), (0.206_943, "0.206943"), (3.087e-5, "3.087e-05"), (12.5, "12.5")]
        {
            assert_eq!(general(number), text);
        }
    }
}
