//! Paired measurements, which of them count, and what can be said of their ratios.

/// How many undisturbed pairs a benchmark measures.
pub const PAIRS: usize = 41;
/// A pair counts if its baseline took at most this much of the fastest one's time.
///
/// This is for limits in absolute time: where a neighbour on the same processor
/// slows the baseline itself, nothing can be said about them. Ours has no say in
/// which pairs count, and a baseline that was fast by chance counts against us.
const UNDISTURBED: f64 = 1.1;
/// How many pairs are measured at the most to have enough undisturbed ones.
const MOST_PAIRS: usize = 10 * PAIRS;

/// Pairs of a baseline and ours, measured in turn.
pub struct Pairs<T> {
    cost: fn(&T) -> f64,
    measured: Vec<(T, T)>,
}

impl<T> Pairs<T> {
    /// No pairs yet; `cost` is what a disturbance would raise.
    pub fn new(cost: fn(&T) -> f64) -> Self {
        Self { cost, measured: Vec::new() }
    }

    /// Takes a pair.
    pub fn add(&mut self, baseline: T, ours: T) {
        self.measured.push((baseline, ours));
    }

    /// Whether more pairs are wanted.
    pub fn are_too_few(&self) -> bool {
        self.undisturbed().count() < PAIRS && self.measured.len() < MOST_PAIRS
    }

    /// The pairs that count.
    pub fn undisturbed(&self) -> impl Iterator<Item = &(T, T)> {
        let costs = self.measured.iter().map(|(baseline, _)| (self.cost)(baseline));
        let most = costs.fold(f64::INFINITY, f64::min) * UNDISTURBED;
        self.measured.iter().filter(move |(baseline, _)| (self.cost)(baseline) <= most)
    }

    /// How many pairs do not count.
    pub fn disturbed(&self) -> usize {
        self.measured.len() - self.undisturbed().count()
    }
}

/// The ratios of pairs, sorted.
#[derive(Clone, Debug)]
pub struct Ratios(Vec<f64>);

impl Ratios {
    /// Takes the ratios of at least eleven pairs.
    ///
    /// # Panics
    /// With fewer than eleven: the interval would say too little.
    pub fn new(mut ratios: Vec<f64>) -> Self {
        assert!(ratios.len() >= 11, "at least 11 pairs");
        ratios.sort_by(f64::total_cmp);
        Self(ratios)
    }

    /// The middle ratio.
    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// An interval that contains the true median with at least 95% confidence:
    /// the order statistics of the sign test, which assumes nothing about how
    /// the noise is distributed.
    pub fn interval(&self) -> (f64, f64) {
        let rank = sign_test_rank(self.0.len());
        (self.0[rank], self.0[self.0.len() - 1 - rank])
    }
}

/// The largest rank `k` for which fewer than `k` heads in `n` tosses have a
/// probability of at most 2.5%, counted from zero.
fn sign_test_rank(n: usize) -> usize {
    let tosses = i32::try_from(n).unwrap_or(i32::MAX);
    let mut probability = 0.5_f64.powi(tosses);
    let mut cumulative = 0.0;
    let mut ways = 1.0;
    for k in 0..n {
        cumulative += probability;
        if cumulative > 0.025 {
            return k.saturating_sub(1);
        }
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let next = ways * (n - k) as f64 / (k + 1) as f64;
        probability *= next / ways;
        ways = next;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_sign_test() {
        // From tables of the binomial distribution: P(X <= 1 | 11) = 0.0059,
        // P(X <= 2 | 11) = 0.0327; P(X <= 3 | 15) = 0.0176, P(X <= 4 | 15) = 0.0592.
        assert_eq!(sign_test_rank(11), 1);
        assert_eq!(sign_test_rank(15), 3);
    }

    #[test]
    fn pairs_whose_baseline_was_disturbed_do_not_count() {
        let mut pairs = Pairs::new(|cost: &f64| *cost);
        for (baseline, ours) in [(1.2, 1.0), (1.0, 9.0), (1.09, 2.0), (2.0, 2.0)] {
            assert!(pairs.are_too_few());
            pairs.add(baseline, ours);
        }
        let counted: Vec<(f64, f64)> = pairs.undisturbed().copied().collect();
        assert_eq!(counted, [(1.0, 9.0), (1.09, 2.0)]);
        assert_eq!(pairs.disturbed(), 2);
        (0..PAIRS).for_each(|_| pairs.add(1.0, 1.0));
        assert!(!pairs.are_too_few());
    }

    #[test]
    fn the_interval_contains_the_median() {
        let ratios = Ratios::new((1..=15).rev().map(f64::from).collect());
        assert!((ratios.median() - 8.0).abs() < f64::EPSILON);
        assert_eq!(ratios.interval(), (4.0, 12.0));
    }
}
