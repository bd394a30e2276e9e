//! A ring that other servers change too.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{SharedSigningKeys, StoreError};

use super::{LiveKeyRing, OpenRingError, RingSharing};

/// How long at least from one look for an unknown key to the next: anybody can name one.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

impl LiveKeyRing {
    /// Looks whether another server has published a key that is not in memory. All who ask
    /// while a look is under way share the next one.
    pub(in crate::token_service) async fn look_for_others_keys(&self) -> Result<(), StoreError> {
        if self.settings.sharing == RingSharing::Alone {
            return Ok(());
        }
        let begun = self.looks.load(Ordering::Acquire);
        let _looking = self.looking.lock().await;
        if self.looks.load(Ordering::Acquire) == begun {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            self.looks.fetch_add(1, Ordering::AcqRel);
            self.read_again().await?;
        }
        Ok(())
    }
}

#[async_trait]
impl SharedSigningKeys for LiveKeyRing {
    async fn read_again(&self) -> Result<(), StoreError> {
        match self.reload().await {
            Ok(_) => Ok(()),
            Err(OpenRingError::Store(error)) => Err(error),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }
}
