//! How much is asked of S3 at once, and how fast: a window of requests in flight, and where S3 says SlowDown a rate.
//!
//! The window grows while S3 keeps up and shrinks when latency rises or S3 says SlowDown. The rate is what S3 was seen
//! to let through, a little less after each SlowDown and a little more after each quiet moment. One for all.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

pub(crate) use crate::aws::s3::fast::S3HeadRequestTimings;

/// Requests in flight, however slow S3 is.
const REQUESTS_MIN: usize = 4;
/// And at first: no more than the usual tools begin with.
const REQUESTS_INITIAL: usize = 128;
/// How often the window is thought about.
const TICK_INTERVAL: Duration = Duration::from_millis(20);
/// How soon after that it is, on the way up: a reply that comes between two ticks isn't waited for a whole one.
const RAMP_TICK_INTERVAL: Duration = Duration::from_millis(5);
/// How often the rate is: often enough to follow, seldom enough to measure.
const RATE_MEASURE_INTERVAL: Duration = Duration::from_millis(100);
/// Requests a second at first while links still lead to S3, whose limits customers share: a HEAD and a copy each, so below a
/// thousand copies a second (contract section 2).
const RATE_BESIDE_S3_LINKS_INITIAL: f64 = 1_900.0;

pub struct AdaptiveConcurrencyLimit {
    size: AtomicUsize,
    most: usize,
    /// Replies that weren't SlowDown.
    passed: AtomicU64,
    slow_downs: AtomicU64,
    limited: AtomicBool,
    /// Whether customers' links lead to S3 too.
    are_links_at_s3: Arc<AtomicBool>,
    /// When the next request may go. Whoever waits for that holds it, the rest stand in line: a rate that changes
    /// meets at most one that has its time already.
    next: tokio::sync::Mutex<Instant>,
    inner: Mutex<ConcurrencyLimitState>,
}

struct ConcurrencyLimitState {
    ramping: bool,
    /// How often in a row HEADs took far longer than they do while S3 keeps up.
    strained_in_a_row: u32,
    /// Seconds that a HEAD takes while S3 keeps up.
    base_latency_secs: Option<f64>,
    /// Requests a second, where S3 has said SlowDown.
    rate: Option<f64>,
    measured_at: Instant,
    passed: u64,
    slow_downs: u64,
    /// When its size was last thought about, and the HEADs since.
    adjusted_at: Instant,
    heads: S3HeadRequestTimings,
    /// Replies until it last grew.
    successes_at_growth: u64,
    /// Replies a second, smoothed over half a second or so.
    successes_per_second: f64,
    shrunk_at: Instant,
    /// Whether S3 has said SlowDown.
    was_slowed: bool,
}

impl AdaptiveConcurrencyLimit {
    /// Begins with few requests in flight, `most` at most; while `are_links_at_s3` holds true, slowly too.
    pub fn new(most: usize, are_links_at_s3: Arc<AtomicBool>) -> Self {
        let now = Instant::now();
        let is_beside_links = are_links_at_s3.load(Relaxed);
        Self {
            size: AtomicUsize::new(REQUESTS_INITIAL.min(most)),
            most,
            passed: AtomicU64::new(0),
            slow_downs: AtomicU64::new(0),
            limited: AtomicBool::new(is_beside_links),
            are_links_at_s3,
            next: tokio::sync::Mutex::new(now),
            inner: Mutex::new(ConcurrencyLimitState {
                ramping: true,
                strained_in_a_row: 0,
                base_latency_secs: None,
                rate: is_beside_links.then_some(RATE_BESIDE_S3_LINKS_INITIAL),
                measured_at: now,
                passed: 0,
                slow_downs: 0,
                adjusted_at: now,
                heads: S3HeadRequestTimings::default(),
                successes_at_growth: 0,
                successes_per_second: 0.0,
                shrunk_at: now,
                was_slowed: false,
            }),
        }
    }

    /// Returns how long after one [`Self::update_concurrency_limit`] the next is due.
    pub fn next_concurrency_update_delay(&self) -> Duration {
        let ramping = self.inner.lock().unwrap_or_else(PoisonError::into_inner).ramping;
        if ramping && self.current_request_concurrency() < self.most {
            RAMP_TICK_INTERVAL
        } else {
            TICK_INTERVAL
        }
    }

    /// Requests that may be in flight.
    pub fn current_request_concurrency(&self) -> usize {
        self.size.load(Relaxed)
    }

    /// Returns how often S3 has said SlowDown.
    pub fn s3_slow_down_count(&self) -> u64 {
        self.slow_downs.load(Relaxed)
    }

