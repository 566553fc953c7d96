//! How much may go on at once within the memory that the operator allows.

/// The program itself, lists, documents, the engine's answers.
const BASE: u64 = 16 << 20;
/// One thread that verifies: the window of a Zstandard stream (8 MB) and buffers.
const READER: u64 = 10 << 20;
/// One upload: the parts that wait between tarball, thread and socket.
const UPLOAD: u64 = 3 << 20;
/// More uploads at once do not make an engine faster.
const MOST_UPLOADS: u64 = 8;

/// How much may go on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Threads that open and verify images.
    pub readers: usize,
    /// Images that are sent at once.
    pub uploads: usize,
}

impl Budget {
    /// What fits into so many bytes, and is of use to so many processors.
    pub fn new(memory: u64, processors: usize) -> Self {
        let processors = u64::try_from(processors).unwrap_or(1).max(1);
        let left = memory.saturating_sub(BASE + UPLOAD);
        let readers = (left / READER).clamp(1, processors);
        let uploads = 1 + left.saturating_sub(readers * READER) / UPLOAD;
        let small = |count: u64| usize::try_from(count).unwrap_or(1);
        Self {
            readers: small(readers),
            uploads: small(uploads.min(MOST_UPLOADS)),
        }
    }

    /// One image after the other.
    pub fn alone(self) -> Self {
        Self { uploads: 1, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_memory_is_for_one_image_after_the_other() {
        let budget = Budget::new(32 << 20, 16);
        assert_eq!((budget.readers, budget.uploads), (1, 2));
        assert_eq!(Budget::new(0, 0).uploads, 1);
    }

    #[test]
    fn more_memory_is_for_more_at_once_up_to_what_the_machine_has() {
        let of = |megabytes: u64, processors| {
            let budget = Budget::new(megabytes << 20, processors);
            (budget.readers, budget.uploads)
        };
        assert_eq!(of(64, 2), (2, 8));
        assert_eq!(of(64, 64), (4, 2));
        assert_eq!(of(1024, 64), (64, 8));
    }
}
