//! One warning for a spell of events, not one for each.

use std::time::Duration;

use tokio::time::Instant;

/// Without an event for so long, a spell is over.
const SPELL: Duration = Duration::from_secs(60);

/// The last event of a kind: a warning is for the first one of a spell.
#[derive(Debug, Default)]
pub struct EventSpell(Option<Instant>);

impl EventSpell {
    /// Notes an event. Whether it is the first of a spell.
    pub fn begins(&mut self) -> bool {
        let last = self.0.replace(now());
        last.is_none_or(is_over)
    }

    /// Whether a spell is over that has not been told to have ended.
    pub fn ends(&mut self) -> bool {
        self.0.take_if(|last| is_over(*last)).is_some()
    }
}

fn is_over(last: Instant) -> bool {
    now().saturating_duration_since(last) > SPELL
}

#[expect(clippy::disallowed_methods, reason = "it only decides whether a line is written")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_spell_lasts_until_nothing_has_happened_for_a_minute() {
        let mut spell = EventSpell::default();
        assert!(!spell.ends() && spell.begins());
        for _ in 0..3 {
            advance(SPELL).await;
            assert!(!spell.ends() && !spell.begins());
        }
        for _ in 0..2 {
            advance(SPELL + Duration::from_millis(1)).await;
            assert!(spell.begins());
        }
        advance(SPELL + Duration::from_millis(1)).await;
        assert!(spell.ends() && !spell.ends());
    }
}
