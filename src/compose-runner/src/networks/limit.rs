//! How much a name server takes on at once: each network and protocol by itself, so that nobody in one network keeps the
//! others from asking, and of each who asks only a part of that.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Questions under way at once. More are dropped, and asked again by who asked.
const MOST: usize = 64;
/// Of them those of one address.
const MOST_OF_ONE: usize = 16;

/// What is under way, by who asked.
#[derive(Clone, Default)]
pub struct Limit(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One that is under way, until it is dropped.
struct UnderWay {
    limit: Limit,
    from: IpAddr,
}

impl Limit {
    /// Works for who asked on a thread of its own, unless there is too much under way.
    pub fn run(&self, from: IpAddr, work: impl FnOnce() + Send + 'static) {
        let Some(under_way) = self.begin(from) else {
            return;
        };
        let work = move || {
            let _under_way = under_way;
            work();
        };
        // without a thread it counts as dropped: `work` goes with it
        let _ = thread::Builder::new().name("names".into()).spawn(work);
    }

    fn begin(&self, from: IpAddr) -> Option<UnderWay> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let of_one = counts.get(&from).copied().unwrap_or_default();
        if all >= MOST || of_one >= MOST_OF_ONE {
            return None;
        }
        counts.insert(from, of_one + 1);
        Some(UnderWay {
            limit: self.clone(),
            from,
        })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut counts = self.limit.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_a_part_of_what_all_have() {
        let limit = Limit::default();
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        let mut held: Vec<UnderWay> = Vec::new();
        while let Some(under_way) = limit.begin(address(1)) {
            held.push(under_way);
        }
        assert_eq!(held.len(), MOST_OF_ONE);
        for last in 2..100 {
            held.extend(limit.begin(address(last)));
        }
        assert_eq!(held.len(), MOST);
        held.pop();
        assert!(limit.begin(address(1)).is_none(), "still its whole part");
        assert!(limit.begin(address(100)).is_some());
        held.clear();
        let counts = limit.0.lock().unwrap();
        assert!(counts.is_empty(), "{counts:?}");
    }
}