    /// Returns whether there is a rate to wait for.
    pub fn is_request_rate_limited(&self) -> bool {
        self.limited.load(Relaxed)
    }

    /// Waits until the rate lets one more request go; at once where there is none.
    pub async fn wait_for_request_rate(&self) {
        let mut next = self.next.lock().await;
        let Some(rate) = self.inner.lock().unwrap_or_else(PoisonError::into_inner).rate else { return };
        // A busy machine wakes late: what it missed of the last moment it may catch up on.
        let at = (*next).max(Instant::now() - RATE_MEASURE_INTERVAL);
        tokio::time::sleep_until(at).await;
        *next = at + Duration::from_secs_f64(1.0 / rate);
    }

    /// Counts a reply that wasn't SlowDown.
    pub fn count_request_success(&self) {
        self.passed.fetch_add(1, Relaxed);
    }

    /// Replies so far that weren't SlowDown.
    pub fn successful_request_count(&self) -> u64 {
        self.passed.load(Relaxed)
    }

    /// Counts a SlowDown: the next update lowers the limit for it.
    pub fn count_s3_slow_down(&self) {
        self.slow_downs.fetch_add(1, Relaxed);
    }

    /// Thinks again; `busy` is how much of the window is used, `heads` what S3 took for those since the last time.
    pub fn update_concurrency_limit(&self, busy: usize, heads: S3HeadRequestTimings) {
        let now = Instant::now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.adapt_s3_request_rate_limit(&mut inner, now);
        self.size.store(self.compute_concurrency_limit(&mut inner, busy, heads, now), Relaxed);
    }

    fn adapt_s3_request_rate_limit(&self, inner: &mut ConcurrencyLimitState, now: Instant) {
        let elapsed = (now - inner.measured_at).as_secs_f64();
        if elapsed < RATE_MEASURE_INTERVAL.as_secs_f64() {
            return;
        }
        inner.measured_at = now;
        let (passed, slow_downs) = (self.passed.load(Relaxed), self.slow_downs.load(Relaxed));
        let through = (passed - inner.passed) as f64 / elapsed;
        let slowed = slow_downs > inner.slow_downs;
        (inner.passed, inner.slow_downs) = (passed, slow_downs);
        inner.successes_per_second += (through - inner.successes_per_second) * 0.3;
        if slowed {
            let cut = inner.rate.map_or(f64::INFINITY, |rate| rate * 0.95);
            // Never below half at once: a moment in which nothing passed says little.
            let least = inner.rate.map_or(1.0, |rate| rate * 0.5);
            let rate = inner.successes_per_second.min(cut).max(least).max(1.0);
            let is_first_beside_links = self.are_links_at_s3.load(Relaxed) && !inner.was_slowed;
            inner.rate = Some(if is_first_beside_links { (rate / 2.0).max(1.0) } else { rate });
        } else if let Some(rate) = inner.rate {
            // What isn't the limit any more needn't be held.
            let rate = rate * 1.02;
            // Beside customers' links it is let go slowly, too.
            let is_beside_links = self.are_links_at_s3.load(Relaxed);
            let least = if is_beside_links { RATE_BESIDE_S3_LINKS_INITIAL } else { 100.0 };
            inner.rate = (rate < 8.0 * inner.successes_per_second.max(least)).then_some(rate);
        }
        inner.was_slowed |= slowed;
        self.limited.store(inner.rate.is_some(), Relaxed);
        if slowed && now - inner.shrunk_at > RATE_MEASURE_INTERVAL {
            inner.shrunk_at = now;
            inner.ramping = false;
            // As many as the rate keeps busy, half as many again: the rate does the slowing.
            let busy = inner.rate.unwrap_or(1.0) * inner.base_latency_secs.unwrap_or(0.02) * 1.5;
            let size = (self.current_request_concurrency() * 7 / 10).max(busy as usize).max(REQUESTS_MIN);
            self.size.store(size.min(self.most), Relaxed);
        }
    }

