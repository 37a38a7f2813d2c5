//! Hears in the daemon what alerts and heartbeats go by, and wakes those who act on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use super::heartbeat::Beat;
use crate::daemon::record::Standing;
use crate::hub::{Listener, News, SweepResult, Told};

/// Listens to the hub for all shops. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ears(Arc<Mutex<BTreeMap<Arc<str>, Wakes>>>);

/// Wakes those who act for one shop.
#[derive(Debug)]
struct Wakes {
    look: Arc<Notify>,
    beat: watch::Sender<Option<Beat>>,
    /// Whether it stood in trouble when that was heard last.
    in_trouble: bool,
}

/// What one shop's news wake.
pub(super) struct Ear {
    /// Rung where something has changed that is worth a look.
    pub(super) look: Arc<Notify>,
    /// The last thing that a heartbeat has to say; what was not said in time is not said any more.
    pub(super) beat: watch::Receiver<Option<Beat>>,
}

impl Ears {
    /// Who hears it in the hub.
    pub(crate) fn listener(&self) -> Arc<dyn Listener> {
        Arc::new(self.clone())
    }

    /// Listens to this shop from now on, for nobody else.
    pub(super) fn listen(&self, shop: Option<&str>) -> Ear {
        let (beat, heard) = watch::channel(None);
        let look = Arc::new(Notify::new());
        let wakes = Wakes { look: Arc::clone(&look), beat, in_trouble: false };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(shop.unwrap_or_default().into(), wakes);
        Ear { look, beat: heard }
    }
}

impl Listener for Ears {
    fn hear(&self, told: &Told) {
        let mut shops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(wakes) = shops.get_mut(&told.shop) else { return };
        match &told.news {
            News::Stands { standing } => {
                let is_well = matches!(standing, Standing::Waiting | Standing::Standby);
                let in_trouble = matches!(standing, Standing::BackingOff | Standing::Halted);
                if in_trouble != wakes.in_trouble && (in_trouble || is_well) {
                    wakes.in_trouble = in_trouble;
                    wakes.look.notify_one();
                    if in_trouble {
                        wakes.beat.send_replace(Some(Beat::Fail));
                    }
                }
            }
            News::Swept(swept) => match swept.result {
                SweepResult::Held => {}
                result if result.is_success() => drop(wakes.beat.send_replace(Some(Beat::Success))),
                _ => drop(wakes.beat.send_replace(Some(Beat::Fail))),
            },
            News::Left => {
                shops.remove(&told.shop);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hub::{Hub, Swept};

    #[tokio::test]
    async fn trouble_and_its_end_ask_for_a_look_and_a_sweep_beats() {
        let ears = Ears::default();
        let hub = Hub::new(vec![Arc::new(ears.clone())]);
        let line = hub.join(Some("blue"), Duration::from_secs(60));
        let mut ear = ears.listen(Some("blue"));
        let other = ears.listen(Some("red"));
        let mut heard = || ear.beat.has_changed().unwrap().then(|| *ear.beat.borrow_and_update()).flatten();
        let swept = |result| News::Swept(Arc::new(Swept { result, report: None, error: None }));
        line.stands(Standing::Waiting, "waits", None);
        assert_eq!(heard(), None);
        line.tell(swept(SweepResult::Problems));
        assert_eq!(heard(), Some(Beat::Success));
        line.tell(swept(SweepResult::Held));
        assert_eq!(heard(), None);
        line.tell(swept(SweepResult::TooMany));
        assert_eq!(heard(), Some(Beat::Fail));
        line.stands(Standing::Halted, "halted", None);
        assert_eq!(heard(), Some(Beat::Fail));
        ear.look.notified().await;
        line.stands(Standing::Opening, "connects", None);
        line.stands(Standing::Waiting, "waits", None);
        ear.look.notified().await;
        assert_eq!(heard(), None);
        assert!(!other.beat.has_changed().unwrap());
    }
}
