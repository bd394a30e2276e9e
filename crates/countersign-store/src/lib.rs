//! Adapters for the ports of `countersign-core`: stores, spent nonces and the
//! JWKS that accounts publish.

mod endpoint_keys;
mod registry;

pub use endpoint_keys::{ChangeListener, EndpointKeys, EndpointStatus, merge_keys};
pub use registry::{AccountEndpoint, KeyUse, RegistryStore, StoredAccount};