    fn compute_concurrency_limit(
        &self,
        inner: &mut ConcurrencyLimitState,
        busy: usize,
        heads: S3HeadRequestTimings,
        now: Instant,
    ) -> usize {
        let size = self.current_request_concurrency();
        inner.heads.count += heads.count;
        inner.heads.micros += heads.micros;
        if inner.heads.count == 0 || now - inner.adjusted_at < TICK_INTERVAL {
            return size;
        }
        inner.adjusted_at = now;
        let heads = std::mem::take(&mut inner.heads);
        let took = heads.micros as f64 / heads.count as f64 / 1e6;
        // A base that never rose would call every slower hour of S3 an overload.
        let base = inner.base_latency_secs.map_or(took, |base| took.min(base * 1.0005));
        inner.base_latency_secs = Some(base);
        if took > 2.0 * base + 0.001 {
            inner.strained_in_a_row += 1;
            // Each worker that comes anew makes its connection first, which costs this machine time: a moment of it isn't S3's doing.
            if inner.ramping && inner.strained_in_a_row < 3 {
                return size;
            }
            inner.ramping = false;
            if now - inner.shrunk_at > RATE_MEASURE_INTERVAL {
                inner.shrunk_at = now;
                // An eighth less; where most of them only wait behind each other, down to half.
                let kept = (4.0 * base / took).clamp(0.5, 0.875);
                return ((size as f64 * kept) as usize).max(REQUESTS_MIN);
            }
            return size;
        }
        inner.strained_in_a_row = 0;
        if busy * 10 < size * 8
            || self.limited.load(Relaxed) && now - inner.shrunk_at < 10 * RATE_MEASURE_INTERVAL
            || took > 1.5 * base + 0.00025
        {
            return size;
        }
        // On the way up one more for each reply that came: twice as many after each reply's time. Where that is short, what
        // is in flight asks for more than S3 lets through already.
        let passed = self.successful_request_count();
        let came = (passed - inner.successes_at_growth) as usize;
        inner.successes_at_growth = passed;
        let doubles = inner.ramping && took > TICK_INTERVAL.as_secs_f64() / 2.0;
        let more = if doubles { came.min(size) } else { (size / 32).max(1) };
        (size + more).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn beside_links_to_s3_it_begins_below_a_thousand_copies_a_second_and_halves_at_the_first_slow_down()
    {
        let window = AdaptiveConcurrencyLimit::new(1024, Arc::new(AtomicBool::new(true)));
        let count_passed_in = async |millis: u64| {
            let (end, mut passed) = (Instant::now() + Duration::from_millis(millis), 0);
            while Instant::now() < end {
                window.wait_for_request_rate().await;
                window.count_request_success();
                window.update_concurrency_limit(128, sample_heads(0.02));
                passed += 1;
            }
            passed * 1000 / millis
        };
        assert!(window.is_request_rate_limited());
        let first = count_passed_in(300).await;
        assert!((1_000..2_400).contains(&first), "{first} requests a second, two for each copy");
        let later = count_passed_in(2_000).await;
        assert!(later > first, "{later}, where S3 says nothing against it");
        let before = count_passed_in(100).await;
        window.count_s3_slow_down();
        let after = count_passed_in(200).await;
        assert!(after * 10 < before * 8, "{after} a second after the first SlowDown, {before} before");
        let plain = AdaptiveConcurrencyLimit::new(1024, Arc::default());
        assert!(!plain.is_request_rate_limited(), "once links lead to CloudFront S3 alone sets the pace");
    }

    fn sample_heads(took: f64) -> S3HeadRequestTimings {
        S3HeadRequestTimings { count: 1, micros: (took * 1e6) as u64 }
    }

    /// Runs the window against an S3 that answers after `latency`, lets `rate` requests a second through, and slows
    /// down beyond `knee` in flight; returns the window's size and how many passed in the last second.
    async fn simulate_s3(
        window: &AdaptiveConcurrencyLimit,
        latency: f64,
        rate: f64,
        knee: usize,
        seconds: u64,
    ) -> (usize, u64) {
        let (mut budget, mut last) = (0.0, 0);
        for tick in 0..seconds * 50 {
            if tick == (seconds - 1) * 50 {
                last = window.passed.load(Relaxed);
            }
            let workers = window.current_request_concurrency();
            let took = latency * (workers as f64 / knee as f64).max(1.0);
            let capacity = workers as f64 / took * TICK_INTERVAL.as_secs_f64();
            let held =
                window.inner.lock().unwrap().rate.unwrap_or(f64::INFINITY) * TICK_INTERVAL.as_secs_f64();
            let asked = capacity.min(held);
            budget = (budget + rate * TICK_INTERVAL.as_secs_f64()).min(rate * 0.1);
            let through = asked.min(budget);
            budget -= through;
            window.passed.fetch_add(through as u64, Relaxed);
            if asked - through >= 1.0 {
                window.slow_downs.fetch_add((asked - through) as u64, Relaxed);
            }
            tokio::time::advance(TICK_INTERVAL).await;
            window.update_concurrency_limit(workers, sample_heads(took));
        }
        (window.current_request_concurrency(), window.passed.load(Relaxed) - last)
    }

    #[tokio::test(start_paused = true)]
    async fn it_grows_to_the_most_while_s3_keeps_up() {
        let window = AdaptiveConcurrencyLimit::new(1024, Arc::default());
        let (size, _) = simulate_s3(&window, 0.02, f64::INFINITY, 10_000, 1).await;
        assert_eq!(size, 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_full_after_the_time_of_a_few_replies() {
        let (window, began) = (AdaptiveConcurrencyLimit::new(1024, Arc::default()), Instant::now());
        while window.current_request_concurrency() < 1024 {
            let pause = window.next_concurrency_update_delay();
            window.passed.fetch_add(
                (window.current_request_concurrency() as f64 * pause.as_secs_f64() / 0.02) as u64,
                Relaxed,
            );
            tokio::time::advance(pause).await;
            window.update_concurrency_limit(window.current_request_concurrency(), sample_heads(0.02));
        }
        assert!(began.elapsed() <= Duration::from_millis(120), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_in_no_hurry_where_replies_come_at_once() {
        let window = AdaptiveConcurrencyLimit::new(1024, Arc::default());
        let (size, _) = simulate_s3(&window, 0.001, f64::INFINITY, 10_000, 1).await;
        assert!(size < 1024, "{size}");
        let (size, _) = simulate_s3(&window, 0.001, f64::INFINITY, 10_000, 2).await;
        assert_eq!(size, 1024, "and gets there where it helps");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_are_made_on_the_way_up_do_not_end_it() {
        let window = AdaptiveConcurrencyLimit::new(1024, Arc::default());
        for tick in 0..20 {
            let took = if tick % 3 == 1 { 0.1 } else { 0.02 };
            window.passed.fetch_add(window.current_request_concurrency() as u64, Relaxed);
            tokio::time::advance(TICK_INTERVAL).await;
            window.update_concurrency_limit(window.current_request_concurrency(), sample_heads(took));
        }
        assert_eq!(window.current_request_concurrency(), 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn it_stays_where_latency_rises() {
        let window = AdaptiveConcurrencyLimit::new(1024, Arc::default());
        let (size, _) = simulate_s3(&window, 0.02, f64::INFINITY, 200, 20).await;
        assert!((200..=640).contains(&size), "{size}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_finds_the_rate_that_s3_lets_through_and_the_next_one() {
        let window = AdaptiveConcurrencyLimit::new(1024, Arc::default());
        let (size, passed) = simulate_s3(&window, 0.02, 5000.0, 10_000, 10).await;
        assert!(passed >= 4250, "{passed} of 5000, window {size}");
        assert!(size < 512, "{size}");
        let (_, passed) = simulate_s3(&window, 0.02, 1000.0, 10_000, 10).await;
        assert!(passed >= 800, "{passed} of 1000");
        let (_, passed) = simulate_s3(&window, 0.02, 20_000.0, 10_000, 30).await;
        assert!(passed >= 15_000, "{passed} of 20000, it doesn't stay slow for ever");
    }

    fn limit_with_rate(rate: f64) -> AdaptiveConcurrencyLimit {
        let window = AdaptiveConcurrencyLimit::new(1024, Arc::default());
        window.inner.lock().unwrap().rate = Some(rate);
        window.limited.store(true, Relaxed);
        window
    }

    /// Hundreds stand in line when S3 says SlowDown again: who comes after them doesn't go before them.
    #[tokio::test(start_paused = true)]
    async fn a_slow_down_lets_nobody_out_of_turn() {
        let window = std::sync::Arc::new(limit_with_rate(400.0));
        let went = std::sync::Arc::new(Mutex::new(Vec::new()));
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..300 {
            let (window, went) = (window.clone(), went.clone());
            workers.spawn(async move {
                for _ in 0..4 {
                    window.wait_for_request_rate().await;
                    went.lock().unwrap().push(Instant::now());
                    window.count_request_success();
                }
            });
        }
        let ticks = async {
            loop {
                tokio::time::sleep(TICK_INTERVAL).await;
                window.count_s3_slow_down();
                window.update_concurrency_limit(300, S3HeadRequestTimings::default());
            }
        };
        tokio::select! {
            () = ticks => {}
            () = async { while workers.join_next().await.is_some() {} } => {}
        }
        let went = went.lock().unwrap();
        assert_eq!(went.len(), 1200);
        // In any half second what the rate lets through, and the moment that may be caught up on.
        let most = (0.6 * 400.0) as usize + 1;
        assert!(went.windows(most + 1).all(|some| some[most] - some[0] >= Duration::from_millis(499)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_spaces_requests() {
        let window = limit_with_rate(100.0);
        let began = Instant::now();
        for _ in 0..50 {
            window.wait_for_request_rate().await;
        }
        assert_eq!((began.elapsed().as_millis() + 5) / 10, 49);
    }
}
