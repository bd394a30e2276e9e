//! Rotation, import and retirement of signing keys.

use countersign_core::ports::Act;
use countersign_core::{Algorithm, PrivateKey, Rotation, RotationStep, SigningKey};

use super::{ChangeRingError, LiveKeyRing, OpenRingError, hashing_secret};

impl LiveKeyRing {
    /// Lets the standby sign, and publishes the next one.
    ///
    /// # Errors
    /// [`ChangeRingError`].
    pub async fn rotate(&self, act: &Act, how: Rotation) -> Result<RotationStep, ChangeRingError> {
        let _turn = self.turn.lock().await;
        self.reload().await?;
        let replaces_unusable = how == Rotation::Compromised && !self.unusable_keys().is_empty();
        if replaces_unusable {
            self.is_judged_by_the_right_encryption_key().await?;
            if self.current.load().standby().is_none() {
                self.publish_standby(act).await?;
            }
        }
        let step = self.current.load().rotation(act.at, how)?;
        let standby = self.sealed(&self.generate().await?);
        let rotated = self.store.rotate_signing_keys(act, &step, &standby).await?;
        if rotated && replaces_unusable {
            for kid in self.unusable.that_sign() {
                self.store.discard_signing_key(act, &kid).await?;
            }
        }
        self.reload().await?;
        if rotated { Ok(step) } else { Err(ChangeRingError::Contended) }
    }

    /// The same at the configured lifetime of tokens.
    ///
    /// # Errors
    /// [`ChangeRingError`].
    pub async fn rotate_on_schedule(&self, act: &Act) -> Result<RotationStep, ChangeRingError> {
        let longest_lifetime = self.settings.longest_lifetime;
        self.rotate(act, Rotation::Scheduled { longest_lifetime }).await
    }

    /// Lets a key that does not sign, or cannot be used, go at once: what it signed is refused
    /// from now on. If it was the standby, the next one is published.
    ///
    /// # Errors
    /// [`ChangeRingError`].
    pub async fn retire(&self, act: &Act, kid: &str) -> Result<(), ChangeRingError> {
        let _turn = self.turn.lock().await;
        self.reload().await?;
        let retired = if self.unusable.include(kid) {
            self.is_judged_by_the_right_encryption_key().await?;
            self.store.discard_signing_key(act, kid).await?
        } else {
            self.store.retire_signing_key(act, kid, act.at).await?
        };
        self.reload().await?;
        if retired {
            return self.ensure_standby(act).await;
        }
        let is_there = self.keys().iter().any(|(key, _)| &*key.kid == kid);
        Err(if is_there {
            ChangeRingError::Active(kid.into())
        } else {
            ChangeRingError::NoSuchKey(kid.into())
        })
    }

    /// Where the encryption key was replaced beside this server, the keys that it cannot open
    /// are in order for all others, and what it sealed would be lost on them.
    async fn is_judged_by_the_right_encryption_key(&self) -> Result<(), OpenRingError> {
        hashing_secret(&*self.store, &self.encryption_key, &*self.random).await.map(|_| ())
    }

    /// Publishes a key that was made elsewhere: it becomes a standby, and signs when it
    /// is its turn. Without a name it is called by its RFC 7638 thumbprint.
    ///
    /// # Errors
    /// [`ChangeRingError`].
    pub async fn import(
        &self,
        act: &Act,
        key: PrivateKey,
        (algorithm, kid): (Algorithm, Option<&str>),
    ) -> Result<Box<str>, ChangeRingError> {
        let key_type = key.public_key().key_type();
        if algorithm.key_type() != key_type {
            return Err(ChangeRingError::Algorithm(key_type.to_string(), algorithm));
        }
        let mut key = SigningKey::new(key, algorithm, act.at);
        if let Some(kid) = kid {
            key.kid = kid.into();
        }
        let _turn = self.turn.lock().await;
        if !self.store.add_signing_key(act, &self.sealed(&key)).await? {
            return Err(ChangeRingError::Exists(key.kid));
        }
        self.reload().await?;
        Ok(key.kid)
    }

    /// Takes up what others changed, rotates if it is time, and sees to the standby.
    ///
    /// # Errors
    /// [`ChangeRingError`].
    pub async fn maintain(&self) -> Result<(), ChangeRingError> {
        let now = self.clock.now();
        let act = Act { actor: "schedule".to_owned(), at: now, from: None };
        self.reload().await?;
        let active = self.current.load().active().and_then(|key| key.activated_at);
        let Some(active_since) = active else { return Ok(()) };
        match self.settings.rotate_every {
            Some(interval) if now >= active_since + interval => {
                // Another replica may just have done it.
                match self.rotate_on_schedule(&act).await {
                    Ok(step) => tracing::info!(kid = &*step.activate, "signing keys were rotated"),
                    Err(ChangeRingError::Contended | ChangeRingError::Rotation(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            _ => {}
        }
        let _turn = self.turn.lock().await;
        self.ensure_standby(&act).await
    }

    /// Publishes a standby if there is a key that signs, and none to follow it.
    async fn ensure_standby(&self, act: &Act) -> Result<(), ChangeRingError> {
        let ring = self.current.load_full();
        if ring.active().is_none() || ring.standby().is_some() {
            return Ok(());
        }
        self.publish_standby(act).await
    }

    async fn publish_standby(&self, act: &Act) -> Result<(), ChangeRingError> {
        let standby = self.sealed(&self.generate().await?);
        self.store.add_signing_key(act, &standby).await?;
        self.reload().await?;
        Ok(())
    }
}
