//! Which of many equal things are worth a line in the log.

/// The first, and each power of ten.
#[must_use]
pub const fn is_said(mut count: u64) -> bool {
    while count >= 10 && count.is_multiple_of(10) {
        count /= 10;
    }
    count == 1
}

#[cfg(test)]
mod tests {
    use super::is_said;

    #[test]
    fn the_first_and_each_power_of_ten_are_said() {
        let said: Vec<u64> = (0..=10_000).filter(|count| is_said(*count)).collect();
        assert_eq!(said, [1, 10, 100, 1_000, 10_000]);
    }
}
