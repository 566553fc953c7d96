//! Trying again: what is worth it, how often, and after how long.

use std::time::Duration;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::settings::Retry;

/// Why one attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The next attempt would fail alike.
    Final(Box<Error>),
    /// The next attempt may succeed, after the time that the server asked for.
    Passing(Box<Error>, Option<Duration>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(Box::new(error))
    }
}

impl Failure {
    pub(crate) fn passing(error: Error, asked: Option<Duration>) -> Self {
        Self::Passing(Box::new(error), asked)
    }
}

/// The attempts at one thing.
pub(crate) struct Attempts<'a> {
    policy: Retry,
    cancel: &'a Cancel,
    made: u32,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(policy: Retry, cancel: &'a Cancel) -> Self {
        Self {
            policy,
            cancel,
            made: 0,
        }
    }

    /// Repeats `once` until it succeeds, or there is no use in going on.
    pub(crate) fn run<T>(mut self, mut once: impl FnMut() -> Result<T, Failure>) -> Result<T> {
        loop {
            match once() {
                Ok(value) => return Ok(value),
                Err(failure) => self.failed(failure)?,
            }
        }
    }

    /// Counts from the beginning, since there was progress.
    pub(crate) fn renew(&mut self) {
        self.made = 0;
    }

    /// Waits until the next attempt is due, or gives the error that ends it.
    pub(crate) fn failed(&mut self, failure: Failure) -> Result<()> {
        self.cancel.check()?;
        self.made += 1;
        let (error, asked) = match failure {
            Failure::Final(error) => return Err(error.after(self.made)),
            Failure::Passing(error, asked) => (error, asked),
        };
        if self.made >= self.policy.attempts
            || asked.is_some_and(|asked| asked > self.policy.longest_retry_after)
        {
            return Err(error.after(self.made));
        }
        let wait = self.wait(asked);
        self.cancel.pause(wait)
    }

    /// Exponential, and spread so that threads that failed together do not come back together.
    fn wait(&self, asked: Option<Duration>) -> Duration {
        let doubled = 2_u32.saturating_pow(self.made.saturating_sub(1));
        let own = self
            .policy
            .first_wait
            .saturating_mul(doubled)
            .min(self.policy.longest_wait);
        match asked {
            Some(asked) => asked + own.mul_f64(fastrand::f64() / 2.0),
            None => own.mul_f64(0.5 + fastrand::f64() / 2.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn passing(asked: Option<Duration>) -> Failure {
        let error = Error::Status {
            method: "GET",
            url: "https://registry.example/v2/".into(),
            status: 503,
            attempts: 0,
            message: None,
        };
        Failure::passing(error, asked)
    }

    fn policy(attempts: u32) -> Retry {
        Retry {
            attempts,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(4),
            longest_retry_after: Duration::from_millis(50),
        }
    }

    #[test]
    fn tries_as_often_as_it_may_and_says_how_often() {
        let cancel = Cancel::default();
        let mut calls = 0;
        let outcome: Result<()> = Attempts::new(policy(3), &cancel).run(|| {
            calls += 1;
            Err(passing(None))
        });
        assert!(matches!(outcome, Err(Error::Status { attempts: 3, .. })));
        assert_eq!(calls, 3);
    }

    #[test]
    fn waits_as_long_as_it_is_asked_to_but_not_longer_than_the_bound() {
        let cancel = Cancel::default();
        let started = Instant::now();
        let mut answers = [true, false].into_iter();
        let outcome: Result<()> = Attempts::new(policy(3), &cancel).run(|| {
            if answers.next() == Some(true) {
                return Err(passing(Some(Duration::from_millis(40))));
            }
            Ok(())
        });
        outcome.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(40));
        let started = Instant::now();
        let outcome: Result<()> =
            Attempts::new(policy(3), &cancel).run(|| Err(passing(Some(Duration::from_mins(1)))));
        assert!(matches!(outcome, Err(Error::Status { attempts: 1, .. })));
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn doubles_the_wait_up_to_the_longest() {
        let cancel = Cancel::default();
        let mut attempts = Attempts::new(policy(9), &cancel);
        for (made, longest) in [(1, 1), (2, 2), (3, 4), (4, 4), (40, 4)] {
            attempts.made = made;
            let wait = attempts.wait(None);
            let longest = Duration::from_millis(longest);
            assert!(wait <= longest && wait >= longest / 2, "{made}: {wait:?}");
        }
    }

    #[test]
    fn stops_waiting_when_cancelled() {
        let cancel = Cancel::default();
        cancel.call();
        let outcome: Result<()> = Attempts::new(policy(3), &cancel).run(|| Err(passing(None)));
        assert!(matches!(outcome, Err(Error::Cancelled)));
    }
}
