//! How much a hostile image may cost.

/// Bounds on what is read of an image before its digests are known to be right.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one JSON document: index, manifest, config. Registries and containerd refuse above 4 MiB to 8 MiB.
    pub document: u64,
    /// Bytes of all JSON documents of one tarball or layout together.
    pub documents: u64,
    /// Files in a tarball.
    pub entries: usize,
    /// Bytes of all names in a tarball together.
    pub names: usize,
    /// Bytes that something compressed may always unpack to, however small it is.
    pub unpacked: u64,
    /// Beyond [`Limits::unpacked`]: how many times its own size something compressed may unpack to.
    pub ratio: u64,
}

impl Limits {
    /// Generous for any real image.
    pub const DEFAULT: Self = Self {
        document: 4 << 20,
        documents: 64 << 20,
        entries: 100_000,
        names: 16 << 20,
        unpacked: 8 << 30,
        ratio: 200,
    };

    /// How many bytes something of `stored` compressed bytes may unpack to.
    #[must_use]
    pub fn unpacked_of(&self, stored: u64) -> u64 {
        stored.saturating_mul(self.ratio).max(self.unpacked)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
