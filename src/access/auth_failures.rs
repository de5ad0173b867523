//! Bad credentials, counted per client address: who guesses is answered 429 instead of 401.
//!
//! Only a request whose credential was bad comes here, so a good one is never refused for what
//! others did from the same address.
//!
//! Memory is fixed: 1024 sets of 4 clients, some 112 KiB, whoever comes. The set is chosen by a
//! hash with a key of this process, so nobody can aim at another's; within a set the client with the
//! least debt is forgotten for a new one. An attacker with a million addresses gains that each of
//! them is forgotten sooner, and nothing else: it would have had a million times the guesses anyway.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZeroU32,
};

use http::HeaderValue;
use parking_lot::Mutex;

use super::rate::{Quota, Rate, RateExceeded, since};
use crate::clock::Instant;

const SETS: usize = 1024;
const SLOTS: usize = 4;

/// Bad credentials at once; one more each second.
const RATE: Rate = Rate::one_a_second(NonZeroU32::new(60).expect("it is not zero"));

/// The name in `RateLimit-Policy` and `RateLimit`.
const NAME: &str = "failed-authentication";

/// The clients that sent bad credentials of late.
pub struct AuthFailureLimiter {
    start: Instant,
    key: RandomState,
    sets: Box<[Mutex<[LimiterSlot; SLOTS]>]>,
}

/// Whom one bucket is for. One customer has a whole IPv6 /64, and can send from each of its
/// addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LimitedClient {
    V4(u32),
    V6Prefix(u64),
}

impl From<IpAddr> for LimitedClient {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                let parts = [a, b, c, d].map(u64::from);
                Self::V6Prefix(parts.into_iter().fold(0, |prefix, part| prefix << 16 | part))
            }
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct LimiterSlot {
    client: Option<LimitedClient>,
    /// See [`super::rate::Cells`]. Whoever is past it owes nothing.
    full_at: u64,
}

impl AuthFailureLimiter {
    /// Nobody has guessed yet. `start` is any moment before the first [`AuthFailureLimiter::note`].
    pub fn new(start: Instant) -> Self {
        let sets = (0..SETS).map(|_| Mutex::default()).collect();
        Self { start, key: RandomState::new(), sets }
    }

    /// Counts a bad credential. Locks one set of clients for the time of a comparison.
    ///
    /// # Errors
    /// [`RateExceeded`] when the client has sent too many: 60 at once, and one more each second.
    pub fn note(&self, client: IpAddr, now: Instant) -> Result<(), RateExceeded> {
        let client = LimitedClient::from(client);
        let now = since(self.start, now);
        let mut set = self.set(client).lock();
        let known = set.iter().position(|slot| slot.client == Some(client));
        let slot = match known {
            Some(at) => &mut set[at],
            None => {
                let least = set.iter_mut().min_by_key(|slot| slot.full_at);
                let slot = least.expect("a set has slots");
                *slot = LimiterSlot { client: Some(client), full_at: 0 };
                slot
            }
        };
        slot.full_at = RATE.cells().take(slot.full_at, now)?;
        Ok(())
    }

    /// The value of `RateLimit-Policy`.
    pub fn policy() -> HeaderValue {
        RATE.policy(NAME)
    }

    /// The value of `RateLimit` for a refused client.
    pub fn field(exceeded: RateExceeded) -> HeaderValue {
        Quota::from(exceeded).field(NAME)
    }

    fn set(&self, client: LimitedClient) -> &Mutex<[LimiterSlot; SLOTS]> {
        let hash = self.key.hash_one(client);
        let at = usize::try_from(hash % SETS as u64).expect("below 1024");
        &self.sets[at]
    }
}

// Addresses are nobody's business in a debug text, and there are thousands.
base::opaque_debug!(AuthFailureLimiter);

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use jiff::Timestamp;

    use super::*;
    use crate::clock::Clock;

    fn limiter() -> (AuthFailureLimiter, Instant) {
        let start = Clock::manual(Timestamp::UNIX_EPOCH).now();
        (AuthFailureLimiter::new(start), start)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn granted(limiter: &AuthFailureLimiter, client: IpAddr, now: Instant) -> usize {
        (0..100).filter(|_| limiter.note(client, now).is_ok()).count()
    }

    #[test]
    fn sixty_bad_credentials_are_told_so_and_then_one_a_second() {
        let (limiter, start) = limiter();
        let client = address("192.0.2.1");
        assert_eq!(granted(&limiter, client, start), 60);
        let exceeded = limiter.note(client, start).unwrap_err();
        assert_eq!(exceeded.retry_after, Duration::from_secs(1));
        assert_eq!(AuthFailureLimiter::policy(), "\"failed-authentication\";q=60;w=60");
        assert_eq!(AuthFailureLimiter::field(exceeded), "\"failed-authentication\";r=0;t=1");
        assert_eq!(granted(&limiter, client, start + Duration::from_secs(3)), 3);
        assert_eq!(granted(&limiter, address("192.0.2.2"), start), 60, "another's are another's");
    }

    #[test]
    fn an_ipv6_client_is_its_network_and_a_mapped_one_its_ipv4_address() {
        let (limiter, start) = limiter();
        for (one, same, other) in [
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"),
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.3"),
            ("::ffff:192.0.2.2", "192.0.2.2", "::ffff:192.0.2.4"),
        ] {
            assert_eq!(granted(&limiter, address(one), start), 60);
            assert_eq!(granted(&limiter, address(same), start), 0, "{same} is {one}");
            assert_eq!(granted(&limiter, address(other), start), 60, "{other} is not {one}");
        }
    }

    #[test]
    fn a_flood_of_addresses_makes_only_the_flood_forgotten() {
        let (limiter, start) = limiter();
        let client = address("2001:db8::1");
        assert_eq!(granted(&limiter, client, start), 60);
        for number in 0..100_000 {
            limiter.note(Ipv4Addr::from_bits(number).into(), start).unwrap();
        }
        assert!(limiter.note(client, start).is_err(), "the one that owes most is kept");
    }

    #[test]
    fn the_table_is_as_small_as_it_says() {
        let size = SETS * size_of::<Mutex<[LimiterSlot; SLOTS]>>();
        assert!(size <= 112 * 1024, "{size}");
        let (limiter, start) = limiter();
        (0..10_000).for_each(|n| limiter.note(Ipv4Addr::from_bits(n).into(), start).unwrap());
        assert_eq!(limiter.sets.len(), SETS);
    }

    #[test]
    fn addresses_are_spread_over_the_sets_differently_in_each_table() {
        let (one, _) = limiter();
        let (other, _) = limiter();
        let places = |limiter: &AuthFailureLimiter| -> Vec<usize> {
            let clients = (0..64).map(|n| LimitedClient::V4(0x0a00_0000 + n));
            let first = limiter.sets.as_ptr().addr();
            clients.map(|client| (&raw const *limiter.set(client)).addr() - first).collect()
        };
        assert_ne!(places(&one), places(&other));
    }

    #[test]
    fn threads_together_get_sixty() {
        let (limiter, start) = limiter();
        let client = address("192.0.2.9");
        let granted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| granted(&limiter, client, start))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(granted, 60);
    }
}
