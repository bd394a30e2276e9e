//! Signing keys and other sealed secrets.

use async_trait::async_trait;
use countersign_core::ports::{
    Act, Resealed, SecretName, SigningKeyRecord, SigningKeyStore, StoreError, UnreadableSigningKey,
};
use countersign_core::{RotationStep, Sealed, UnixTime};

use super::{MemoryStore, State};
use crate::audit::Entry;

#[async_trait]
impl SigningKeyStore for MemoryStore {
    async fn signing_keys(
        &self,
    ) -> Result<Vec<Result<SigningKeyRecord, UnreadableSigningKey>>, StoreError> {
        Ok(self.lock().signing_keys.iter().cloned().map(Ok).collect())
    }

    async fn begin_ring(&self, act: &Act, keys: &[SigningKeyRecord]) -> Result<bool, StoreError> {
        let mut state = self.lock();
        if !state.signing_keys.is_empty() {
            return Ok(false);
        }
        for key in keys {
            state.add_signing_key(act, key);
        }
        Ok(true)
    }

    async fn add_signing_key(&self, act: &Act, key: &SigningKeyRecord) -> Result<bool, StoreError> {
        Ok(self.lock().add_signing_key(act, key))
    }

    async fn rotate_signing_keys(
        &self,
        act: &Act,
        step: &RotationStep,
        standby: &SigningKeyRecord,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let waits = |key: &SigningKeyRecord| key.activated_at.is_none() && key.retired_at.is_none();
        let signs = |key: &SigningKeyRecord| key.activated_at.is_some() && key.retired_at.is_none();
        let possible = state.signing_key(&step.activate).is_some_and(waits)
            && step.retire.iter().all(|kid| state.signing_key(kid).is_some_and(signs))
            && state.signing_key(&standby.kid).is_none();
        if !possible {
            return Ok(false);
        }
        for kid in &step.retire {
            state.change_signing_key(act, "signing-key.retire", kid, |key| {
                (key.retired_at, key.gone_at) = (Some(step.at), Some(step.gone_at));
            });
        }
        state.change_signing_key(act, "signing-key.activate", &step.activate, |key| {
            key.activated_at = Some(step.at);
        });
        state.add_signing_key(act, standby);
        Ok(true)
    }

    async fn retire_signing_key(
        &self,
        act: &Act,
        kid: &str,
        gone_at: UnixTime,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let signs = |key: &SigningKeyRecord| key.activated_at.is_some() && key.retired_at.is_none();
        if state.signing_key(kid).is_none_or(signs) {
            return Ok(false);
        }
        state.change_signing_key(act, "signing-key.retire", kid, |key| {
            key.retired_at.get_or_insert(act.at);
            key.gone_at = Some(gone_at);
        });
        Ok(true)
    }

    async fn discard_signing_key(&self, act: &Act, kid: &str) -> Result<bool, StoreError> {
        let mut state = self.lock();
        if state.signing_key(kid).is_none() {
            return Ok(false);
        }
        state.change_signing_key(act, "signing-key.retire", kid, |key| {
            key.retired_at.get_or_insert(act.at);
            key.gone_at = Some(act.at);
            key.sealed = None;
        });
        Ok(true)
    }

    async fn secret(&self, name: &str, candidate: &Sealed) -> Result<Sealed, StoreError> {
        let mut state = self.lock();
        let secret = state.secrets.entry(name.to_owned()).or_insert_with(|| candidate.clone());
        Ok(secret.clone())
    }

    async fn sealed(&self) -> Result<Vec<(SecretName, Sealed)>, StoreError> {
        Ok(self.lock().sealed())
    }

    async fn reseal(&self, act: &Act, all: &[Resealed]) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let there = state.sealed();
        let is_there = |one: &Resealed| {
            there.iter().any(|(name, sealed)| *name == one.name && *sealed == one.former)
        };
        if there.len() != all.len() || !all.iter().all(is_there) {
            return Ok(false);
        }
        for one in all {
            match &one.name {
                SecretName::SigningKey(kid) => {
                    for key in state.signing_keys.iter_mut().filter(|key| key.kid == *kid) {
                        key.sealed = Some(one.next.clone());
                    }
                }
                SecretName::Named(name) => {
                    state.secrets.insert(name.to_string(), one.next.clone());
                }
            }
        }
        state.record(act, Entry::resealed(all.len()));
        Ok(true)
    }
}

impl State {
    fn sealed(&self) -> Vec<(SecretName, Sealed)> {
        let keys = self.signing_keys.iter().filter_map(|key| {
            key.sealed.clone().map(|sealed| (SecretName::SigningKey(key.kid.clone()), sealed))
        });
        let named = self.secrets.iter();
        let named =
            named.map(|(name, sealed)| (SecretName::Named(name.as_str().into()), sealed.clone()));
        keys.chain(named).collect()
    }

    fn signing_key(&self, kid: &str) -> Option<&SigningKeyRecord> {
        self.signing_keys.iter().find(|key| &*key.kid == kid)
    }

    fn add_signing_key(&mut self, act: &Act, key: &SigningKeyRecord) -> bool {
        if self.signing_key(&key.kid).is_some() {
            return false;
        }
        self.signing_keys.push(key.clone());
        self.record(act, Entry::signing_key("signing-key.add", None, &Ok(key.clone())));
        true
    }

    fn change_signing_key(
        &mut self,
        act: &Act,
        action: &'static str,
        kid: &str,
        change: impl FnOnce(&mut SigningKeyRecord),
    ) {
        let Some(key) = self.signing_keys.iter_mut().find(|key| &*key.kid == kid) else { return };
        let before = key.clone();
        change(key);
        let (before, after) = (Ok(before), Ok(key.clone()));
        self.record(act, Entry::signing_key(action, Some(&before), &after));
    }
}
